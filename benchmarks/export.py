"""Inference of exported networks: in ONNX Runtime beside ordinary networks, and in Keras.

The ordinary network has stock convolutions of as many channels, normalisation, pooling, and the
activation by itself: what the equivariant one costs beyond that is what its symmetry costs. Both
are written by `keras_gcnn.export.save` and run in turn in one process.

    python benchmarks/export.py
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import command
import harness
import report
import typer
from places import BACKENDS, Place

NETWORKS: dict[str, dict[str, Any]] = {
    "cohen_cnn p4": {"builder": "cohen_cnn", "group": "p4", "order": 4, "target": 1.05},
    "cohen_cnn p4m": {"builder": "cohen_cnn", "group": "p4m", "order": 8, "target": 1.05},
    "resnet20 p4": {"builder": "resnet20", "group": "p4", "order": 4, "target": 1.05},
    "so2cnn": {"builder": "so2cnn", "target": 1.2},
}
FORMS = {"plain": "in plain layers", "fast": "by `for_inference`"}
SMALLEST = {"batch_size": 2, "steps": 2, "networks": ("cohen_cnn p4",)}


def _networks(name: str):
    """An equivariant network and an ordinary one of as many channels."""
    import keras

    from keras_gcnn import zoo

    keras.utils.set_random_seed(0)
    form = NETWORKS[name]
    if "order" not in form:
        network = zoo.so2cnn()
        return network, _ordinary(network)
    network = getattr(zoo, form["builder"])(form["group"])
    wide = [form["order"] * width for width in network.widths]
    # A network whose last maps are the classes pools one number of |G| for each.
    return network, getattr(zoo, form["builder"])("z2", widths=wide)


def _ordinary(network):
    """`so2cnn` with stock layers: convolution, batch normalisation, ELU, average pooling."""
    import keras

    x = image = keras.Input(network.input_shape[1:], name="image")
    for layer in network.layers:
        kind = type(layer).__name__
        if kind == "SteerableConv2D":
            filters = layer.output.shape[-1]
            window = {"padding": layer.padding, "use_bias": False}
            x = keras.layers.Conv2D(filters, layer.kernel_size, **window)(x)
        elif kind == "SteerableBatchNormalization":
            x = keras.layers.BatchNormalization()(x)
        elif kind in ("FourierActivation", "ELU"):
            x = keras.layers.ELU()(x)
        elif kind == "SteerableAveragePooling2D" and layer.strides > 1:
            x = keras.layers.AveragePooling2D(layer.strides)(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, keras.layers.Dense(10, name="logits")(x), name="ordinary")


def in_onnx(name: str, batch_size: int, steps: int) -> harness.Timed:
    """Times calls of both in ONNX Runtime in turn."""
    import onnxruntime

    from keras_gcnn import export

    equivariant, ordinary = _networks(name)
    inputs, _ = harness.batch(batch_size, equivariant.input_shape[1:])
    actions = {}
    with tempfile.TemporaryDirectory() as folder:
        for kind, network in (("equivariant", equivariant), ("ordinary", ordinary)):
            path = export.save(network, Path(folder, f"{kind}.onnx"))
            options = onnxruntime.SessionOptions()
            # Else the threads of the one that waits take the time of the one that runs.
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")
            session = onnxruntime.InferenceSession(path, options)
            actions[kind] = partial(session.run, None, {"image": inputs})
    return harness.alternate(actions, steps)


def in_keras(name: str, batch_size: int, steps: int) -> harness.Timed:
    """Times calls of a network and its forms in Keras in turn."""
    from keras_gcnn import export

    network, _ = _networks(name)
    inputs, _ = harness.batch(batch_size, network.input_shape[1:])
    forms = {
        "network": network,
        "plain": export.to_plain(network),
        "fast": export.for_inference(network),
    }
    calls = {kind: partial(model.predict_on_batch, inputs) for kind, model in forms.items()}
    return harness.alternate(calls, steps)


def compare(
    place: Place, batch_size: int = 32, steps: int = 20, networks: Iterable[str] = tuple(NETWORKS)
) -> Iterator[report.Row]:
    """The rows of one backend; those of ONNX Runtime come with TensorFlow's, on a CPU."""
    for name in networks:
        if (place.backend, place.device) == ("tensorflow", "cpu"):
            timed = place.run(in_onnx, name, batch_size, steps)
            target = NETWORKS[name]["target"]
            what = f"{name}, ONNX Runtime, inference against an ordinary network"
            yield report.times(what, timed, "equivariant", "ordinary", target)
        timed = place.run(in_keras, name, batch_size, steps)
        for kind, form in FORMS.items():
            what = f"{name}, inference {form} against the network itself"
            yield report.times(what, timed, kind, "network", 1.0)


def main(
    backend: command.Backends = BACKENDS,
    device: command.Devices = [],  # noqa: B006
    data_format: command.DataFormat = "channels_last",
    batch_size: command.BatchSize = 32,
    steps: command.Steps = 30,
    output: command.Output = None,
) -> None:
    """Prints times and ratios of exported networks."""
    compared = partial(compare, batch_size=batch_size, steps=steps)
    command.show("export", compared, command.places(backend, device, data_format), output)


if __name__ == "__main__":
    typer.run(main)
