"""Makes layers of the plain model anew, untrained, with some settings changed."""

from __future__ import annotations

from typing import Any

import keras

from keras_gcnn.rewriting import copies


def config_of(layer: keras.Layer) -> dict[str, Any]:
    """Returns the configuration of a layer; one that was frozen is trained anew."""
    config = copies.config_of(layer)
    return {**config, "trainable": True} if "trainable" in config else config


def made_anew(layer: keras.Layer, **changes: Any) -> keras.Layer:
    """Returns a layer of the same class with fresh weights and some settings changed."""
    return copies.make_like(layer, {**config_of(layer), **changes})
