"""Weights from files, into the network that they belong to."""

from __future__ import annotations

import os
import re
from pathlib import Path

import keras

from keras_gcnn import groups, untrusted
from keras_gcnn.quiet import without_warnings

_SUFFIXES = (".keras", ".h5", ".hdf5")
_REMEDY = "Build the network with the arguments of the one that was saved, or give another file."


def load_weights(model: keras.Model, weights: str | os.PathLike | None) -> keras.Model:
    """Loads a weights or model file into a network; None leaves it as it is.

    Weights have the same shapes on all groups of one order. A model file tells its groups, and they
    are compared with the network's; a weights file does not.

    Raises:
        ValueError: if there is no such file, if it is of another network, or if `export.load` or
            its check of weights would refuse it.
    """
    if weights is None:
        return model
    if not isinstance(weights, str | os.PathLike):
        raise ValueError(
            f"weights={weights!r} has to be the name of published weights (see zoo.available()), "
            "the path of a .weights.h5 or .keras file, or None."
        )
    path = Path(os.path.expanduser(weights))
    if not os.path.isfile(path) or path.suffix not in _SUFFIXES:  # also of a name that is too long
        raise ValueError(
            f"weights={str(weights)[:200]!r} is no file of weights. Give the path of a .weights.h5 "
            "or .keras file of this network, the name of published weights (see zoo.available()), "
            "or None."
        )
    stored = error = None
    try:
        if path.suffix == ".keras":
            stored = untrusted.load_model(path)
        else:
            untrusted.count_elements(path, path.stat().st_size)
        if stored is None or not _differing_groups(stored, model):
            with without_warnings():  # what Keras misses is in its error too
                model.load_weights(path)
            return model
    except Exception as caught:  # Keras, HDF5 and zip each have errors of their own
        error = caught
    problem = _difference(stored, model) if isinstance(stored, keras.Model) else ""
    raise ValueError(
        f"weights={str(weights)!r} cannot be loaded into {model.name}. "
        f"{problem or f'{_REMEDY} {_brief(error)}'}"
    ) from error


def _difference(stored: keras.Model, model: keras.Model) -> str:
    """Says in which layer a stored network differs from a network, and what to do about it."""
    own, found = _shapes(model), _shapes(stored)
    holds = f"The file holds the network {stored.name!r}"
    missing = [name for name in own if name not in found]
    if missing:
        return f"{holds}, which has no layer {missing[0]!r} with weights. {_REMEDY}"
    if differing := _differing_groups(stored, model):
        name = differing[0]
        return (
            f"{holds}, whose layer {name!r} is on {_names(_groups(stored)[name])}; that of "
            f"{model.name} is on {_names(_groups(model)[name])}. Build the network with the "
            "`group` and `restrict_after` of the one that was saved, or give another file."
        )
    for name, shapes in own.items():
        if found[name] != shapes:
            there, here = (", ".join(map(str, one)) for one in (found[name], shapes))
            return (
                f"{holds}, whose layer {name!r} has weights of shape {there}; that of "
                f"{model.name} has {here}. {_REMEDY}"
            )
    return ""


def _shapes(model: keras.Model) -> dict[str, list[tuple[int, ...]]]:
    """The shapes of the weights of every layer that has some."""
    return {
        layer.name: [tuple(weight.shape) for weight in layer.weights]
        for layer in model.layers
        if layer.weights
    }


def _differing_groups(stored: keras.Model, model: keras.Model) -> list[str]:
    """Names of the layers that are on other groups.

    Layers that only one of the two has do not matter: a backbone may be loaded alone.
    """
    own, found = _groups(model), _groups(stored)
    return [name for name in own if found.get(name, own[name]) != own[name]]


def _groups(model: keras.Model) -> dict[str, list[groups.Group]]:
    """The groups of every layer that has one, or two as a restriction has."""
    return {
        layer.name: [getattr(layer, name) for name in ("group", "subgroup") if hasattr(layer, name)]
        for layer in model.layers
        if hasattr(layer, "group")
    }


def _names(found: list[groups.Group]) -> str:
    return " to ".join(group.name for group in found)


def _brief(error: Exception) -> str:
    """The error in one line, without the values of the weights that Keras appends to its own."""
    text = str(error)
    # After a preamble, Keras shows the error of one layer as an example.
    example = re.search(r"for object <\w+ name=(\S+), built=\w+>:\s+(.*)", text)
    text = f"{example[1]}: {example[2]}" if example else next(iter(text.splitlines()), "")
    return f"{type(error).__name__}: {text.partition(' Target variable:')[0][:240]}"
