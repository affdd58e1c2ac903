"""Inference of exported networks: in ONNX Runtime beside ordinary networks, and in Keras.

The ordinary network has stock convolutions with as many channels, normalisation, pooling and
activations; the difference is the cost of the symmetry. Both are written by
`keras_gcnn.export.save` and run in turn in one process.

    python -m benchmarks.suite.export
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.common import command, harness, report
from benchmarks.common.environments import Environment

NETWORKS: dict[str, dict[str, Any]] = {
    "cohen_cnn p4": {"builder": "cohen_cnn", "group": "p4", "order": 4, "target": 1.05},
    "cohen_cnn p4m": {"builder": "cohen_cnn", "group": "p4m", "order": 8, "target": 1.05},
    "resnet20 p4": {"builder": "resnet20", "group": "p4", "order": 4, "target": 1.05},
    "so2cnn": {"builder": "so2cnn", "target": 1.2},
}
FORMS = {"plain": "in plain layers", "fast": "by `for_inference`"}
SMALLEST = {"batch_size": 2, "steps": 2, "networks": ("cohen_cnn p4",)}


def _networks(name: str):
    """An equivariant network and an ordinary one with as many channels."""
    import keras

    from keras_gcnn import zoo

    keras.utils.set_random_seed(0)
    settings = NETWORKS[name]
    if "order" not in settings:
        network = zoo.so2cnn()
        return network, _ordinary(network)
    network = getattr(zoo, settings["builder"])(settings["group"])
    wide = [settings["order"] * width for width in network.widths]
    return network, getattr(zoo, settings["builder"])("z2", widths=wide)


def _ordinary(network):
    """`so2cnn` with stock layers: convolution, batch normalisation, ELU, average pooling."""
    import keras

    x = image = keras.Input(network.input_shape[1:], name="image")
    for layer in network.layers:
        name = type(layer).__name__
        if name == "SteerableConv2D":
            filters = layer.output.shape[-1]
            window = {"padding": layer.padding, "use_bias": False}
            x = keras.layers.Conv2D(filters, layer.kernel_size, **window)(x)
        elif name == "SteerableBatchNormalization":
            x = keras.layers.BatchNormalization()(x)
        elif name in ("FourierActivation", "ELU"):
            x = keras.layers.ELU()(x)
        elif name == "SteerableAveragePooling2D" and layer.strides > 1:
            x = keras.layers.AveragePooling2D(layer.strides)(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, keras.layers.Dense(10, name="logits")(x), name="ordinary")


def in_onnx(name: str, batch_size: int, steps: int) -> harness.Timed:
    """Times calls of both networks in ONNX Runtime in turn."""
    import onnxruntime

    from keras_gcnn import export

    equivariant, ordinary = _networks(name)
    inputs, _ = harness.batch(batch_size, equivariant.input_shape[1:])
    actions = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, network in (("equivariant", equivariant), ("ordinary", ordinary)):
            path = export.save(network, Path(folder, f"{name}.onnx"))
            options = onnxruntime.SessionOptions()
            # Otherwise the waiting session's threads take time from the running one.
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")
            session = onnxruntime.InferenceSession(path, options)
            actions[name] = partial(session.run, None, {"image": inputs})
    return harness.alternate(actions, steps)


def in_keras(name: str, batch_size: int, steps: int) -> harness.Timed:
    """Times calls of a network in Keras, and of its forms, in turn."""
    from keras_gcnn import export

    network, _ = _networks(name)
    inputs, _ = harness.batch(batch_size, network.input_shape[1:])
    forms = {
        "network": network,
        "plain": export.to_plain(network),
        "fast": export.for_inference(network),
    }
    calls = {form: partial(model.predict_on_batch, inputs) for form, model in forms.items()}
    return harness.alternate(calls, steps)


def compare(
    environment: Environment,
    batch_size: command.BatchSize = 32,
    steps: command.Steps = 20,
    networks: Iterable[str] = tuple(NETWORKS),
) -> Iterator[report.Row]:
    """The rows of one environment; those of ONNX Runtime are measured with TensorFlow on a CPU."""
    for name in networks:
        if (environment.backend, environment.device) == ("tensorflow", "cpu"):
            timed = environment.run(in_onnx, name, batch_size, steps)
            target = NETWORKS[name]["target"]
            what = f"{name}, ONNX Runtime, inference against an ordinary network"
            yield report.times(what, timed, "equivariant", "ordinary", target)
        timed = environment.run(in_keras, name, batch_size, steps)
        for form, description in FORMS.items():
            what = f"{name}, inference {description} against the network itself"
            yield report.times(what, timed, form, "network", 1.0)


if __name__ == "__main__":
    command.run("export", compare, steps=30)
