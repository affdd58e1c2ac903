"""Weights from files, into the network that they belong to."""

from __future__ import annotations

import os
from pathlib import Path

import keras

from keras_gcnn import groups


def load_weights(model: keras.Model, weights: str | os.PathLike | None) -> keras.Model:
    """Loads a weights or model file into a network; None leaves it as it is.

    Weights have the same shapes on all groups of one order. A model file tells its groups, and they
    are compared with the network's; a weights file does not.

    Raises:
        ValueError: if there is no such file, or if it is of another network.
    """
    if weights is None:
        return model
    if not isinstance(weights, str | os.PathLike):
        raise ValueError(
            f"weights={weights!r} has to be the name of published weights (see zoo.available()), "
            "the path of a .weights.h5 or .keras file, or None."
        )
    path = Path(weights).expanduser()
    if not path.is_file():
        raise ValueError(
            f"weights={str(weights)!r} is no file. Give the path of a .weights.h5 or .keras file "
            "of this network, the name of published weights (see zoo.available()), or None."
        )
    try:
        stored = {}
        if path.suffix == ".keras":
            stored = _groups(keras.saving.load_model(path, compile=False))
        own = _groups(model)
        # Layers that only one of the two has do not matter: a backbone may be loaded alone.
        differing = [name for name in own if stored.get(name, own[name]) != own[name]]
        if not differing:
            model.load_weights(path)
            return model
    except Exception as error:  # Keras, HDF5 and zip each have errors of their own
        raise ValueError(
            f"weights={str(weights)!r} cannot be loaded into {model.name}. Build the network with "
            f"the arguments of the one that was saved, or give another file. "
            f"{type(error).__name__}: {error}"
        ) from error
    name = differing[0]
    raise ValueError(
        f"weights={str(weights)!r} is of a network whose layer {name!r} is on "
        f"{_names(stored[name])}; that of {model.name} is on {_names(own[name])}. Build the "
        "network with the `group` and `restrict_after` of the one that was saved, or give another "
        "file."
    )


def _groups(model: keras.Model) -> dict[str, list[groups.Group]]:
    """The groups of every layer that has one, or two as a restriction has."""
    return {
        layer.name: [getattr(layer, name) for name in ("group", "subgroup") if hasattr(layer, name)]
        for layer in model.layers
        if hasattr(layer, "group")
    }


def _names(found: list[groups.Group]) -> str:
    return " to ".join(group.name for group in found)
