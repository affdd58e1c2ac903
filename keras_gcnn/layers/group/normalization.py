"""Batch normalisation with statistics pooled over orientations."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_gcnn import groups
from keras_gcnn.backend.ops import mean, repeated
from keras_gcnn.layers.common.base import OnGroup, count_fields
from keras_gcnn.layers.common.shared_normalization import SharedBatchNormalization
from keras_gcnn.layers.common.shared_weights import SharesWeights
from keras_gcnn.types import GroupLike, Shape, Tensor


class SharedByOrientations(OnGroup, SharesWeights):
    """Mixin of the normalisations with one scale and one offset for every field."""

    def _sizes(self, input_shape: Shape) -> tuple[int, int]:
        fields = count_fields(self, input_shape, self.group, self.axis)
        return fields, fields

    def _means_of(self, values: Tensor) -> Tensor:
        return repeated(values, self.group.order)

    def _scales_of(self, values: Tensor) -> Tensor:
        return repeated(values, self.group.order)

    def get_config(self) -> dict:
        return {**super().get_config(), "group": self.group.name}


@keras.saving.register_keras_serializable(package="keras_gcnn")
class GBatchNormalization(SharedByOrientations, SharedBatchNormalization):
    """Batch normalisation of feature maps on a group.

    Mean, variance, scale and offset are one number per field, shared by its `|G|` orientations.
    The stock layer has statistics per orientation, with which training is not equivariant: they
    depend on the poses that the images of a batch happen to have.

    Args:
        group: str or `keras_gcnn.groups.Group`. With `"z2"` it computes what
            the stock layer does.
        axis: int, the channel axis: `-1`, or `1` for channels first; None for Keras's
            configuration.
        synchronized: bool, whether statistics are taken over all replicas (TensorFlow only, as in
            Keras; on JAX, `keras.distribution` synchronizes them anyway). As in Keras, a mask
            switches it off.
        **kwargs: arguments of `keras.layers.BatchNormalization` (`momentum`, `epsilon`, `center`,
            `scale`, initializers, regularizers, constraints), without `renorm`.

    Input shape:
        `(batch, ..., c * |G|)`.

    Output shape:
        Same as the input.

    Call arguments:
        inputs: the feature maps.
        training: bool, whether to normalize by the batch or by the moving statistics.
        mask: bool tensor with all axes of the input except the channels, or None. Where it is
            False, the input does not count towards the statistics of the batch.

    Raises:
        ValueError: if the channels are no multiple of `|G|`, the input has no axis `axis`, the
            mask does not have one axis fewer than the input, or `renorm` is True.

    Example:

    >>> import numpy as np
    >>> from keras_gcnn.layers import GBatchNormalization
    >>> layer = GBatchNormalization(group="p4")
    >>> outputs = layer(np.zeros((1, 8, 8, 12)))
    >>> layer.count_params()  # scale, offset and two moving statistics per field
    12

    References:
        Ioffe & Szegedy 2015, algorithm 1; Cohen & Welling 2016, section 6.3.
    """

    def __init__(
        self,
        group: GroupLike = "p4",
        axis: int | None = None,
        *,
        synchronized: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(axis, synchronized=synchronized, **kwargs)
        self.group = groups.get(group)

    def _pooled_moments(self, means: Tensor, variances: Tensor) -> tuple[Tensor, Tensor]:
        """Returns mean and variance per field, from those per channel.

        A field's variance is the mean of its orientations' variances plus the variance of their
        means, which costs no second pass over the feature map.
        """
        means = ops.reshape(means, (-1, self.group.order))
        variances = ops.reshape(variances, (-1, self.group.order))
        centre = mean(means, -1, keepdims=True)
        # Squares of differences: a difference of squares can be negative for a constant map.
        spread = variances + ops.square(means - centre)
        return ops.squeeze(centre, -1), mean(spread, -1)
