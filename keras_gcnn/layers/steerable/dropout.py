"""Dropout that keeps or drops all channels of a field together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from keras_gcnn.arguments import check_flag, check_rate
from keras_gcnn.groups.fields import Fields
from keras_gcnn.layers.common.base import as_numbers
from keras_gcnn.layers.steerable.base import (
    FieldsLike,
    SteerableLayer,
    field_of_channel,
    mix_channels,
)
from keras_gcnn.types import Tensor


@keras.saving.register_keras_serializable(package="keras_gcnn")
class SteerableDropout(SteerableLayer):
    """Drops whole fields, at a position or everywhere, in training.

    The stock layer drops single channels, after which a field no longer rotates as a whole. Values
    that are kept are scaled by `1 / (1 - rate)`.

    Args:
        rate: float, at least 0 and below 1: the share of fields to drop.
        fields: `Fields` of the input, or the dict of their multiplicities.
        spatial: bool, whether a field is dropped or kept at all positions at once.
        seed: int, or None for a random one.
        **kwargs: arguments of `keras.Layer`, and `data_format`.

    Input shape:
        `(batch, rows, columns, fields.channels)`, or channels first.

    Output shape:
        Same as the input.

    Call arguments:
        inputs: the feature maps.
        training: bool, whether to drop.

    Raises:
        TypeError: if the fields come before the rate.
        ValueError: if the rate is out of its range, or the channels do not match the fields.

    Example:

    >>> import numpy as np
    >>> from keras_gcnn.layers import Fields, SteerableDropout
    >>> layer = SteerableDropout(0.5, Fields({0: 2, 1: 2}))
    >>> layer(np.ones((1, 5, 5, 6)), training=True).shape[-1]
    6

    References:
        Srivastava et al. 2014, "Dropout"; Tompson et al. 2015, section 3.2, for whole maps.
    """

    def __init__(
        self,
        rate: float,
        fields: FieldsLike,
        *,
        spatial: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        if isinstance(rate, Fields | Mapping):  # the order of version 0.1
            raise TypeError(
                f"SteerableDropout received rate={rate!r}. The rate comes first, then the fields, "
                "as in SteerableDropout(0.5, fields)."
            )
        super().__init__(fields, **kwargs)
        self.rate = check_rate("rate", rate)
        self.spatial = check_flag("spatial", spatial)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, inputs: Tensor, training: bool | None = False) -> Tensor:
        inputs = as_numbers(inputs, self.compute_dtype)
        if not training or not self.rate:
            return inputs
        shape = [*ops.shape(inputs)]
        shape[self.channel_axis] = self.fields.count
        if self.spatial:
            shape = [
                size if axis in (0, self.channel_axis % len(shape)) else 1
                for axis, size in enumerate(shape)
            ]
        ones = ops.ones(shape, inputs.dtype)
        mask = keras.random.dropout(ones, self.rate, seed=self.seed_generator)
        return inputs * mix_channels(mask, field_of_channel(self.fields), self.channel_axis)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "rate": self.rate,
            "spatial": self.spatial,
            "seed": self.seed,
        }
