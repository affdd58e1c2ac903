"""Checks of the arguments of `save`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import keras

from keras_gcnn.arguments import check_above_zero, check_choice, check_from_zero
from keras_gcnn.export.format_names import FILE_FORMATS
from keras_gcnn.model_graph import all_layers, first_data_format
from keras_gcnn.zoo.autoencoder import VariationalAutoencoder

# The format that `save` chooses by the suffix of a path: the first one that has it.
_FORMAT_OF_SUFFIX = {names.suffix: name for name, names in reversed(FILE_FORMATS.items())}
# Files in the folder of a SavedModel. A folder with other files in it is not replaced.
_SAVED_MODEL = {
    *("assets", "assets.extra", "fingerprint.pb", "keras_metadata.pb", "saved_model.pb"),
    "variables",
}
_TOLERANCES = {"float16": 1e-2, "bfloat16": 1e-1}


def inputs_of(model: keras.Model) -> list:
    """Returns the inputs of a model, or of the encoder of an autoencoder."""
    return (model.encoder if isinstance(model, VariationalAutoencoder) else model).inputs


def check_model(model: keras.Model) -> None:
    """Raises a `TypeError` or `ValueError` unless it is a built model with one input."""
    if not isinstance(model, keras.Model):
        raise TypeError(
            f"model is of type {type(model).__name__}. Give a Keras model; keras_gcnn.export.load "
            "reads one from a file."
        )
    if not isinstance(model, VariationalAutoencoder) and not getattr(model, "inputs", None):
        raise ValueError(
            f"{model.name!r} has no known inputs. If it is a Sequential, call it on an input "
            "first. If it is a subclass of keras.Model, save the functional models inside it."
        )
    if len(inputs_of(model)) != 1:
        raise ValueError(
            f"{model.name!r} has {len(inputs_of(model))} inputs; only models with one input can be "
            "written."
        )


def check_path(path: str | os.PathLike, format: str | None) -> tuple[Path, str]:
    """Returns the path and the format.

    Raises:
        TypeError: if the path is of another type than paths are.
        ValueError: if they do not fit together.
    """
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"path={path!r} has to be a path, e.g. 'network.onnx'.")
    try:
        path = Path(path).expanduser()
    except RuntimeError as error:  # the path begins with an unknown user
        raise ValueError(f"path={str(path)!r}: {error}") from error
    if not path.name or path.is_symlink():
        raise ValueError(f"path={str(path)!r} does not name a file or a folder. Choose another.")
    if format is None and path.suffix not in _FORMAT_OF_SUFFIX:
        raise ValueError(
            f"path={str(path)!r} has no suffix of a known format. Let it end in .keras or .onnx, "
            f"use no suffix for a SavedModel, or give format, one of {', '.join(FILE_FORMATS)}."
        )
    format = check_choice("format", format or _FORMAT_OF_SUFFIX[path.suffix], tuple(FILE_FORMATS))
    suffix = FILE_FORMATS[format].suffix
    if suffix and path.suffix != suffix:
        raise ValueError(f"path={str(path)!r} has to end in {suffix!r} for format={format!r}.")
    if not suffix and path.suffix and path.suffix in _FORMAT_OF_SUFFIX:
        raise ValueError(
            f"path={str(path)!r} has to be a folder, without a suffix, for a SavedModel."
        )
    parent = next(folder for folder in path.absolute().parents if folder.exists())
    if not parent.is_dir():
        raise ValueError(f"path={str(path)!r} cannot be written: {parent} is not a folder.")
    if path.is_dir():
        if suffix or not {entry.name for entry in path.iterdir()} <= _SAVED_MODEL:
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
    """Returns the scale; raises a `ValueError` unless it is above zero and has an effect."""
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
    """Returns the tolerance; None stands for that of the least precise layer.

    Raises:
        ValueError: if it is no number from 0.
    """
    if tolerance is None:
        return max(_TOLERANCES.get(layer.compute_dtype, 1e-5) for layer in all_layers(model))
    return check_from_zero("tolerance", tolerance, example=1e-5)


def count_scores(model: keras.Model) -> int | None:
    """Returns the number of scores of an image, or of each of its pixels.

    None for several outputs and for autoencoders.
    """
    if isinstance(model, VariationalAutoencoder) or not isinstance(model.output_shape, tuple):
        return None
    is_map = len(model.output_shape) == 4
    return model.output_shape[1 if is_map and first_data_format(model) == "channels_first" else -1]


def are_names(names: Sequence[str], model: keras.Model) -> bool:
    """Whether there is a name for each score.

    A map of one score, that of the foreground, has the names of background and foreground.
    """
    score_count = count_scores(model)
    if score_count == 1 and len(names) == 2:
        return len(model.output_shape) == 4
    return len(names) == score_count


def check_classes(classes: Sequence[str], model: keras.Model) -> list[str]:
    """Returns the names; raises a `ValueError` unless each score has one."""
    if isinstance(classes, str) or not isinstance(classes, Sequence):
        raise ValueError(f"classes={classes!r} has to be a list of names.")
    names = [str(name) for name in classes]
    if not are_names(names, model):
        has_scores = count_scores(model) is not None
        shape = f"have the shape {model.output_shape}" if has_scores else "are no scores"
        raise ValueError(
            f"classes has {len(names)} names, but the outputs of {model.name!r} {shape}. Give one "
            "name for each score, or leave classes out."
        )
    if len(set(names)) < len(names):
        raise ValueError(f"classes={names} contains a name twice.")
    return names
