"""Keras's scaling of pixels, in a form that PyTorch's compiler takes as a part of a graph."""

from __future__ import annotations

import keras
from keras import ops


# It has the name of its parent, as the convolutions of `stock_convolution` have.
@keras.saving.register_keras_serializable(package="keras_gcnn")
class Rescaling(keras.layers.Rescaling):
    """`keras.layers.Rescaling` for networks: one scale and one offset, and no use in `tf.data`.

    The stock layer asks in every call whether it is in a data pipeline of TensorFlow, at which
    PyTorch's compiler breaks the graph.
    """

    def __call__(self, inputs, **kwargs):
        return keras.Layer.__call__(self, inputs, **kwargs)

    def call(self, inputs):
        return ops.cast(inputs, self.compute_dtype) * self.scale + self.offset
