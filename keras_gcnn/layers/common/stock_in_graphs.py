"""Layers of Keras in forms that PyTorch's compiler takes as a part of a graph.

They have the names of the stock layers, as the convolutions of `stock_convolution` have, so that
files of weights fit whichever of the two a network holds.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_gcnn.layers.group.normalization import GBatchNormalization
from keras_gcnn.types import Tensor


@keras.saving.register_keras_serializable(package="keras_gcnn")
class Rescaling(keras.layers.Rescaling):
    """`keras.layers.Rescaling` for networks: one scale and one offset, and no use in `tf.data`.

    The stock layer asks in every call whether it is in a data pipeline of TensorFlow, at which the
    compiler breaks the graph.
    """

    def __call__(self, inputs: Tensor, **kwargs: Any) -> Tensor:
        return keras.Layer.__call__(self, inputs, **kwargs)

    def call(self, inputs: Tensor) -> Tensor:
        return ops.cast(inputs, self.compute_dtype) * self.scale + self.offset


@keras.saving.register_keras_serializable(package="keras_gcnn")
class BatchNormalization(GBatchNormalization):
    """`keras.layers.BatchNormalization` with the weights and outputs of that layer.

    The stock layer names its axes, in training, by a list that the compiler does not take.
    """

    def __init__(self, axis: int | None = None, **kwargs: Any) -> None:
        super().__init__("z2", axis, **kwargs)

    def get_config(self) -> dict:
        config = super().get_config()
        del config["group"]
        return config
