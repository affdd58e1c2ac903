"""What is known of a model besides its weights: names of classes, and how images are prepared."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

from keras_gcnn.layers import Symmetrized
from keras_gcnn.untrusted import archive
from keras_gcnn.untrusted.text import parse_json

METADATA = "keras_gcnn.json"
"""Name of the metadata in a `.keras` file and in a SavedModel."""


def add_to_keras(path: str | Path, metadata: Mapping[str, Any]) -> None:
    """Adds metadata to a `.keras` file, which Keras leaves alone."""
    with zipfile.ZipFile(path, "a") as file:
        file.writestr(METADATA, json.dumps(metadata))


def activation_of(model: Any) -> str | None:
    """Returns the name of the activation by which a model ends, or None if that is not known."""
    try:
        (output,) = model.outputs
        layer = output._keras_history.operation
    except (AttributeError, TypeError, ValueError):
        return None
    if isinstance(layer, Symmetrized):
        known = activation_of(layer.model)
        # The mean and the maximum of probabilities lie between 0 and 1 too.
        return known if known == "linear" or layer.reduce in ("mean", "max") else None
    if isinstance(layer, keras.Model):
        return activation_of(layer)
    if type(layer).__name__ in ("Softmax", "Sigmoid"):  # a layer, or a function of keras.ops
        return type(layer).__name__.lower()
    return getattr(getattr(layer, "activation", None), "__name__", None)


def read(path: str | Path) -> dict[str, Any]:
    """Returns the metadata of a `.keras` or an `.onnx` file; an empty dict if it has none.

    Values of the types that this library writes: `"classes"` is a list of names, `"target"` what
    the model predicts if that is `"labels"` or `"number"` and neither a class nor a mask,
    `"images"` a dict of how images are prepared, `"scale"` a number by which the model multiplies
    its inputs, `"activation"` the name of the activation of the output, `"int8"` a dict of how a
    quantized file agrees with the network.

    Raises:
        ValueError: if the file cannot be read.
    """
    path = Path(path)
    found = _of_onnx(path) if path.suffix == ".onnx" else _of_keras(path)
    kinds = {"classes": list, "images": dict, "int8": dict, "scale": int | float}
    return {name: value for name, value in found.items() if isinstance(value, kinds.get(name, str))}


def _of_keras(path: Path) -> dict[str, Any]:
    try:
        with archive.opened(path) as file:
            if METADATA not in file.namelist():
                return {}
            content = archive.read(file, METADATA)
            found = parse_json(content, file.getinfo(METADATA).compress_size)
    except (OSError, zipfile.BadZipFile, ValueError) as error:
        raise ValueError(f"{path} cannot be loaded: {error}.") from None
    return found if isinstance(found, dict) else {}


def _of_onnx(path: Path) -> dict[str, Any]:
    import onnxruntime

    try:
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ValueError(f"{path} cannot be loaded: {error}") from None
    found: dict[str, Any] = {}
    for name, text in session.get_modelmeta().custom_metadata_map.items():
        try:
            found[name] = json.loads(text)
        except ValueError:
            found[name] = text
    return found
