"""How each kind of file is written, and run by its own runtime."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_gcnn.backend.ops import name as backend_name
from keras_gcnn.backend.stateless import without_trace
from keras_gcnn.export import onnx_operations as tensorflow_operations
from keras_gcnn.export import onnx_transposed_pads as transposed_pads
from keras_gcnn.export.failures import ConversionError
from keras_gcnn.quiet import without_warnings

METADATA = "keras_gcnn.json"
FAILURE = "failure.txt"  # in which the second process leaves the message of what it cannot do
Outputs = list[list[np.ndarray]]


def names_of_outputs(model: keras.Model) -> list[str]:
    """Different names for the outputs of a functional model, in their order."""
    if isinstance(model.output, dict):
        if len(model.output) < len(model.outputs):
            raise ValueError(
                f"{model.name!r} has outputs within outputs, for which files have no names. Give "
                "it a dict or a list of tensors."
            )
        return sorted(model.output)
    found: list[str] = []
    for name in model.output_names:
        again = (f"{name}_{number}" for number in range(2, len(found) + 3))
        found.append(name if name not in found else next(one for one in again if one not in found))
    return found


def named(model: keras.Model, names: list[str]) -> keras.Model:
    """A functional model with a dict of outputs, by which a file can name them."""
    outputs = dict(zip(names, keras.tree.flatten(model.output), strict=True))
    return keras.Model(model.inputs[0], outputs, name=model.name)


def _write_keras(model: keras.Model, path: Path, samples, metadata: dict) -> Outputs:
    model.save(path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(METADATA, json.dumps(metadata))
    return _run_keras(path, samples)


def _run_keras(path: Path, samples) -> Outputs:
    return run_model(keras.saving.load_model(path, compile=False, safe_mode=True), samples)


def run_model(model: keras.Model, samples) -> Outputs:
    """Outputs of a model in Keras for every sample."""
    call = without_trace(model)
    return [
        [keras.ops.convert_to_numpy(one) for one in keras.tree.flatten(call(sample))]
        for sample in samples
    ]


def _write_saved_model(model: keras.Model, path: Path, samples, metadata: dict) -> Outputs:
    if backend_name() != "tensorflow":
        return _elsewhere(model, path, samples, metadata, "saved_model")
    import tensorflow as tf

    model(samples[0])  # what was never called is not exported
    model.export(str(path), format="tf_saved_model", verbose=False)
    extra = path / "assets.extra"
    extra.mkdir()
    (extra / METADATA).write_text(json.dumps(metadata), encoding="utf-8")
    loaded = tf.saved_model.load(str(path))
    run = loaded.signatures["serving_default"]
    (name,) = run.structured_input_signature[1]
    found = [run(**{name: tf.convert_to_tensor(one)}) for one in samples]
    return [[outputs[key].numpy() for key in sorted(outputs)] for outputs in found]


# What converts to ONNX under each backend.
_CONVERTERS = {"tensorflow": "tf2onnx", "torch": "onnxscript", "jax": "jax2onnx"}


def _write_onnx(model: keras.Model, path: Path, samples, metadata: dict) -> Outputs:
    _require("onnx", "onnxruntime")
    backend = backend_name()
    if not find_spec(_CONVERTERS[backend]) or (backend == "torch" and _has_open_size(model)):
        if backend == "tensorflow":
            _require("tf2onnx")
        return _elsewhere(model, path, samples, metadata, "onnx")
    import onnx

    if backend == "tensorflow":
        tensorflow_operations.register()
    model(samples[0])  # what was never called is not exported
    with without_warnings():  # of tracing; what was traced wrongly is found below
        model.export(str(path), format="onnx", verbose=False)
    written = onnx.load(path)
    transposed_pads.repair(written.graph)
    _rename(written.graph, [one.name for one in model.inputs], sorted(model.output))
    for key, value in metadata.items():
        text = value if isinstance(value, str) else json.dumps(value)
        written.metadata_props.add(key=key, value=text)
    onnx.checker.check_model(written)
    onnx.save(written, path)
    return _run_onnx(path, samples)


def _has_open_size(model: keras.Model) -> bool:
    """Whether images may have any size; Keras traces PyTorch on images of one pixel then."""
    return any(None in one.shape[1:] for one in model.inputs)


def _rename(graph: Any, inputs: list[str], outputs: list[str]) -> None:
    """Gives the inputs and outputs of an ONNX graph the model's names, and dynamic batches one."""
    new = {}
    for values, names in ((graph.input, inputs), (graph.output, outputs)):
        for value, name in zip(values, names, strict=True):
            new[value.name] = name
            value.name = name
            value.type.tensor_type.shape.dim[0].dim_param = "batch"
    for node in graph.node:
        for ends in (node.input, node.output):
            for number, name in enumerate(ends):
                ends[number] = new.get(name, name)


def _run_onnx(path: Path, samples) -> Outputs:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (entry,) = session.get_inputs()
    return [session.run(None, {entry.name: one}) for one in samples]


def _elsewhere(model: keras.Model, path: Path, samples, metadata: dict, format: str) -> Outputs:
    """Has a second process with TensorFlow write the file, by way of a plain Keras file."""
    _require("tensorflow", *(["tf2onnx"] if format == "onnx" else []))
    with tempfile.TemporaryDirectory() as folder:
        source, results = Path(folder, "plain.keras"), Path(folder, "outputs.npz")
        model.save(source)
        np.savez(Path(folder, "inputs.npz"), *samples)
        task = {"path": str(path.absolute()), "format": format, "metadata": metadata}
        Path(folder, "task.json").write_text(json.dumps(task), encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-m", "keras_gcnn.export.worker", folder],
            env={**os.environ, "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"},
            capture_output=True,
            text=True,
            check=False,
        )
        failure = Path(folder, FAILURE)
        if failure.exists():
            raise ConversionError(failure.read_text(encoding="utf-8"), backend="tensorflow")
        if done.returncode:
            last = done.stderr.strip().splitlines()[-1:] or ["no message"]
            raise ConversionError(last[0], backend="tensorflow")
        return unpacked(results, len(samples))


def packed(path: Path, found: Outputs) -> None:
    """Writes outputs to a file of arrays."""
    arrays = {f"{i}_{j}": one for i, outputs in enumerate(found) for j, one in enumerate(outputs)}
    np.savez(path, **arrays)


def unpacked(path: Path, number: int) -> Outputs:
    """Reads what `packed` wrote, for so many inputs."""
    with np.load(path) as arrays:
        outputs = len(arrays.files) // number
        return [[arrays[f"{i}_{j}"] for j in range(outputs)] for i in range(number)]


def _require(*packages: str) -> None:
    missing = [one for one in packages if not find_spec(one)]
    if missing:
        extra = "tensorflow" if "tensorflow" in missing else "onnx"
        raise ImportError(
            f"This format needs {' and '.join(missing)}. Install with "
            f"`pip install 'keras-gcnn[{extra}]'`, or `pip install {' '.join(missing)}`."
        )


@dataclass(frozen=True)
class Format:
    """A kind of file.

    Attributes:
        suffix: its ending; none for a folder.
        write: function of the model, the path, sample inputs and metadata, which writes the file
            and returns what its own runtime finds for the inputs.
    """

    suffix: str
    write: Callable[[keras.Model, Path, list[np.ndarray], dict], Outputs]


FORMATS = {
    "keras": Format(".keras", _write_keras),
    "plain_keras": Format(".keras", _write_keras),
    "saved_model": Format("", _write_saved_model),
    "onnx": Format(".onnx", _write_onnx),
}
