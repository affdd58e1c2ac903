"""Normalisation of the fields of every image, or of every position, by their own statistics."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_gcnn.backend.constants import constant, outside_graphs
from keras_gcnn.backend.ops import mean
from keras_gcnn.groups.fields import Fields
from keras_gcnn.layers.common.base import along
from keras_gcnn.layers.common.image_normalization import (
    ChannelGroupNormalization,
    ImageNormalization,
)
from keras_gcnn.layers.steerable.base import FieldsLike, check_channels
from keras_gcnn.layers.steerable.normalization import SharedByFields
from keras_gcnn.types import Shape, Tensor


@outside_graphs
def _is_scalar(fields: Fields) -> np.ndarray:
    """Returns 1 for every channel of irrep 0, and 0 for the others."""
    return fields.scalar_channels.astype("float64")


@outside_graphs
def channel_groups(
    fields: Fields, count: int, scalars_only: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the channel groups, of whole fields in their order.

    Args:
        fields: the fields.
        count: number of channel groups, a divisor of the number of fields.
        scalars_only: whether to leave out all channels but those of irrep 0.

    Returns:
        Two matrices of shape (channel groups, channels): the share that a channel has in the mean
        of its channel group, and 1 where it is a member.
    """
    members = np.eye(count)[:, fields.channel_fields // (fields.count // count)]
    if scalars_only:
        members = members * _is_scalar(fields)
    return members / np.maximum(members.sum(axis=1, keepdims=True), 1), members


@keras.saving.register_keras_serializable(package="keras_gcnn")
class SteerableLayerNormalization(SharedByFields, ImageNormalization):
    """Layer normalisation of fields, which commutes with rotations by any angle.

    At each position the mean over the channels of irrep 0 is subtracted from these; the other
    irreps average to zero over all directions and mirrors. Then all channels are divided by their
    root mean square, which is invariant. A field has one scale, a channel of irrep 0 an offset. On
    irrep 0 alone it is `keras.layers.LayerNormalization`.

    Args:
        fields: `Fields` of the input, or the dict of their multiplicities.
        axis: int, the channel axis: `-1`, or `1` for channels first; None for Keras's
            configuration.
        **kwargs: arguments of `keras.layers.LayerNormalization` (`epsilon`, `center`, `scale`,
            initializers, regularizers, constraints).

    Input shape:
        `(batch, ..., fields.channels)`, or channels first with `axis=1`.

    Output shape:
        Same as the input.

    Raises:
        ValueError: if the channels do not match the fields, or the input has no axis `axis`.

    Example:

    >>> import numpy as np
    >>> from keras_gcnn.layers import Fields, SteerableLayerNormalization
    >>> layer = SteerableLayerNormalization(Fields({0: 3, 1: 2}))
    >>> outputs = layer(np.zeros((1, 8, 8, 7)))
    >>> layer.count_params()  # scale per field, offset per channel of irrep 0
    6

    References:
        Ba et al. 2016, section 3; Weiler & Cesa 2019, section 2.6, for the rule that only
        irrep 0 has means and offsets.
    """

    def __init__(self, fields: FieldsLike, axis: int | None = None, **kwargs: Any) -> None:
        super().__init__(axis, **kwargs)
        self.fields = Fields.of(fields)

    def _average(self, values: Tensor) -> Tensor:
        return mean(values, self.axis, keepdims=True)

    def _mean(self, inputs: Tensor) -> Tensor | None:
        scalars = self.fields.scalars
        if not scalars:
            return None
        selection = ops.cast(constant(_is_scalar(self.fields)), inputs.dtype)
        selection = along(selection, self.axis, len(inputs.shape))
        total = ops.sum(inputs * selection, axis=self.axis, keepdims=True)
        return total / scalars * selection


@keras.saving.register_keras_serializable(package="keras_gcnn")
class SteerableGroupNormalization(SharedByFields, ChannelGroupNormalization):
    """Group normalisation of fields; instance normalisation with `groups=-1`.

    It does what `SteerableLayerNormalization` does with all positions of an image together, and
    separately for each channel group of whole fields. On frequency 0 alone it is
    `keras.layers.GroupNormalization`.

    Args:
        fields: `Fields` of the input, or the dict of their multiplicities.
        groups: int, number of channel groups, which divides the number of fields; or -1 for one
            channel group per field.
        axis: int, the channel axis: `-1`, or `1` for channels first; None for Keras's
            configuration.
        **kwargs: arguments of `keras.layers.GroupNormalization` (`epsilon`, `center`, `scale`,
            initializers, regularizers, constraints).

    Input shape:
        `(batch, ..., fields.channels)`, or channels first with `axis=1`.

    Output shape:
        Same as the input.

    Raises:
        ValueError: if the channels do not match the fields, the number of fields is no multiple of
            `groups`, or the input has no axis `axis`.

    Example:

    >>> import numpy as np
    >>> from keras_gcnn.layers import Fields, SteerableGroupNormalization
    >>> layer = SteerableGroupNormalization(Fields({0: 4, 1: 2}), groups=2)
    >>> outputs = layer(np.zeros((1, 8, 8, 8)))
    >>> layer.count_params()  # scale per field, offset per channel of irrep 0
    8

    References:
        Wu & He 2018, "Group Normalization"; Weiler & Cesa 2019, section 2.6.
    """

    def __init__(
        self, fields: FieldsLike, groups: int = 32, axis: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(groups, axis, **kwargs)
        self.fields = Fields.of(fields)

    def _field_count(self, input_shape: Shape) -> int:
        check_channels(self, self.fields, input_shape, self.axis)
        return self.fields.count

    def _mean_in_groups(self, values: Tensor, scalars_only: bool = False) -> Tensor:
        count = self.group_count(values.shape)
        share, members = (
            ops.cast(constant(matrix), values.dtype)
            for matrix in channel_groups(self.fields, count, scalars_only)
        )
        # Sums, since GPUs may round the factors of a product of matrices to ten bits.
        average = ops.sum(values[:, None] * share, axis=-1)
        return ops.sum(average[:, :, None] * members, axis=1)

    def _mean(self, inputs: Tensor) -> Tensor:
        average = self._mean_in_groups(self._mean_at_positions(inputs), scalars_only=True)
        return along(average, self.axis, len(inputs.shape))
