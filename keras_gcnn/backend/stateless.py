"""Calls of a model that leave no trace in it."""

from __future__ import annotations

from collections.abc import Callable

import keras


def without_trace(layer: keras.Layer) -> Callable:
    """A layer or model as a function of `(inputs, training=False)` that changes no variable.

    JAX compiles each operation of a model by itself when the model is called, and a deep one for
    minutes. There a whole model is compiled instead, once for each shape of the inputs, if all of
    it can be; Keras itself compiles only within `fit`, `evaluate` and `predict`.
    """
    if keras.backend.backend() != "jax" or not isinstance(layer, keras.Model) or not layer.built:
        return lambda inputs, training=False: _restored(layer, inputs, training)
    import jax

    @jax.jit
    def infer(variables, inputs):
        return layer.stateless_call(*variables, inputs, training=False)[0]

    @jax.jit
    def train(variables, inputs):
        return layer.stateless_call(*variables, inputs, training=True)[0]

    def call(inputs, training=False):
        kinds = (layer.trainable_variables, layer.non_trainable_variables)
        variables = [[one.value for one in variables] for variables in kinds]
        try:
            return (train if training else infer)(variables, inputs)
        except jax.errors.JAXTypeError:  # a layer of one's own that looks at values
            return _restored(layer, inputs, training)

    return call


def _restored(layer: keras.Layer, inputs, training: bool):
    state = [(one, keras.ops.convert_to_numpy(one)) for one in layer.non_trainable_variables]
    outputs = layer(inputs, training=training)
    for variable, value in state:
        variable.assign(value)
    return outputs
