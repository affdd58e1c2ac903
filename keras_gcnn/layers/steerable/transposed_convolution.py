"""Transposed convolutions between fields, which enlarge a map."""

from __future__ import annotations

import math
from typing import Any

import keras

from keras_gcnn.layers.common.transposed_window import TransposedWindow
from keras_gcnn.layers.steerable.base import FieldsLike
from keras_gcnn.layers.steerable.convolution import Spreads, SteerableConv2D
from keras_gcnn.types import Size2D


@keras.saving.register_keras_serializable(package="keras_gcnn")
class SteerableConv2DTranspose(TransposedWindow, SteerableConv2D):
    """Transposed convolution between maps of fields, which enlarges them.

    It is the `Conv2DTranspose` of `SteerableConv2D`. The size of the output and exactness under
    quarter turns follow the rules of `GConv2DTranspose`: use an odd kernel with an odd stride and
    an even kernel with an even stride.

    Args:
        fields_in, fields_out, kernel_size: as for `SteerableConv2D`.
        output_padding: int or pair of ints below `strides`, or None (default) for the usual size.
        **kwargs: the other arguments of `SteerableConv2D`.

    Input shape:
        `(batch, rows, columns, fields_in.channels)`, or channels first.

    Output shape:
        `(batch, new_rows, new_columns, fields_out.channels)`.

    Raises:
        ValueError: as `SteerableConv2D`, and for an `output_padding` that is not below the stride.

    Example:

    >>> import numpy as np
    >>> from keras_gcnn.layers import Fields, SteerableConv2DTranspose
    >>> fields = Fields.regular(4, max_frequency=2)
    >>> layer = SteerableConv2DTranspose(fields, fields, 4, strides=2, padding="same")
    >>> tuple(layer(np.zeros((1, 7, 7, 20))).shape)
    (1, 14, 14, 20)
    """

    def __init__(
        self,
        fields_in: FieldsLike,
        fields_out: FieldsLike,
        kernel_size: int,
        *,
        output_padding: Size2D | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            fields_in, fields_out, kernel_size, output_padding=output_padding, **kwargs
        )

    def _spreads(self) -> Spreads:
        # By this factor fewer positions of the window reach a position of the output.
        factor = math.prod(self.strides)
        return {pair: spread * factor**0.5 for pair, spread in super()._spreads().items()}
