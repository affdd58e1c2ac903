"""Calls of whole models that JAX compiles."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import jax
import keras

from keras_gcnn.types import Tensor


def supports(layer: keras.Layer, otherwise: Callable) -> bool:
    """Whether `compiled` takes a layer: a model whose weights exist, and that takes `training`."""
    del otherwise
    takes_training = "training" in inspect.signature(layer.call).parameters
    return isinstance(layer, keras.Model) and layer.built and takes_training


def compiled(layer: keras.Layer, otherwise: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Compiles a model to a function of `(inputs, training=False)` that changes no variable.

    Args:
        layer: the model.
        otherwise: called instead if JAX cannot compile the model.
    """

    @jax.jit
    def infer(variables: list[Tensor], inputs: Tensor) -> Tensor:
        return layer.stateless_call(*variables, inputs, training=False)[0]

    @jax.jit
    def train(variables: list[Tensor], inputs: Tensor) -> Tensor:
        return layer.stateless_call(*variables, inputs, training=True)[0]

    def call(inputs: Tensor, training: bool = False) -> Tensor:
        lists = (layer.trainable_variables, layer.non_trainable_variables)
        values = [[variable.value for variable in variables] for variables in lists]
        try:
            return (train if training else infer)(values, inputs)
        except jax.errors.JAXTypeError:  # a layer of the user's looks at values
            return otherwise(inputs, training)

    return call
