"""Writes each format of file, and runs the file by its own runtime."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_gcnn.backend.ops import name as backend_name
from keras_gcnn.backend.saved_model import run_saved_model
from keras_gcnn.backend.stateless import without_trace
from keras_gcnn.backend.tracing import without_xla
from keras_gcnn.export import onnx_from_torch, onnx_operations, onnx_transposed_pads
from keras_gcnn.export.failures import ConversionError
from keras_gcnn.export.format_names import FILE_FORMATS
from keras_gcnn.export.metadata import METADATA, add_to_keras
from keras_gcnn.model_graph import all_layers
from keras_gcnn.quiet import without_warnings

FAILURE = "failure.txt"  # the second process writes the message of its error to it
Samples = list[np.ndarray]
Outputs = list[list[np.ndarray]]
"""For every sample, the outputs of the model in the order of their names."""


def names_of_outputs(model: keras.Model) -> list[str]:
    """Returns a different name for each output of a functional model, in their order."""
    if isinstance(model.output, dict):
        if len(model.output) < len(model.outputs):
            raise ValueError(
                f"{model.name!r} has outputs within outputs, for which files have no names. Let "
                "it return a dict or a list of tensors."
            )
        return sorted(model.output)
    names: list[str] = []
    for name in model.output_names:
        numbered = (f"{name}_{number}" for number in range(2, len(names) + 3))
        if name in names:
            name = next(other for other in numbered if other not in names)
        names.append(name)
    return names


def named(model: keras.Model, names: list[str]) -> keras.Model:
    """Returns the functional model with a dict of outputs, whose keys are names in the file."""
    outputs = dict(zip(names, keras.tree.flatten(model.output), strict=True))
    return keras.Model(model.inputs[0], outputs, name=model.name)


def _write_keras(model: keras.Model, path: Path, samples: Samples, metadata: dict) -> Outputs:
    model.save(path)
    add_to_keras(path, metadata)
    return _run_keras(path, samples)


def _run_keras(path: Path, samples: Samples) -> Outputs:
    return run_model(keras.saving.load_model(path, compile=False, safe_mode=True), samples)


def run_model(model: keras.Model, samples: Samples) -> Outputs:
    """Returns the outputs of a Keras model for every sample."""
    call = without_trace(model)
    return [
        [keras.ops.convert_to_numpy(output) for output in keras.tree.flatten(call(sample))]
        for sample in samples
    ]


def _write_saved_model(model: keras.Model, path: Path, samples: Samples, metadata: dict) -> Outputs:
    if backend_name() != "tensorflow":
        return _write_by_tensorflow(model, path, samples, metadata, "saved_model")
    model(samples[0])  # Keras exports only models that have been called
    model.export(str(path), format="tf_saved_model", verbose=False)
    extra = path / "assets.extra"
    extra.mkdir()
    (extra / METADATA).write_text(json.dumps(metadata), encoding="utf-8")
    return run_saved_model(path, samples)


# Packages that convert to ONNX under each backend.
_CONVERTERS = {"tensorflow": "tf2onnx", "torch": "onnxscript", "jax": "jax2onnx"}


def _write_onnx(model: keras.Model, path: Path, samples: Samples, metadata: dict) -> Outputs:
    _require("onnx", "onnxruntime")
    backend = backend_name()
    if not find_spec(_CONVERTERS[backend]) or (backend == "torch" and _has_open_size(model)):
        if backend == "tensorflow":
            _require("tf2onnx")
        return _write_by_tensorflow(model, path, samples, metadata, "onnx")
    import onnx

    if backend == "tensorflow":
        onnx_operations.register()
        _hold_statistics(model)
    model(samples[0])  # Keras exports only models that have been called
    known = onnx_from_torch.known() if backend == "torch" else nullcontext()
    with (
        known,
        without_xla(),
        without_warnings(),
    ):  # of tracing; the outputs are compared with the network's anyway
        model.export(str(path), format="onnx", verbose=False)
    written = onnx.load(path)
    onnx_transposed_pads.repair(written.graph)
    _rename(written.graph, [tensor.name for tensor in model.inputs], sorted(model.output))
    for key, value in metadata.items():
        text = value if isinstance(value, str) else json.dumps(value)
        written.metadata_props.add(key=key, value=text)
    onnx.checker.check_model(written)
    onnx.save(written, path)
    return run_onnx(path, samples)


def _hold_statistics(model: keras.Model) -> None:
    """Puts arrays in place of the tensors that Keras's `Normalization` keeps outside of the graph.

    TensorFlow's converter would take these tensors for inputs of the network.
    """
    for layer in all_layers(model):
        if isinstance(layer, keras.layers.Normalization) and layer.built:
            layer.mean = keras.ops.convert_to_numpy(layer.mean)
            layer.variance = keras.ops.convert_to_numpy(layer.variance)


def _has_open_size(model: keras.Model) -> bool:
    """Whether images may have any size. Keras then traces PyTorch on images of one pixel."""
    return any(None in tensor.shape[1:] for tensor in model.inputs)


def _rename(graph: Any, inputs: list[str], outputs: list[str]) -> None:
    """Gives the inputs, outputs and dynamic batch axis of an ONNX graph the model's names."""
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


def run_onnx(path: Path, samples: Samples) -> Outputs:
    """Returns the outputs of an ONNX file for every sample."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (entry,) = session.get_inputs()
    return [session.run(None, {entry.name: sample}) for sample in samples]


def _write_by_tensorflow(
    model: keras.Model, path: Path, samples: Samples, metadata: dict, format: str
) -> Outputs:
    """Lets a second process with TensorFlow write the file from a plain Keras file."""
    _require("tensorflow", *(["tf2onnx"] if format == "onnx" else []))
    with tempfile.TemporaryDirectory() as folder:
        source, results = Path(folder, "plain.keras"), Path(folder, "outputs.npz")
        model.save(source)
        np.savez(Path(folder, "inputs.npz"), *samples)
        task = {"path": str(path.absolute()), "format": format, "metadata": metadata}
        Path(folder, "task.json").write_text(json.dumps(task), encoding="utf-8")
        process = subprocess.run(
            [sys.executable, "-m", "keras_gcnn.export.worker", folder],
            env={**os.environ, "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"},
            capture_output=True,
            text=True,
            check=False,
        )
        failure = Path(folder, FAILURE)
        if failure.exists():
            raise ConversionError(failure.read_text(encoding="utf-8"), backend="tensorflow")
        if process.returncode:
            last = process.stderr.strip().splitlines()[-1:] or ["no message"]
            raise ConversionError(last[0], backend="tensorflow")
        return read_outputs(results, len(samples))


def write_outputs(path: Path, outputs: Outputs) -> None:
    """Writes the outputs for all samples to an `.npz` file."""
    arrays: dict[str, Any] = {
        f"{i}_{j}": array for i, row in enumerate(outputs) for j, array in enumerate(row)
    }
    np.savez(path, **arrays)


def read_outputs(path: Path, sample_count: int) -> Outputs:
    """Reads the file that `write_outputs` wrote."""
    with np.load(path) as arrays:
        output_count = len(arrays.files) // sample_count
        return [[arrays[f"{i}_{j}"] for j in range(output_count)] for i in range(sample_count)]


def _require(*packages: str) -> None:
    missing = [package for package in packages if not find_spec(package)]
    if missing:
        extra = "tensorflow" if "tensorflow" in missing else "onnx"
        raise ImportError(
            f"This format needs {' and '.join(missing)}. Install with "
            f"`pip install 'keras-gcnn[{extra}]'`, or `pip install {' '.join(missing)}`."
        )


@dataclass(frozen=True)
class Format:
    """A format of file.

    Attributes:
        suffix: suffix of the file; empty for a folder.
        write: function of the model, the path, sample inputs and metadata, which writes the file
            and returns the outputs that the file's own runtime computes for the inputs.
    """

    suffix: str
    write: Callable[[keras.Model, Path, Samples, dict], Outputs]


_WRITERS = {
    "keras": _write_keras,
    "plain_keras": _write_keras,
    "saved_model": _write_saved_model,
    "onnx": _write_onnx,
}
FORMATS = {name: Format(names.suffix, _WRITERS[name]) for name, names in FILE_FORMATS.items()}
