"""Batch normalisation with statistics pooled over orientations."""

from __future__ import annotations

import keras
from keras import ops

from keras_gcnn import groups
from keras_gcnn.backend.ops import mean, repeated
from keras_gcnn.layers.common.base import OnGroup, count_fields
from keras_gcnn.layers.common.shared_normalization import SharedBatchNormalization


@keras.saving.register_keras_serializable(package="keras_gcnn")
class GBatchNormalization(OnGroup, SharedBatchNormalization):
    """Batch normalisation of feature maps on a group.

    Mean, variance, scale and offset are one number per field, shared by its `|G|` orientations.
    With a statistic per orientation, as the stock layer has it, training is not equivariant: it
    would see in which orientations the images of the batch happen to lie.

    Args:
        group: str or `keras_gcnn.groups.Group`. `"z2"` makes it the stock layer.
        axis: int, the channel axis: `-1`, or `1` for channels first; None for Keras's
            configuration.
        synchronized: bool, whether statistics are taken over all replicas (TensorFlow only, as in
            Keras; on JAX they are so under `keras.distribution` anyway). As in Keras, they are not
            if there is a mask.
        **kwargs: arguments of `keras.layers.BatchNormalization` (`momentum`, `epsilon`, `center`,
            `scale`, initializers, regularizers, constraints), without `renorm`.

    Input shape:
        `(batch, ..., c * |G|)`.

    Output shape:
        Same as the input.

    Call arguments:
        inputs: the feature maps.
        training: bool, whether to normalize by the batch or by the moving statistics.
        mask: bool tensor with the axes of the input but for the channels, or None. Where it is
            False, in all orientations, nothing counts towards the batch's statistics.

    Raises:
        ValueError: if the channels are no multiple of `|G|`, if the input has no axis `axis` or
            the mask not one axis less than the input, or for `renorm=True`.

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
        group: str | groups.Group = "p4",
        axis: int | None = None,
        *,
        synchronized: bool = False,
        **kwargs,
    ):
        super().__init__(axis, synchronized=synchronized, **kwargs)
        self.group = groups.get(group)

    def _sizes(self, input_shape) -> tuple[int, int]:
        fields = count_fields(self, input_shape, self.group, self.axis)
        return fields, fields

    def _pooled_moments(self, means, variances):
        """Mean and variance per field, from those per channel.

        A field's variance is the mean of its orientations' variances plus the variance of their
        means, which costs no second pass over the feature map.
        """
        means = ops.reshape(means, (-1, self.group.order))
        variances = ops.reshape(variances, (-1, self.group.order))
        centre = mean(means, -1, keepdims=True)
        # Of differences: a difference of squares may be negative where the map is constant.
        spread = variances + ops.square(means - centre)
        return ops.squeeze(centre, -1), mean(spread, -1)

    def _means_of(self, values):
        return repeated(values, self.group.order)

    def _scales_of(self, values):
        return repeated(values, self.group.order)

    def get_config(self) -> dict:
        return {**super().get_config(), "group": self.group.name}
