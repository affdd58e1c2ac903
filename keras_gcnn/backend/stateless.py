"""Calls of a model that change nothing in it."""

from __future__ import annotations

from collections.abc import Callable

import keras

from keras_gcnn.backend.ops import on
from keras_gcnn.types import Tensor

if on("jax"):
    from keras_gcnn.backend.jax import stateless as jax_stateless


def without_trace(layer: keras.Layer) -> Callable[..., Tensor]:
    """Makes a layer or model a function of `(inputs, training=False)` that changes no variable.

    When a model is called, JAX compiles each of its operations by itself, which takes minutes for a
    deep model. On JAX the returned function therefore compiles a whole model, if possible, once for
    each shape of the inputs; Keras compiles only within `fit`, `evaluate` and `predict`.
    """

    def call(inputs: Tensor, training: bool = False) -> Tensor:
        state = [
            (variable, keras.ops.convert_to_numpy(variable))
            for variable in layer.non_trainable_variables
        ]
        outputs = layer(inputs, training=training)
        for variable, value in state:
            variable.assign(value)
        return outputs

    if on("jax") and jax_stateless.supports(layer, call):
        return jax_stateless.compiled(layer, call)
    return call
