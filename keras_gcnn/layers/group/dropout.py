"""Dropout that keeps or drops all orientations of a field together."""

from __future__ import annotations

from typing import Any

import keras

from keras_gcnn.arguments import check_flag, check_rate
from keras_gcnn.backend.random import breaks_graph
from keras_gcnn.layers.common.base import GroupLayer, as_numbers, split_fibre
from keras_gcnn.types import GroupLike, Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_gcnn")
class GDropout(GroupLayer):
    """Drops all orientations of a field at a position, or the whole field.

    The stock layer drops each orientation by itself, so that the remaining features depend on the
    pose of the image. Here one random number decides for all `|G|` orientations of a field. In
    training, values that are kept are scaled by `1 / (1 - rate)`; at inference the layer is the
    identity.

    Args:
        rate: float, at least 0 and below 1: the share of fields to drop.
        group: str or `keras_gcnn.groups.Group`.
        spatial: bool, whether a field is dropped or kept at all positions at once. The mask then
            depends neither on position nor on orientation, and the layer commutes with the group
            for every mask; otherwise it does so on average.
        seed: int, or None for a random one.
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's configuration.
        **kwargs: arguments of `keras.Layer`.

    Input shape:
        `(batch, ..., c * |G|)`, or `(batch, c * |G|, ...)` for channels first.

    Output shape:
        Same as the input.

    Call arguments:
        inputs: the feature maps.
        training: bool, whether to drop.

    Raises:
        ValueError: if the channels are no multiple of `|G|`, or the rate is out of its range.

    Example:

    >>> import numpy as np
    >>> from keras_gcnn.layers import GDropout
    >>> maps = GDropout(0.5, group="p4")(np.ones((1, 8, 8, 12)), training=True)
    >>> fibres = np.reshape(maps, (1, 8, 8, 3, 4))
    >>> bool((fibres == fibres[..., :1]).all())
    True

    References:
        Srivastava et al. 2014, "Dropout"; Tompson et al. 2015, section 3.2, for whole maps.
    """

    def __init__(
        self,
        rate: float,
        group: GroupLike = "p4",
        *,
        spatial: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(group, **kwargs)
        self.rate = check_rate("rate", rate)
        self.spatial = check_flag("spatial", spatial)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.supports_masking = True

    def build(self, input_shape: Shape) -> None:
        self.field_count(input_shape)
        self.built = True

    def call(self, inputs: Tensor, training: bool | None = False) -> Tensor:
        inputs = as_numbers(inputs, self.compute_dtype)
        if not training or not self.rate:
            return inputs
        split, axis = split_fibre(inputs, self.group, self.channel_axis)
        varying = {0, axis - 1}  # axes along which the mask varies: images and fields
        if not self.spatial:
            varying = set(range(len(split.shape))) - {axis}
        noise_shape = [None if at in varying else 1 for at in range(len(split.shape))]
        if breaks_graph(self.seed_generator):  # as noise_shape would
            sizes = keras.ops.shape(split)
            shape = [size if at in varying else 1 for at, size in enumerate(sizes)]
            mask = keras.random.dropout(keras.ops.ones(shape, split.dtype), self.rate)
            dropped = split * mask
        else:
            dropped = keras.random.dropout(split, self.rate, noise_shape, self.seed_generator)
        return keras.ops.reshape(dropped, (-1, *keras.ops.shape(inputs)[1:]))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return tuple(input_shape)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "rate": self.rate,
            "spatial": self.spatial,
            "seed": self.seed,
        }
