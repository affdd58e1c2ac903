"""Batch normalisation of fields."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_gcnn.groups.fields import Fields
from keras_gcnn.layers.common.shared_normalization import SharedBatchNormalization
from keras_gcnn.layers.common.shared_weights import SharesWeights
from keras_gcnn.layers.steerable.base import (
    FieldsLike,
    KeepsFields,
    check_channels,
    field_of_channel,
    mix_channels,
    scalar_channels,
)
from keras_gcnn.types import Shape, Tensor


class SharedByFields(KeepsFields, SharesWeights):
    """Mixin of the normalisations with one scale for every field, and offsets of irrep 0."""

    fields: Fields

    def _sizes(self, input_shape: Shape) -> tuple[int, int]:
        check_channels(self, self.fields, input_shape, self.axis)
        return self.fields.scalars, self.fields.count

    def _means_of(self, values: Tensor) -> Tensor:
        return mix_channels(values, scalar_channels(self.fields), -1)

    def _scales_of(self, values: Tensor) -> Tensor:
        return mix_channels(values, field_of_channel(self.fields), -1)

    def get_config(self) -> dict:
        return {**super().get_config(), "fields": self.fields.as_json()}


@keras.saving.register_keras_serializable(package="keras_gcnn")
class SteerableBatchNormalization(SharedByFields, SharedBatchNormalization):
    """Batch normalisation of fields, which commutes with rotations by any angle.

    Only irrep 0 has a mean to subtract and an offset to add, since the other irreps average to zero
    over all directions and mirrors. A field has one variance, the average of its channels'
    second moments, and one scale. Gradients flow through the statistics, as in the stock layer.

    Args:
        fields: `Fields` of the input, or the dict of their multiplicities.
        axis: int, the channel axis: `-1`, or `1` for channels first; None for Keras's
            configuration.
        synchronized: bool, whether statistics are taken over all replicas (TensorFlow only, as in
            Keras).
        **kwargs: arguments of `keras.layers.BatchNormalization` (`momentum`, `epsilon`, `center`,
            `scale`, initializers, regularizers, constraints), without `renorm`.

    Input shape:
        `(batch, ..., fields.channels)`, or channels first.

    Output shape:
        Same as the input.

    Call arguments:
        inputs: the feature maps.
        training: bool, whether to normalize by the batch or by the moving statistics.
        mask: as in `GBatchNormalization`.

    Raises:
        ValueError: if the channels do not match the fields, or `renorm` is True.

    Example:

    >>> import numpy as np
    >>> from keras_gcnn.layers import Fields, SteerableBatchNormalization
    >>> layer = SteerableBatchNormalization(Fields.regular(3, max_frequency=2))
    >>> outputs = layer(np.zeros((1, 8, 8, 15)))
    >>> layer.count_params()  # scale, offset and two moving statistics per field
    12

    References:
        Ioffe & Szegedy 2015, algorithm 1; Weiler & Cesa 2019, section 2.6.
    """

    def __init__(
        self,
        fields: FieldsLike,
        axis: int | None = None,
        *,
        synchronized: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(axis, synchronized=synchronized, **kwargs)
        self.fields = Fields.of(fields)

    def _pooled_moments(self, means: Tensor, variances: Tensor) -> tuple[Tensor, Tensor]:
        scalars, fields = scalar_channels(self.fields), field_of_channel(self.fields)
        mean = mix_channels(means, scalars.T, -1)
        # Channels whose mean is not subtracted count with their second moment.
        kept_means = means - self._means_of(mean)
        share = fields / fields.sum(axis=1, keepdims=True)
        return mean, mix_channels(variances + ops.square(kept_means), share.T, -1)
