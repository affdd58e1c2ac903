"""Convolutions from the plane to a group, and on a group."""

from __future__ import annotations

import keras
from keras import ops

from keras_gcnn import groups
from keras_gcnn.layers.group.base_convolution import GroupConvolution


class FullConvolution(GroupConvolution):
    """A convolution whose base kernel is one weight; use one of its subclasses."""

    parts = ("kernel",)

    def __init__(
        self,
        filters: int,
        kernel_size: int | tuple[int, int],
        group: str | groups.Group = "p4",
        *,
        strides: int | tuple[int, int] = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: int | tuple[int, int] = 1,
        activation=None,
        use_bias: bool = True,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        kernel_regularizer=None,
        bias_regularizer=None,
        activity_regularizer=None,
        kernel_constraint=None,
        bias_constraint=None,
        equivariance: str = "warn",
        **kwargs,
    ):
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

    def _build_kernel(self, fields: int) -> None:
        # In this order Keras's initialisers find the right fans, and per-filter constraints
        # work with the axes one would name for them.
        shape = (self.input_orders, *self.kernel_size, fields, self.filters)
        self.kernel = self._add_part("kernel", shape)

    def _base_kernel(self):
        return ops.convert_to_tensor(self.kernel)


_ARGUMENTS = """
    Args:
        filters: int, number of output fields. The output has `filters * |G|` channels.
        kernel_size: int or pair of ints, even or odd; square if the group has quarter turns.
        group: str or `keras_gcnn.groups.Group`: `"z2"` (an ordinary convolution), `"p4"`, `"p4m"`,
            or another of `keras_gcnn.groups.names()`.
        strides: int or pair of ints.
        padding: `"valid"` or `"same"`.
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's configuration.
        dilation_rate: int or pair of ints.
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
class LiftingConv2D(FullConvolution):
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
class GConv2D(FullConvolution):
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
