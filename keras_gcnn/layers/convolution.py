"""Convolutions from the plane to a group, and on a group."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from keras_gcnn import groups
from keras_gcnn.layers.arguments import check_choice, check_count, check_pair
from keras_gcnn.layers.backend import constant, convolve
from keras_gcnn.layers.base import GroupLayer, SizeDependent, as_numbers


class GroupConvolution(SizeDependent, GroupLayer):
    """What `LiftingConv2D` and `GConv2D` have in common; use one of those."""

    lifting: bool

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
            group, data_format=data_format, activity_regularizer=activity_regularizer, **kwargs
        )
        self.filters = check_count("filters", filters)
        self.kernel_size = check_pair("kernel_size", kernel_size)
        self.strides = check_pair("strides", strides)
        self.padding = check_choice("padding", str(padding).lower(), ("valid", "same"))
        self.dilation_rate = check_pair("dilation_rate", dilation_rate)
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(
                f"strides={self.strides} and dilation_rate={self.dilation_rate} cannot both be "
                "larger than 1: no backend supports it. Set one of them to 1."
            )
        self.activation = keras.activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.bias_regularizer = keras.regularizers.get(bias_regularizer)
        self.kernel_constraint = keras.constraints.get(kernel_constraint)
        self.bias_constraint = keras.constraints.get(bias_constraint)
        self.equivariance = check_choice("equivariance", equivariance, ("warn", "strict", "ignore"))
        # Asked for here already, so that a kernel that is not square is refused at once.
        index = groups.expansion_index(self.group, self.kernel_size, self.lifting)
        self._index = index.reshape(-1).copy()  # torch takes no view of a read-only array
        self.input_spec = keras.layers.InputSpec(ndim=4)

    @property
    def input_orders(self) -> int:
        """Orientations of the input, `|G_in|`: 1 for a plane."""
        return 1 if self.lifting else self.group.order

    def _input_fields(self, input_shape) -> int:
        return input_shape[self.channel_axis] if self.lifting else self.fields(input_shape)

    @property
    def smallest_sizes(self) -> tuple[int, int]:
        """Rows and columns of the window, dilation included."""
        pairs = zip(self.kernel_size, self.dilation_rate, strict=True)
        return tuple((size - 1) * dilation + 1 for size, dilation in pairs)

    def equivariance_problem(self, input_shape: tuple[int | None, ...]) -> tuple[str, str] | None:
        """Why the layer would not be equivariant on this shape, and the fix; None if it is."""
        problem = groups.window_problem(
            self.group,
            self.sizes(input_shape),
            self.kernel_size,
            self.strides,
            self.padding,
            self.dilation_rate,
        )
        if problem is None:
            return None
        fixes = []
        if max(self.strides) > 1:
            fixes.append(
                f"use strides=1 followed by GMaxPooling2D(strides={max(self.strides)}) or "
                "GAveragePooling2D, which are exact at every size"
            )
        if self.padding == "same" and any(size % 2 == 0 for size in self.kernel_size):
            fixes.append('use an odd kernel_size, or padding="valid"')
        return problem, " and ".join(fixes) or "use the same value for rows and columns"

    def build(self, input_shape):
        fields = self._input_fields(input_shape)
        if fields is None:
            raise ValueError(
                f"{type(self).__name__} {self.name!r} needs a known number of channels; the input "
                f"has shape {tuple(input_shape)}. State it, e.g. keras.Input((28, 28, 1))."
            )
        self.check_sizes(input_shape)
        # In this order Keras's initialisers find the right fans, and per-filter constraints
        # work with the axes one would name for them.
        self.kernel = self.add_weight(
            name="kernel",
            shape=(self.input_orders, *self.kernel_size, fields, self.filters),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=(self.filters,),
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )
        self.input_spec = keras.layers.InputSpec(
            ndim=4, axes={self.channel_axis: input_shape[self.channel_axis]}
        )
        self.built = True

    def _expand(self, kernel):
        """Lays out the base kernel as an ordinary convolution kernel, differentiably."""
        orders, rows, columns, fields, filters = kernel.shape
        # A look-up in a table of rows is the one gather that every backend also exports.
        table = ops.reshape(kernel, (orders * rows * columns, fields * filters))
        taken = ops.take(table, constant(self._index), axis=0)
        taken = ops.reshape(taken, (rows, columns, orders, self.group.order, fields, filters))
        taken = ops.transpose(taken, (0, 1, 4, 2, 5, 3))  # u, v, c_in, h, c_out, g
        return ops.reshape(taken, (rows, columns, fields * orders, filters * self.group.order))

    def call(self, inputs):
        self.check_sizes(inputs.shape)
        outputs = convolve(
            as_numbers(inputs, self.compute_dtype),
            self._expand(self.kernel),
            self.strides,
            self.padding,
            self.data_format,
            self.dilation_rate,
        )
        if self.use_bias:
            bias = ops.repeat(self.bias, self.group.order)
            shape = (1, 1, 1, -1) if self.channel_axis == -1 else (1, -1, 1, 1)
            outputs = outputs + ops.reshape(bias, shape)
        return outputs if self.activation is None else self.activation(outputs)

    def compute_output_shape(self, input_shape):
        self.check_fits(input_shape)
        channels = self._input_fields(input_shape) * self.input_orders
        kernel = (*self.kernel_size, channels, self.filters * self.group.order)
        return ops.conv(
            keras.KerasTensor(input_shape),
            keras.KerasTensor(kernel),
            strides=self.strides,
            padding=self.padding,
            data_format=self.data_format,
            dilation_rate=self.dilation_rate,
        ).shape

    def base_kernel(self) -> np.ndarray:
        """The trained filters, as an array of shape `(c_out, c_in, |G_in|, rows, columns)`."""
        return ops.convert_to_numpy(self.kernel).transpose(4, 3, 0, 1, 2)

    def expanded_kernel(self) -> np.ndarray:
        """The ordinary convolution kernel that the layer applies.

        Returns:
            Array of shape `(rows, columns, c_in * |G_in|, c_out * |G|)`, what a stock
            `keras.layers.Conv2D` would hold.
        """
        return ops.convert_to_numpy(self._expand(ops.convert_to_tensor(self.kernel)))

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "dilation_rate": self.dilation_rate,
            "activation": keras.activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": keras.regularizers.serialize(self.bias_regularizer),
            "activity_regularizer": keras.regularizers.serialize(self.activity_regularizer),
            "kernel_constraint": keras.constraints.serialize(self.kernel_constraint),
            "bias_constraint": keras.constraints.serialize(self.bias_constraint),
            "equivariance": self.equivariance,
        }


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
class LiftingConv2D(GroupConvolution):
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
class GConv2D(GroupConvolution):
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
    lifting = False
