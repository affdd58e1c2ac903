"""Base of all convolutions: window, strides, weights and bias."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_gcnn import groups
from keras_gcnn.arguments import check_choice, check_pair
from keras_gcnn.backend.initial_weights import drawn_once
from keras_gcnn.backend.ops import convolve
from keras_gcnn.groups.borders import FROM_MAP, PADDINGS
from keras_gcnn.layers.common.base import as_numbers, fresh, known_channels
from keras_gcnn.layers.common.border import pad_from_map
from keras_gcnn.layers.common.size_dependent import SizeDependent
from keras_gcnn.types import Constraint, Initializer, Regularizer, Shape, Size2D, Tensor

# Settings of a weight in Keras, and the modules that read them.
_SETTINGS = {
    "initializer": keras.initializers,
    "regularizer": keras.regularizers,
    "constraint": keras.constraints,
}


class WindowConvolution(SizeDependent):
    """Base of the convolutions.

    A subclass names its weights, except the bias, in `parts`, creates all weights in
    `_build_weights` and expands them to the weights of a stock layer in `_expanded_kernel` and
    `_channel_bias`.
    """

    parts: tuple[str, ...]
    bias: keras.Variable | None

    def __init__(
        self,
        kernel_size: Size2D,
        *,
        strides: Size2D = 1,
        padding: str = "valid",
        dilation_rate: Size2D = 1,
        use_bias: bool = True,
        bias_initializer: Initializer = "zeros",
        bias_regularizer: Regularizer = None,
        activity_regularizer: Regularizer = None,
        bias_constraint: Constraint = None,
        equivariance: str = "warn",
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.kernel_size = check_pair("kernel_size", kernel_size)
        self.strides = check_pair("strides", strides)
        self.padding = check_choice(
            "padding", padding.lower() if isinstance(padding, str) else padding, PADDINGS
        )
        self.dilation_rate = check_pair("dilation_rate", dilation_rate)
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(
                f"strides={self.strides} and dilation_rate={self.dilation_rate} cannot both be "
                "larger than 1: no backend supports it. Set one of them to 1."
            )
        self.use_bias = use_bias
        self._drawn: set[str] = set()
        self._keep("bias", bias_initializer, bias_regularizer, bias_constraint)
        self.equivariance = check_choice("equivariance", equivariance, ("warn", "strict", "ignore"))
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def _keep(self, part: str, *settings: Any) -> None:
        """Stores initializer, regularizer and constraint of a weight as attributes."""
        for (name, module), setting in zip(_SETTINGS.items(), settings, strict=True):
            setattr(self, f"{part}_{name}", module.get(setting))

    def _add_part(
        self, part: str, shape: tuple[int, ...], name: str | None = None, **other: Any
    ) -> keras.Variable:
        """Creates the variable of a weight, with its stored settings except where given."""
        settings = {setting: getattr(self, f"{part}_{setting}") for setting in _SETTINGS}
        if part in self._drawn:  # an initializer returns the same numbers in every call
            settings["initializer"] = fresh(settings["initializer"])
        self._drawn.add(part)
        settings = {**settings, **other}
        settings["initializer"] = drawn_once(settings["initializer"])
        return self.add_weight(name=name or part, shape=shape, **settings)

    @property
    def symmetry(self) -> groups.Group:
        """The group under which the window has to be exact."""
        raise NotImplementedError

    def _channels(self, input_shape: Shape) -> tuple[int, int]:
        """Returns the channels of input and output; raises a `ValueError` for a wrong input."""
        raise NotImplementedError

    def _build_weights(self, input_shape: Shape) -> None:
        raise NotImplementedError

    def _expanded_kernel(self) -> Tensor:
        """Returns the kernel of the equivalent stock layer."""
        raise NotImplementedError

    def _channel_bias(self) -> Tensor:
        """Returns the bias of the equivalent stock layer."""
        raise NotImplementedError

    @property
    def extents(self) -> tuple[int, int]:
        """Rows and columns of the window, dilation included."""
        (rows, columns), (row_gap, column_gap) = self.kernel_size, self.dilation_rate
        return (rows - 1) * row_gap + 1, (columns - 1) * column_gap + 1

    def equivariance_problem(self, input_shape: Shape) -> tuple[str, str] | None:
        """Returns why the layer is not equivariant on this shape, and a fix; None if it is."""
        case = (
            self.symmetry,
            self.sizes(input_shape),
            self.kernel_size,
            self.strides,
            self.padding,
            self.dilation_rate,
        )
        problem = groups.window_problem(*case)
        if problem is None:
            return None
        fixes = []
        if max(self.strides) > 1:
            fixes.append(f"use strides=1 followed by {self._exact_pooling}")
        if self.padding != "valid" and any(size % 2 == 0 for size in self.kernel_size):
            fixes.append('use an odd kernel_size, or padding="valid"')
        fix = " and ".join(fixes) or "use the same value for rows and columns"
        if nearest := groups.nearest_exact_sizes(*case):
            fix = f"use inputs of {nearest}, or, for several times the work, {fix}"
        return problem, fix

    @property
    def _exact_pooling(self) -> str:
        return (
            f"GMaxPooling2D(strides={max(self.strides)}) or GAveragePooling2D, which are exact at "
            "every size"
        )

    def build(self, input_shape: Shape) -> None:
        channels = known_channels(self, input_shape, self.channel_axis)
        self._channels(input_shape)
        self.check_sizes(input_shape)
        self._build_weights(input_shape)
        self.input_spec = keras.layers.InputSpec(ndim=4, axes={self.channel_axis: channels})
        self.built = True

    def pad(self, maps: Tensor) -> Tensor:
        """Adds to the borders what `padding` takes from the map itself.

        Args:
            maps: tensor with the rows and columns of an input, symbolic or not.
        """
        if self.padding not in FROM_MAP:
            return maps
        return pad_from_map(maps, self.padding, self.extents, self.strides, self.channel_axis)

    @property
    def padding_left(self) -> str:
        """The padding that is left to a stock convolution after `pad`."""
        return "valid" if self.padding in FROM_MAP else self.padding

    @property
    def _window(self) -> tuple[tuple[int, int], str, str, tuple[int, int]]:
        """Strides, padding, data format and dilation of the convolution after `pad`."""
        return self.strides, self.padding_left, self.data_format, self.dilation_rate

    def _convolve(self, inputs: Tensor) -> Tensor:
        channels = self.map_in, self.map_out
        return convolve(self.pad(inputs), self._expanded_kernel(), *self._window, channels=channels)

    def call(self, inputs: Tensor) -> Tensor:
        self.check_call(inputs)
        outputs = self._convolve(as_numbers(inputs, self.compute_dtype))
        if self.bias is not None:
            shape = (1, 1, 1, -1) if self.channel_axis == -1 else (1, -1, 1, 1)
            outputs = outputs + ops.reshape(self._channel_bias(), shape)
        return outputs

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        self.check_fits(input_shape)
        return ops.conv(
            keras.KerasTensor(input_shape),
            keras.KerasTensor((*self.kernel_size, *self._channels(input_shape))),
            strides=self.strides,
            padding="valid" if self.padding == "valid" else "same",  # of all others
            data_format=self.data_format,
            dilation_rate=self.dilation_rate,
        ).shape

    def expanded_kernel(self) -> np.ndarray:
        """Returns the ordinary convolution kernel that the layer applies.

        Returns:
            Array of shape `(rows, columns, channels_in, channels_out)`, the kernel of a stock
            `keras.layers.Conv2D`.

        Raises:
            ValueError: if the layer is not built.
        """
        self._check_built()
        return ops.convert_to_numpy(self._expanded_kernel())

    def expanded_bias(self) -> np.ndarray | None:
        """Returns the bias of a stock layer, one number per channel; None without a bias.

        Raises:
            ValueError: if the layer is not built.
        """
        self._check_built()
        return None if self.bias is None else ops.convert_to_numpy(self._channel_bias())

    def _check_built(self) -> None:
        if not self.built:
            raise ValueError(
                f"{type(self).__name__} {self.name!r} has no kernel yet. Call it on an input "
                "first, or build(input_shape)."
            )

    def get_config(self) -> dict:
        settings = {
            f"{part}_{name}": module.serialize(getattr(self, f"{part}_{name}"))
            for part in (*self.parts, "bias")
            for name, module in _SETTINGS.items()
        }
        return {
            **super().get_config(),
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "dilation_rate": self.dilation_rate,
            "use_bias": self.use_bias,
            **settings,
            "activity_regularizer": keras.regularizers.serialize(self.activity_regularizer),
            "equivariance": self.equivariance,
        }
