"""The networks of `benchmarks.common.networks`, for the comparison with escnn."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.common import harness, networks

GROUPS = {"c4": "p4", "d4": "p4m"}  # of networks of group convolutions
POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}


def step(name: str, settings: dict, batch_size: int, precision: str) -> Callable[[], object]:
    """A training step: cross-entropy and Adam."""
    network = _network(name, settings, precision)
    return partial(network.train_on_batch, *_batch(batch_size))


def inference(name: str, settings: dict, batch_size: int, precision: str) -> Callable[[], object]:
    """A call of the network in the form that `export.for_inference` returns."""
    from keras_gcnn import export

    network = export.for_inference(_network(name, settings, precision))
    return partial(network.predict_on_batch, _batch(batch_size)[0])


def exported(name: str, settings: dict, batch_size: int, threads: int) -> Callable[[], object]:
    """A call of the ONNX file in ONNX Runtime."""
    import onnxruntime

    from keras_gcnn import export

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        export.save(_network(name, settings, "float32"), path, format="onnx")
        session = onnxruntime.InferenceSession(path.read_bytes(), options)
    inputs = {session.get_inputs()[0].name: _batch(batch_size)[0]}
    return partial(session.run, None, inputs)


def _batch(size: int):
    return harness.batch(size, harness.in_format(networks.SHAPE))


def _network(name: str, settings: dict, precision: str):
    import keras

    keras.config.set_dtype_policy(POLICIES[precision])
    if name in GROUPS:
        return networks.on_group(GROUPS[name], settings["channels"], settings["kernel"])
    # escnn's rings and band limits, so that both have the same basis of kernels.
    return networks.steerable(
        settings["fields"], settings["kernel"], band_limit="escnn", group=name
    )
