"""Initial weights, whose random numbers take JAX long to compile."""

from __future__ import annotations

from collections.abc import Callable

import keras

from keras_gcnn.backend.ops import on
from keras_gcnn.types import Tensor

if on("jax"):
    from keras_gcnn.backend.jax import initial_weights as jax_initial_weights


def drawn_once(initializer: Callable | None) -> Callable | None:
    """An initializer with the same numbers that is compiled quickly on JAX.

    Initializers that draw nothing, or are not Keras's, are returned unchanged.
    """
    if on("jax") and initializer is not None and jax_initial_weights.supports(initializer):
        return jax_initial_weights.drawn_once(initializer)
    return initializer


def call_new(layer: keras.Layer, inputs: Tensor) -> Tensor:
    """Calls a stock layer for the first time, and has its weights drawn by `drawn_once`.

    Args:
        layer: the layer. It and the layers that are its attributes keep their initializers.
        inputs: inputs of the call.
    """
    if not on("jax"):
        return layer(inputs)
    parts = [layer, *(value for value in vars(layer).values() if isinstance(value, keras.Layer))]
    kept = [
        (part, name, value)
        for part in parts
        for name, value in vars(part).items()
        if isinstance(value, keras.initializers.Initializer)
    ]
    try:
        for part, name, initializer in kept:
            setattr(part, name, drawn_once(initializer))
        return layer(inputs)
    finally:
        for part, name, initializer in kept:
            setattr(part, name, initializer)
