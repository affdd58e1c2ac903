"""Stock layers of Keras at which PyTorch's compiler does not break the graph.

They have the names of the stock layers, like the convolutions of `stock_convolution`, so that a
weight file fits a network with either of them.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_gcnn.layers.group.normalization import GBatchNormalization
from keras_gcnn.types import Tensor


@keras.saving.register_keras_serializable(package="keras_gcnn")
class Rescaling(keras.layers.Rescaling):
    """`keras.layers.Rescaling` with one scale and one offset, for networks and not for `tf.data`.

    The stock layer checks in every call whether it runs in a data pipeline of TensorFlow, and the
    compiler breaks the graph there.
    """

    def __call__(self, inputs: Tensor, **kwargs: Any) -> Tensor:
        return keras.Layer.__call__(self, inputs, **kwargs)

    def call(self, inputs: Tensor) -> Tensor:
        return ops.cast(inputs, self.compute_dtype) * self.scale + self.offset


@keras.saving.register_keras_serializable(package="keras_gcnn")
class BatchNormalization(GBatchNormalization):
    """`keras.layers.BatchNormalization`, with the same weights and outputs.

    In training the stock layer passes its axes as a list that the compiler does not accept.
    """

    def __init__(self, axis: int | None = None, **kwargs: Any) -> None:
        super().__init__("z2", axis, **kwargs)

    def get_config(self) -> dict:
        config = super().get_config()
        del config["group"]
        return config
