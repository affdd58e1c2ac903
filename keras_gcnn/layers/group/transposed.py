"""Transposed convolutions on a group, which enlarge feature maps."""

from __future__ import annotations

import keras

from keras_gcnn import groups
from keras_gcnn.layers.common.transposed_window import TransposedWindow
from keras_gcnn.layers.group.convolution import FullConvolution


@keras.saving.register_keras_serializable(package="keras_gcnn")
class GConv2DTranspose(TransposedWindow, FullConvolution):
    """Transposed convolution of feature maps on a group, the equivariant `Conv2DTranspose`.

    With stride s every input pixel p adds a copy of the filters, centred at s p, to the output:
    `y[x, c, g] = sum_{p, i, h} f[p, i, h] W[c, i, g^-1 h, g^-1 (x - s p)] + b[c]`. As in Keras,
    `(n - 1) s + k` rows come out of n, of which padding then cuts some off. The layer is
    equivariant if and only if it cuts equally many off at both borders:

    - `padding="valid"` cuts nothing and is exact for every kernel that is not smaller than the
      stride (a smaller one is filled up with zeros at one border);
    - `padding="same"` gives `n s` rows and is exact for an odd kernel with an odd stride and an
      even one with an even stride, e.g. `kernel_size=4` or `2` with `strides=2`, and broken for
      `kernel_size=3` with `strides=2`;
    - `output_padding` cuts less off, at the end first.

    Args:
        filters: int, number of output fields. The output has `filters * |G|` channels.
        kernel_size: int or pair of ints, even or odd; square if the group has quarter turns.
        group: str or `keras_gcnn.groups.Group`, as for `GConv2D`.
        strides: int or pair of ints, by how much the maps are enlarged.
        padding: `"valid"` or `"same"`, see above.
        output_padding: int or pair of ints below `strides`, or None (default). As in Keras,
            `(n - 1) s + k + output_padding` rows come out with `"valid"` and
            `(n - 1) s + k % 2 + output_padding` with `"same"`.
        **kwargs: the other arguments of `GConv2D`. Fans of the initializers count, as there, all
            inputs of the kernel, of which only one in `strides[0] * strides[1]` meets a pixel of
            the output.

    Input shape:
        `(batch, rows, columns, c_in * |G|)`, or channels first.

    Output shape:
        `(batch, new_rows, new_columns, filters * |G|)`; channel `c * |G| + g` is field c in
        orientation g.

    Raises:
        ValueError: as `GConv2D`, and for an `output_padding` that is not below the stride.

    Example:

    >>> import numpy as np
    >>> from keras_gcnn.layers import GConv2DTranspose
    >>> maps = np.zeros((1, 7, 7, 80))
    >>> tuple(GConv2DTranspose(5, 4, group="p4m", strides=2, padding="same")(maps).shape)
    (1, 14, 14, 40)

    References:
        Dumoulin & Visin 2016, "A guide to convolution arithmetic for deep learning", chapter 4;
        Cohen & Welling 2016, equation 11.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int | tuple[int, int],
        group: str | groups.Group = "p4",
        *,
        output_padding: int | tuple[int, int] | None = None,
        **kwargs,
    ):
        super().__init__(filters, kernel_size, group, output_padding=output_padding, **kwargs)
