"""Makes layers of the plain model anew, untrained, with some settings changed."""

from __future__ import annotations

import inspect
from typing import Any

import keras


def config_of(layer: keras.Layer) -> dict[str, Any]:
    """Returns the configuration of a layer with which an untrained one is made.

    Functions of users, such as activations, are in it as they are: Keras does not read them from
    their description without being told to trust it. A layer that was frozen is trained anew.
    """
    config = layer.get_config()
    if "trainable" in config:
        config["trainable"] = True
    functions = {
        name: value for name in config if inspect.isfunction(value := getattr(layer, name, None))
    }
    return {**config, **functions}


def made_anew(layer: keras.Layer, **changes: Any) -> keras.Layer:
    """Returns a layer of the same class with fresh weights and some settings changed."""
    config = {**config_of(layer), **changes}
    if type(layer) is keras.layers.Lambda:  # `from_config` takes no functions
        return keras.layers.Lambda(**config)
    return type(layer).from_config(config)
