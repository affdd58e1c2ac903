"""Convolutions from the plane to a group and on a group, and their transpose."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_gcnn.arguments import check_count
from keras_gcnn.layers.common.transposed_window import TransposedWindow
from keras_gcnn.layers.group.base_convolution import GroupConvolution
from keras_gcnn.types import (
    Activation,
    Constraint,
    GroupLike,
    Initializer,
    Regularizer,
    Size2D,
    Tensor,
)


class FullConvolution(GroupConvolution):
    """Base of the convolutions whose base kernel is a single weight."""

    parts = ("kernel",)

    def __init__(
        self,
        filters: int,
        kernel_size: Size2D,
        group: GroupLike = "p4",
        *,
        strides: Size2D = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Size2D = 1,
        activation: Activation = None,
        use_bias: bool = True,
        kernel_initializer: Initializer = "glorot_uniform",
        bias_initializer: Initializer = "zeros",
        kernel_regularizer: Regularizer = None,
        bias_regularizer: Regularizer = None,
        activity_regularizer: Regularizer = None,
        kernel_constraint: Constraint = None,
        bias_constraint: Constraint = None,
        equivariance: str = "warn",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            filters,
            kernel_size,
            group,
            strides=strides,
            padding=padding,
            data_format=data_format,
            dilation_rate=dilation_rate,
            activation=activation,
            use_bias=use_bias,
            bias_initializer=bias_initializer,
            bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer,
            bias_constraint=bias_constraint,
            equivariance=equivariance,
            **kwargs,
        )
        self._keep("kernel", kernel_initializer, kernel_regularizer, kernel_constraint)

    def _build_kernel(self, field_count: int) -> None:
        # With the axes in this order Keras's initializers compute the right fans, and a constraint
        # on each filter takes all axes but the last, as in a stock layer.
        shape = (self.input_order, *self.kernel_size, field_count, self.filters)
        self.kernel = self._add_part("kernel", shape)

    def _base_kernel(self) -> Tensor:
        return ops.convert_to_tensor(self.kernel)


class GroupedConvolution(FullConvolution):
    """Base of the convolutions whose channels may be convolved in separate groups.

    These groups of channels have nothing to do with the symmetry group.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Size2D,
        group: GroupLike = "p4",
        *,
        groups: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(filters, kernel_size, group, **kwargs)
        if isinstance(groups, str):
            raise ValueError(
                f"groups={groups!r} has to be a positive integer, as in keras.layers.Conv2D. Did "
                f"you mean group={groups!r}?"
            )
        self.groups = check_count("groups", groups)
        if self.filters % self.groups:
            raise ValueError(
                f"filters={self.filters} is no multiple of groups={self.groups}. Every group of "
                "channels makes equally many fields."
            )

    def _build_kernel(self, field_count: int) -> None:
        if field_count % self.groups:
            raise ValueError(
                f"{type(self).__name__} {self.name!r} received {field_count} fields, which is no "
                f"multiple of groups={self.groups}."
            )
        super()._build_kernel(field_count // self.groups)

    def get_config(self) -> dict:
        return {**super().get_config(), "groups": self.groups}


_ARGUMENTS = """
    Args:
        filters: int, number of output fields. The output has `filters * |G|` channels.
        kernel_size: int or pair of ints, even or odd; square if the group has quarter turns.
        group: str or `keras_gcnn.groups.Group`: `"z2"` (an ordinary convolution), `"p4"`, `"p4m"`,
            or another of `keras_gcnn.groups.names()`.
        strides: int or pair of ints.
        padding: `"valid"`, or `"same"`, `"circular"` or `"reflect"`, which give `ceil(n / strides)`
            rows for n: with zeros around the map, with its other end, or with its mirror image,
            as wide as `keras_gcnn.groups.border_widths` says.
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's configuration.
        dilation_rate: int or pair of ints.
        groups: int, as in Keras: the number of groups into which the fields of the input are
            split. Each makes `filters / groups` fields.
        activation: name of an activation, a callable, or None.
        use_bias: bool. The bias is one number per field, shared by its orientations.
        kernel_initializer, bias_initializer: initializers. Fans count all input orientations.
        kernel_regularizer, bias_regularizer, activity_regularizer: regularizers or None.
        kernel_constraint, bias_constraint: constraints or None. The kernel variable has shape
            `(|G_in|, rows, columns, c_in, c_out)`.
        equivariance: what to do when the layer is built in a configuration that is not equivariant
            (see `keras_gcnn.groups.window_problem`): `"warn"`, `"strict"` (raise) or `"ignore"`.
        **kwargs: arguments of `keras.Layer`, such as `name` and `dtype`.
"""


@keras.saving.register_keras_serializable(package="keras_gcnn")
class LiftingConv2D(GroupedConvolution):
    __doc__ = f"""Convolution from images to feature maps on a group: the first layer of a network.

    Every filter is applied in all `|G|` orientations:
    `y[x, c, g] = sum_{{u, i}} image[x + u, i] W[c, i, g^-1 u] + b[c]`.
    {_ARGUMENTS}
    Input shape:
        `(batch, rows, columns, c_in)`, or channels first.

    Output shape:
        `(batch, new_rows, new_columns, filters * |G|)`; channel `c * |G| + g` is filter c in
        orientation g.

    Raises:
        ValueError: for an unknown group, or a kernel that is not square on a group with quarter
            turns.

    Example:

    >>> import numpy as np
    >>> from keras_gcnn.layers import LiftingConv2D
    >>> LiftingConv2D(8, 5, group="p4")(np.zeros((1, 28, 28, 3))).shape[-1]
    32

    References:
        Cohen & Welling 2016, "Group Equivariant Convolutional Networks", equation 10.
    """
    lifting = True


@keras.saving.register_keras_serializable(package="keras_gcnn")
class GConv2D(GroupedConvolution):
    __doc__ = f"""Convolution from feature maps on a group to feature maps on the same group.

    `y[x, c, g] = sum_{{u, i, h}} f[x + u, i, h] W[c, i, g^-1 h, g^-1 u] + b[c]`.
    {_ARGUMENTS}
    Input shape:
        `(batch, rows, columns, c_in * |G|)`, or channels first, as `LiftingConv2D` returns it.

    Output shape:
        `(batch, new_rows, new_columns, filters * |G|)`; channel `c * |G| + g` is field c in
        orientation g.

    Raises:
        ValueError: for an unknown group, input channels that are no multiple of `|G|`, or a kernel
            that is not square on a group with quarter turns.

    Example:

    >>> import numpy as np
    >>> from keras_gcnn.layers import GConv2D, LiftingConv2D
    >>> maps = LiftingConv2D(8, 5, group="p4m")(np.zeros((1, 28, 28, 3)))
    >>> GConv2D(10, 3, group="p4m")(maps).shape[-1]
    80

    References:
        Cohen & Welling 2016, "Group Equivariant Convolutional Networks", equation 11.
    """


@keras.saving.register_keras_serializable(package="keras_gcnn")
class GConv2DTranspose(TransposedWindow, FullConvolution):
    """Transposed convolution of feature maps on a group, the equivariant `Conv2DTranspose`.

    With stride s every input pixel p adds a copy of the filters, centred at s p, to the output:
    `y[x, c, g] = sum_{p, i, h} f[p, i, h] W[c, i, g^-1 h, g^-1 (x - s p)] + b[c]`. As in Keras,
    n rows first become `(n - 1) s + k`, and padding then cuts some of them off. The layer is
    equivariant if and only if it cuts off equally many at both borders:

    - `padding="valid"` cuts off nothing and is exact for every kernel that is not smaller than the
      stride (with a smaller one, zeros are added at one border);
    - `padding="same"` returns `n s` rows and is exact for an odd kernel with an odd stride and for
      an even kernel with an even stride, e.g. `kernel_size=4` or `2` with `strides=2`; it is not
      equivariant for `kernel_size=3` with `strides=2`;
    - `output_padding` cuts off fewer rows, at the end first.

    Args:
        filters: int, number of output fields. The output has `filters * |G|` channels.
        kernel_size: int or pair of ints, even or odd; square if the group has quarter turns.
        group: str or `keras_gcnn.groups.Group`, as for `GConv2D`.
        strides: int or pair of ints, the factor by which the maps are enlarged.
        padding: `"valid"` or `"same"`, see above.
        output_padding: int or pair of ints below `strides`, or None (default). As in Keras, the
            output has `(n - 1) s + k + output_padding` rows with `"valid"` and
            `(n - 1) s + k % 2 + output_padding` with `"same"`.
        **kwargs: the other arguments of `GConv2D`. As there, the fans of the initializers count all
            inputs of the kernel, although only one in `strides[0] * strides[1]` of them reaches
            a given pixel of the output.

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
        kernel_size: Size2D,
        group: GroupLike = "p4",
        *,
        output_padding: Size2D | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(filters, kernel_size, group, output_padding=output_padding, **kwargs)
