"""Weights of a layer in another one like it."""

from __future__ import annotations

import keras


def copy_weights(layer: keras.Layer, twin: keras.Layer) -> None:
    """Gives a built layer the weights of another one with the same configuration.

    They go by their names where these differ, since a layer that was quantized after it was built
    lists them in another order than its twin, which was built quantized.
    """
    if getattr(layer, "lora_enabled", False):
        twin.lora_alpha = layer.lora_alpha  # which Keras sets to the rank
    names = [weight.name for weight in layer.weights]
    named = {weight.name: weight for weight in twin.weights}
    if len(named) == len(names) and named.keys() == set(names):
        for weight in layer.weights:
            named[weight.name].assign(weight)
    else:
        twin.set_weights(layer.get_weights())
