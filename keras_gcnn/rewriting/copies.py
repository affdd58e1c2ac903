"""Copies the weights of a layer into another layer of the same configuration."""

from __future__ import annotations

import keras
import numpy as np


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
