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
    if not Path(weights).is_file():
        raise ValueError(
            f"weights={str(weights)!r} is no file. Give the path of a .weights.h5 or .keras file "
            "of this network, the name of published weights (see zoo.available()), or None."
        )
    try:
        stored = None
        if str(weights).endswith(".keras"):
            stored = _groups(keras.saving.load_model(weights, compile=False))
        if stored in (None, _groups(model)):
            model.load_weights(weights)
            return model
    except Exception as error:  # Keras, HDF5 and zip each have errors of their own
        raise ValueError(
            f"weights={str(weights)!r} cannot be loaded into {model.name}. Build the network with "
            f"the arguments of the one that was saved, or give another file. "
            f"{type(error).__name__}: {error}"
        ) from error
    raise ValueError(
        f"weights={str(weights)!r} is of a network with layers on {_names(stored)}; those of "
        f"{model.name} are on {_names(_groups(model))}. Build the network with the `group` of the "
        "one that was saved, or give another file."
    )


def _groups(model: keras.Model) -> list[groups.Group]:
    """The groups of the layers that have one, in the order of the layers."""
    return [layer.group for layer in model.layers if hasattr(layer, "group")]


def _names(found: list[groups.Group]) -> str:
    return ", ".join(dict.fromkeys(group.name for group in found)) or "no group"
