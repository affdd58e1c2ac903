"""Makes layers of the same configuration as others, and copies their weights."""

from __future__ import annotations

import inspect
from typing import Any

import keras
import numpy as np


def config_of(layer: keras.Layer) -> dict[str, Any]:
    """Returns the configuration of a layer, with functions as they are.

    Keras does not read functions of users, such as activations, from their description without
    being told to trust it.
    """
    config = layer.get_config()
    functions = {
        name: value for name in config if inspect.isfunction(value := getattr(layer, name, None))
    }
    return {**config, **functions}


def make_like(layer: keras.Layer, config: dict[str, Any]) -> keras.Layer:
    """Returns a new layer of the same class, of a configuration that may hold functions."""
    if type(layer) is keras.layers.Lambda:  # `from_config` takes no functions
        return keras.layers.Lambda(**config)
    return type(layer).from_config(config)


def copy_weights(layer: keras.Layer, twin: keras.Layer) -> None:
    """Gives a built layer the weights of another layer with the same configuration.

    Weights are matched by name where the names are unique: a layer that was quantized after it was
    built lists its weights in another order than its twin, which was built quantized.
    """
    if getattr(layer, "lora_enabled", False):
        twin.lora_alpha = layer.lora_alpha  # Keras sets it to the rank
    names = [weight.name for weight in layer.weights]
    twin_weights = {weight.name: weight for weight in twin.weights}
    if len(twin_weights) == len(names) and twin_weights.keys() == set(names):
        for weight in layer.weights:
            # An array of its own: on JAX training frees the arrays of the weights that it replaces.
            twin_weights[weight.name].assign(np.array(keras.ops.convert_to_numpy(weight)))
    else:
        twin.set_weights(layer.get_weights())
    if hasattr(twin, "finalize_state"):  # for layers that are adapted to data
        twin.finalize_state()
