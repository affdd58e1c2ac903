"""Normalisation of every image, or of every position, by its own statistics."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_gcnn import groups as planar_groups
from keras_gcnn.backend.ops import has_layer_normalization, layer_normalization, mean
from keras_gcnn.layers.common.base import count_fields
from keras_gcnn.layers.common.image_normalization import (
    ChannelGroupNormalization,
    ImageNormalization,
)
from keras_gcnn.layers.group.normalization import SharedByOrientations
from keras_gcnn.types import GroupLike, Shape, Tensor


class _AtPositions(SharedByOrientations, ImageNormalization):
    """Base of the layers with statistics of each position, over all fields and orientations."""

    def __init__(self, group: GroupLike = "p4", axis: int | None = None, **kwargs: Any) -> None:
        super().__init__(axis, **kwargs)
        self.group = planar_groups.get(group)

    def _average(self, values: Tensor) -> Tensor:
        return mean(values, self.axis, keepdims=True)


@keras.saving.register_keras_serializable(package="keras_gcnn")
class GLayerNormalization(_AtPositions):
    """Layer normalisation of feature maps on a group.

    Mean and variance are taken at each position, over all fields and orientations. Scale and offset
    are one number per field, shared by its `|G|` orientations; the stock layer has one for every
    orientation, which is not equivariant.

    Args:
        group: str or `keras_gcnn.groups.Group`. With `"z2"` it computes what
            the stock layer does.
        axis: int, the channel axis: `-1`, or `1` for channels first; None for Keras's
            configuration.
        **kwargs: arguments of `keras.layers.LayerNormalization` (`epsilon`, `center`, `scale`,
            initializers, regularizers, constraints).

    Input shape:
        `(batch, ..., c * |G|)`, or `(batch, c * |G|, ...)` with `axis=1`; also vectors
        `(batch, c * |G|)`, such as means over positions.

    Output shape:
        Same as the input.

    Raises:
        ValueError: if the channels are no multiple of `|G|`, or the input has no axis `axis`.

    Example:

    >>> import numpy as np
    >>> from keras_gcnn.layers import GLayerNormalization
    >>> layer = GLayerNormalization(group="p4")
    >>> outputs = layer(np.zeros((1, 8, 8, 12)))
    >>> layer.count_params()  # scale and offset per field
    6

    References:
        Ba et al. 2016, "Layer Normalization", section 3.
    """

    def __init__(self, group: GroupLike = "p4", axis: int | None = None, **kwargs: Any) -> None:
        super().__init__(group, axis, **kwargs)

    def _normalized(self, inputs: Tensor, scale: Tensor | None, offset: Tensor | None) -> Tensor:
        if has_layer_normalization(inputs, self.axis):
            channels = self.input_spec.axes[self.axis]
            return layer_normalization(inputs, channels, scale, offset, self.epsilon)
        return super()._normalized(inputs, scale, offset)


@keras.saving.register_keras_serializable(package="keras_gcnn")
class GRMSNormalization(_AtPositions):
    """Normalisation of feature maps on a group by their root mean square, without a mean.

    It is `GLayerNormalization` with zero in place of the mean. Scale, and offset if there is one,
    are one number per field.

    Args:
        group: str or `keras_gcnn.groups.Group`. With `"z2"` it computes what
            `keras.layers.RMSNormalization` does.
        axis: int, the channel axis: `-1`, or `1` for channels first; None for Keras's
            configuration.
        epsilon: float, added to the mean square.
        center: bool, whether to add an offset, which the stock layer does not have.
        **kwargs: the other arguments of `GLayerNormalization`.

    Input shape:
        As `GLayerNormalization`.

    Output shape:
        Same as the input.

    Raises:
        ValueError: as `GLayerNormalization`.

    Example:

    >>> import numpy as np
    >>> from keras_gcnn.layers import GRMSNormalization
    >>> layer = GRMSNormalization(group="p4")
    >>> outputs = layer(np.zeros((1, 8, 8, 12)))
    >>> layer.count_params()  # scale per field
    3

    References:
        Zhang & Sennrich 2019, "Root Mean Square Layer Normalization", equation 4.
    """

    def __init__(
        self,
        group: GroupLike = "p4",
        axis: int | None = None,
        *,
        epsilon: float = 1e-6,
        center: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(group, axis, epsilon=epsilon, center=center, **kwargs)

    def _mean(self, inputs: Tensor) -> None:
        return None


@keras.saving.register_keras_serializable(package="keras_gcnn")
class GGroupNormalization(SharedByOrientations, ChannelGroupNormalization):
    """Group normalisation of feature maps on a group; instance normalisation with `groups=-1`.

    The channels are divided into channel groups of whole fields. Mean and variance are those of an
    image, over all positions and over the channels of a channel group. Scale and offset are one
    number per field. So the orientations of a field always share their statistics, in instance
    normalisation too: with statistics per orientation, the stock layer's `groups=-1`, the layer
    would remove what distinguishes the orientations, such as how many edges an image has in each
    direction.

    Args:
        groups: int, number of channel groups, which divides the number of fields; or -1 for one
            channel group per field.
        group: str or `keras_gcnn.groups.Group`. With `"z2"` it computes what
            the stock layer does.
        axis: int, the channel axis: `-1`, or `1` for channels first; None for Keras's
            configuration.
        **kwargs: arguments of `keras.layers.GroupNormalization` (`epsilon`, `center`, `scale`,
            initializers, regularizers, constraints).

    Input shape:
        `(batch, ..., c * |G|)`, or `(batch, c * |G|, ...)` with `axis=1`.

    Output shape:
        Same as the input.

    Raises:
        ValueError: if the channels are no multiple of `|G|`, the number of fields is no multiple of
            `groups`, or the input has no axis `axis`.

    Example:

    >>> import numpy as np
    >>> from keras_gcnn.layers import GGroupNormalization
    >>> layer = GGroupNormalization(groups=3, group="p4")
    >>> outputs = layer(np.zeros((1, 8, 8, 24)))  # two fields in each of three channel groups
    >>> layer.count_params()  # scale and offset per field
    12

    References:
        Wu & He 2018, "Group Normalization"; Ulyanov et al. 2016 for instance normalisation.
    """

    def __init__(
        self, groups: int = 32, group: GroupLike = "p4", axis: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(groups, axis, **kwargs)
        self.group = planar_groups.get(group)

    def _field_count(self, input_shape: Shape) -> int:
        return count_fields(self, input_shape, self.group, self.axis)

    def _mean_in_groups(self, values: Tensor) -> Tensor:
        channels, count = values.shape[-1], self.group_count(values.shape)
        in_groups = ops.reshape(values, (-1, count, channels // count))
        average = ops.broadcast_to(mean(in_groups, -1, keepdims=True), ops.shape(in_groups))
        return ops.reshape(average, (-1, channels))
