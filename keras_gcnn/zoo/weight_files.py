"""Loads weights from files of users into networks of the zoo."""

from __future__ import annotations

import os
import re
from pathlib import Path

import keras

from keras_gcnn import untrusted
from keras_gcnn.groups import Group
from keras_gcnn.groups.point_group import PointGroup
from keras_gcnn.quiet import without_warnings

_SUFFIXES = (".keras", ".h5", ".hdf5")
_REMEDY = "Build the network with the arguments of the one that was saved, or give another file."


def load_weights(model: keras.Model, weights: str | os.PathLike | None) -> keras.Model:
    """Loads a weights or model file into a network, and returns the network.

    Weights have the same shapes on all groups of one order. A model file records its groups, which
    are compared with those of the network; a weights file does not. None loads nothing.

    Raises:
        ValueError: if there is no such file, if it belongs to another network, or if `export.load`
            or its check of weights would refuse it.
    """
    if weights is None:
        return model
    if not isinstance(weights, str | os.PathLike):
        raise ValueError(
            f"weights={weights!r} has to be the name of published weights (see zoo.available()), "
            "the path of a .weights.h5 or .keras file, or None."
        )
    path = Path(os.path.expanduser(weights))
    if not os.path.isfile(path) or path.suffix not in _SUFFIXES:  # also if the name is too long
        raise ValueError(
            f"weights={str(weights)[:200]!r} is no file of weights. Give the path of a .weights.h5 "
            "or .keras file of this network, the name of published weights (see zoo.available()), "
            "or None."
        )
    stored: keras.Model | None = None
    try:
        if path.suffix == ".keras":
            stored = untrusted.load_model(path)
        else:
            untrusted.count_elements(path, path.stat().st_size)
        if stored is None or not _differing_groups(stored, model):
            with without_warnings():  # Keras repeats its warnings in its error
                model.load_weights(path)
            return model
        error = None
    except Exception as caught:  # Keras, HDF5 and zip raise errors of many types
        error = caught
    problem = _difference(stored, model) if isinstance(stored, keras.Model) else ""
    if not problem and error is not None:
        problem = f"{_REMEDY} {_brief(error)}"
    raise ValueError(
        f"weights={str(weights)!r} cannot be loaded into {model.name}. {problem}"
    ) from error


def _difference(stored: keras.Model, model: keras.Model) -> str:
    """Returns a sentence on the first layer in which two networks differ, or an empty string."""
    expected, shapes = _shapes(model), _shapes(stored)
    holds = f"The file holds the network {stored.name!r}"
    missing = [name for name in expected if name not in shapes]
    if missing:
        return f"{holds}, which has no layer {missing[0]!r} with weights. {_REMEDY}"
    if differing := _differing_groups(stored, model):
        name = differing[0]
        return (
            f"{holds}, whose layer {name!r} is on {_names(_groups(stored)[name])}; that of "
            f"{model.name} is on {_names(_groups(model)[name])}. Build the network with the "
            "`group` and `restrict_after` of the one that was saved, or give another file."
        )
    for name in expected:
        if shapes[name] != expected[name]:
            return (
                f"{holds}, whose layer {name!r} has weights of shape {_list(shapes[name])}; that "
                f"of {model.name} has {_list(expected[name])}. {_REMEDY}"
            )
    return ""


def _shapes(model: keras.Model) -> dict[str, list[tuple[int, ...]]]:
    """Returns the shapes of the weights of every layer that has weights."""
    return {
        layer.name: [tuple(weight.shape) for weight in layer.weights]
        for layer in model.layers
        if layer.weights
    }


def _differing_groups(stored: keras.Model, model: keras.Model) -> list[str]:
    """Returns the names of the layers that both networks have, on different groups.

    Layers of only one network do not count, so that a file fits the backbone of its network.
    """
    expected, stored_groups = _groups(model), _groups(stored)
    return [name for name in expected if stored_groups.get(name, expected[name]) != expected[name]]


def _groups(model: keras.Model) -> dict[str, list[Group | PointGroup]]:
    """Returns the groups of every layer that has a group or fields; a restriction has two."""
    found = {layer.name: _groups_of(layer) for layer in model.layers}
    return {name: layer_groups for name, layer_groups in found.items() if layer_groups}


def _groups_of(layer: keras.Layer) -> list[Group | PointGroup]:
    fields = getattr(layer, "fields_in", None)
    layer_groups = [] if fields is None else [fields.group]
    return layer_groups + [
        getattr(layer, name) for name in ("group", "subgroup") if hasattr(layer, name)
    ]


def _names(layer_groups: list[Group | PointGroup]) -> str:
    return " to ".join(group.name for group in layer_groups)


def _list(shapes: list[tuple[int, ...]]) -> str:
    return ", ".join(map(str, shapes))


def _brief(error: Exception) -> str:
    """Returns an error as one line, without the values of weights that Keras appends."""
    text = str(error)
    # After a preamble, Keras quotes the error of one layer as an example.
    example = re.search(r"for object <\w+ name=(\S+), built=\w+>:\s+(.*)", text)
    text = f"{example[1]}: {example[2]}" if example else next(iter(text.splitlines()), "")
    return f"{type(error).__name__}: {text.partition(' Target variable:')[0][:240]}"
