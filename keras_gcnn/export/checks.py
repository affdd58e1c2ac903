"""Checks of what `save` is given."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import keras

from keras_gcnn.arguments import check_above_zero, check_choice, check_from_zero
from keras_gcnn.export import formats
from keras_gcnn.model_graph import all_layers
from keras_gcnn.zoo.autoencoder import VariationalAutoencoder

_SUFFIXES = {".keras": "keras", ".onnx": "onnx", "": "saved_model"}
# What is in the folder of a SavedModel; with anything else in it, it is not ours to replace.
_SAVED_MODEL = {
    *("assets", "assets.extra", "fingerprint.pb", "keras_metadata.pb", "saved_model.pb"),
    "variables",
}
_TOLERANCES = {"float16": 1e-2, "bfloat16": 1e-1}


def inputs_of(model: keras.Model) -> list:
    """The inputs of a model, or of the encoder of an autoencoder."""
    return (model.encoder if isinstance(model, VariationalAutoencoder) else model).inputs


def check_model(model: keras.Model) -> None:
    """Raises unless it is a built model of one input."""
    if not isinstance(model, keras.Model):
        raise TypeError(
            f"model is of type {type(model).__name__}. Give a Keras model; keras_gcnn.export.load "
            "reads one from a file."
        )
    if not isinstance(model, VariationalAutoencoder) and not getattr(model, "inputs", None):
        raise ValueError(
            f"{model.name!r} has no inputs that are known. Call a Sequential on an input first; of "
            "a subclass of keras.Model save the functional models in it."
        )
    if len(inputs_of(model)) != 1:
        raise ValueError(
            f"{model.name!r} has {len(inputs_of(model))} inputs; only models of one are written."
        )


def check_path(path: str | os.PathLike, format: str | None) -> tuple[Path, str]:
    """Returns the path and the format; raises a `ValueError` if they do not fit together."""
    try:
        path = Path(path).expanduser()
    except RuntimeError as error:  # of an unknown user
        raise ValueError(f"path={str(path)!r}: {error}") from error
    if not path.name or path.is_symlink():
        raise ValueError(f"path={str(path)!r} is no name of a file or a folder. Choose another.")
    if format is None and path.suffix not in _SUFFIXES:
        raise ValueError(
            f"path={str(path)!r} tells no format. Let it end in .keras or .onnx, or in nothing for "
            f"a SavedModel, or give format, one of {', '.join(formats.FORMATS)}."
        )
    format = check_choice("format", format or _SUFFIXES[path.suffix], tuple(formats.FORMATS))
    suffix = formats.FORMATS[format].suffix
    if suffix and path.suffix != suffix:
        raise ValueError(f"path={str(path)!r} has to end in {suffix!r} for format={format!r}.")
    if not suffix and path.suffix and path.suffix in _SUFFIXES:
        raise ValueError(
            f"path={str(path)!r} has to be a folder, without an ending, for a SavedModel."
        )
    above = next(one for one in path.absolute().parents if one.exists())
    if not above.is_dir():
        raise ValueError(f"path={str(path)!r} cannot be written: {above} is no folder.")
    if path.is_dir():
        if suffix or not {one.name for one in path.iterdir()} <= _SAVED_MODEL:
            raise ValueError(
                f"path={str(path)!r} is a folder with something else in it, which is not "
                "replaced. Choose another path."
            )
    elif path.exists() and not suffix:
        raise ValueError(
            f"path={str(path)!r} is a file; a SavedModel is a folder. Choose another path."
        )
    return path, format


def check_scale(scale: float | None, format: str, model: keras.Model) -> float | None:
    """Returns the scale; raises a `ValueError` unless it is above zero and has a use."""
    if scale is None:
        return None
    if format == "keras":
        raise ValueError(
            'scale is for the formats without this library\'s layers; with format="keras" put a '
            "keras.layers.Rescaling into the model."
        )
    if keras.backend.is_int_dtype(inputs_of(model)[0].dtype):
        raise ValueError(
            f"{model.name!r} takes integers, {inputs_of(model)[0].dtype}, as they are. Leave scale "
            "out."
        )
    return check_above_zero("scale", scale, example=1 / 255)


def check_tolerance(tolerance: float | None, model: keras.Model) -> float:
    """Returns the tolerance, or that of the least exact layer; a `ValueError` if it is none."""
    if tolerance is None:
        return max(_TOLERANCES.get(layer.compute_dtype, 1e-5) for layer in all_layers(model))
    return check_from_zero("tolerance", tolerance, example=1e-5)


def check_classes(classes: Sequence[str], model: keras.Model) -> list[str]:
    """Returns the names; raises a `ValueError` unless there is one for each score."""
    if isinstance(classes, str) or not isinstance(classes, Sequence):
        raise ValueError(f"classes={classes!r} has to be a list of names.")
    names = [str(one) for one in classes]
    scores = None
    if not isinstance(model, VariationalAutoencoder) and isinstance(model.output_shape, tuple):
        scores = model.output_shape[-1]
    if scores != len(names):
        shape = "are no scores" if scores is None else f"have the shape {model.output_shape}"
        raise ValueError(
            f"classes has {len(names)} names, but the outputs of {model.name!r} {shape}. Give one "
            "name for each number of the last axis, or none."
        )
    if len(set(names)) < len(names):
        raise ValueError(f"classes={names} has a name twice.")
    return names
