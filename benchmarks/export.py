"""Inference of exported networks: in ONNX Runtime beside ordinary networks, and in Keras.

The ordinary network has stock convolutions of as many channels, normalisation, pooling, and the
activation by itself: what the equivariant one costs beyond that is what its symmetry costs. Both
are written by `keras_gcnn.export.save` and run in turn in one process.

    python benchmarks/export.py
"""

from __future__ import annotations

import statistics
import tempfile
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import harness
import typer

NETWORKS: dict[str, dict[str, Any]] = {
    "cohen_cnn p4": {"builder": "cohen_cnn", "group": "p4", "order": 4, "target": 1.05},
    "cohen_cnn p4m": {"builder": "cohen_cnn", "group": "p4m", "order": 8, "target": 1.05},
    "resnet20 p4": {"builder": "resnet20", "group": "p4", "order": 4, "target": 1.05},
    "so2cnn": {"builder": "so2cnn", "target": 1.2},
}


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


def in_onnx(name: str, batch_size: int, steps: int) -> dict[str, list[float]]:
    """Seconds of each call of both in ONNX Runtime."""
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


def in_keras(name: str, batch_size: int, steps: int) -> dict[str, list[float]]:
    """Seconds of each call of a network and its plain form in Keras."""
    from keras_gcnn import export

    network, _ = _networks(name)
    inputs, _ = harness.batch(batch_size, network.input_shape[1:])
    plain = export.to_plain(network)
    actions = {"network": network, "plain": plain}
    calls = {kind: partial(model.predict_on_batch, inputs) for kind, model in actions.items()}
    return harness.alternate(calls, steps)


def main(
    backend: Annotated[list[str], typer.Option(help="Backends for Keras.")] = harness.BACKENDS,
    batch_size: Annotated[int, typer.Option(help="Images per call.")] = 32,
    steps: Annotated[int, typer.Option(help="Timed calls of each.")] = 30,
    output: Annotated[Path | None, typer.Option(help="JSON file to write the rows to.")] = None,
    worker: Annotated[str | None, typer.Option(hidden=True)] = None,
) -> None:
    """Prints times and ratios of exported networks."""
    if worker:
        harness.answer(worker, {"in_onnx": in_onnx, "in_keras": in_keras})
        return
    header = f"{harness.describe(backend)}; batch {batch_size}, {steps} calls"
    print(header)
    table = harness.TablePrinter()

    def add(name: str, where: str, seconds, first: str, second: str, target: float | str) -> None:
        medians = [round(1000 * statistics.median(seconds[one]), 2) for one in (first, second)]
        found = harness.ratio(seconds, first, second)
        table.add(
            {
                "network": name,
                "where": where,
                "compared": f"{first} / {second}",
                "ms": f"{medians[0]} / {medians[1]}",
                "ratio": found["ratio"],
                "quartiles": found["quartiles"],
                "target": target,
            }
        )

    for name, form in NETWORKS.items():
        seconds = harness.run_worker(__file__, "tensorflow", "in_onnx", name, batch_size, steps)
        add(name, "onnxruntime", seconds, "equivariant", "ordinary", form["target"])
        for one in backend:
            seconds = harness.run_worker(__file__, one, "in_keras", name, batch_size, steps)
            add(name, one, seconds, "plain", "network", 1.0)
    table.write(output, header)


if __name__ == "__main__":
    typer.run(main)
