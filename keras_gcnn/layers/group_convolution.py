"""What every convolution on a group shares, whatever its kernel is made of."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from keras_gcnn import groups
from keras_gcnn.layers.arguments import check_choice, check_count, check_pair
from keras_gcnn.layers.backend import constant, convolve
from keras_gcnn.layers.base import GroupLayer, SizeDependent, as_numbers

# What Keras lets one say about a weight, and the module that reads it.
_SETTINGS = {
    "initializer": keras.initializers,
    "regularizer": keras.regularizers,
    "constraint": keras.constraints,
}


def table_index(
    group: groups.Group, kernel_size: tuple[int, int], lifting: bool = False
) -> np.ndarray:
    """`groups.expansion_index` as the flat list of rows that `expand` looks up."""
    index = groups.expansion_index(group, kernel_size, lifting)
    return index.reshape(-1).copy()  # torch takes no view of a read-only array


def expand(kernel, index: np.ndarray, group: groups.Group):
    """Lays out a base kernel as an ordinary convolution kernel, differentiably.

    Args:
        kernel: base kernel of shape `(|G_in|, rows, columns, c_in, c_out)`.
        index: `table_index` of the group for this kernel.
        group: `Group`.

    Returns:
        Tensor of shape `(rows, columns, c_in * |G_in|, c_out * |G|)`.
    """
    orders, rows, columns, fields, filters = kernel.shape
    # A look-up in a table of rows is the one gather that every backend also exports.
    table = ops.reshape(kernel, (orders * rows * columns, fields * filters))
    taken = ops.take(table, constant(index), axis=0)
    taken = ops.reshape(taken, (rows, columns, orders, group.order, fields, filters))
    taken = ops.transpose(taken, (0, 1, 4, 2, 5, 3))  # u, v, c_in, h, c_out, g
    return ops.reshape(taken, (rows, columns, fields * orders, filters * group.order))


class GroupConvolution(SizeDependent, GroupLayer):
    """Base of the convolutions.

    A subclass says in `parts` which weights it has, keeps their settings with `_keep`, makes them
    in `_build_kernel`, and puts them together in `_base_kernel`.
    """

    lifting = False
    parts: tuple[str, ...]

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
        bias_initializer="zeros",
        bias_regularizer=None,
        activity_regularizer=None,
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
        self._keep("bias", bias_initializer, bias_regularizer, bias_constraint)
        self.equivariance = check_choice("equivariance", equivariance, ("warn", "strict", "ignore"))
        # Asked for here already, so that a kernel that is not square is refused at once.
        self._index = table_index(self.group, self.kernel_size, self.lifting)
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def _keep(self, part: str, *settings) -> None:
        """Keeps initializer, regularizer and constraint of a part, as attributes of their names."""
        for (name, module), setting in zip(_SETTINGS.items(), settings, strict=True):
            setattr(self, f"{part}_{name}", module.get(setting))

    def _add_part(self, part: str, shape: tuple[int, ...], name: str | None = None):
        """The variable of a part, with the settings that were kept for it."""
        settings = {setting: getattr(self, f"{part}_{setting}") for setting in _SETTINGS}
        return self.add_weight(name=name or part, shape=shape, **settings)

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
        self._build_kernel(fields)
        self.bias = self._add_part("bias", (self.filters,)) if self.use_bias else None
        self.input_spec = keras.layers.InputSpec(
            ndim=4, axes={self.channel_axis: input_shape[self.channel_axis]}
        )
        self.built = True

    def _build_kernel(self, fields: int) -> None:
        """Makes the weights but for the bias, for that many input fields."""
        raise NotImplementedError

    def _base_kernel(self):
        """The base kernel, of shape `(|G_in|, rows, columns, c_in, c_out)`."""
        raise NotImplementedError

    def _expanded_kernel(self):
        """The kernel of a stock layer, as a tensor."""
        return expand(self._base_kernel(), self._index, self.group)

    def _convolve(self, inputs):
        return convolve(
            inputs,
            self._expanded_kernel(),
            self.strides,
            self.padding,
            self.data_format,
            self.dilation_rate,
        )

    def call(self, inputs):
        self.check_sizes(inputs.shape)
        outputs = self._convolve(as_numbers(inputs, self.compute_dtype))
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
        return ops.convert_to_numpy(self._base_kernel()).transpose(4, 3, 0, 1, 2)

    def expanded_kernel(self) -> np.ndarray:
        """The ordinary convolution kernel that the layer applies.

        Returns:
            Array of shape `(rows, columns, c_in * |G_in|, c_out * |G|)`, what a stock
            `keras.layers.Conv2D` would hold.
        """
        return ops.convert_to_numpy(self._expanded_kernel())

    def get_config(self) -> dict:
        settings = {
            f"{part}_{name}": module.serialize(getattr(self, f"{part}_{name}"))
            for part in (*self.parts, "bias")
            for name, module in _SETTINGS.items()
        }
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "dilation_rate": self.dilation_rate,
            "activation": keras.activations.serialize(self.activation),
            "use_bias": self.use_bias,
            **settings,
            "activity_regularizer": keras.regularizers.serialize(self.activity_regularizer),
            "equivariance": self.equivariance,
        }
