"""Layers that act on positions only: pooling with a blur, and a disc around the centre."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_gcnn.arguments import check_above_zero, check_count
from keras_gcnn.backend.constants import constant, outside_graphs
from keras_gcnn.backend.ops import product
from keras_gcnn.groups.fields import Fields
from keras_gcnn.layers.common import open_sizes
from keras_gcnn.layers.common.base import MapLayer, as_numbers
from keras_gcnn.layers.common.size_dependent import map_sizes
from keras_gcnn.layers.steerable.base import FieldsLike, KeepsFields, check_channels
from keras_gcnn.types import Shape, Tensor

_BLUR = 0.33  # pixels per stride: half of what a grid of that stride can show
_LARGEST_SIGMA = 1000  # pixels
_REACH = 3.1  # standard deviations beyond which a weight counts as zero


class _Positions(KeepsFields, MapLayer):
    """Base of the layers that treat all channels alike, whatever their fields are."""

    def __init__(self, fields: FieldsLike | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.fields = None if fields is None else Fields.of(fields)
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def build(self, input_shape: Shape) -> None:
        self._sizes(input_shape)
        self.built = True

    def _sizes(self, input_shape: Shape) -> tuple[int | None, int | None]:
        """Returns rows and columns, None where unknown; checks the channels."""
        if self.fields is not None:
            check_channels(self, self.fields, input_shape, self.channel_axis)
        return map_sizes(input_shape, self.channel_axis)

    @property
    def _first_axis(self) -> int:
        """The axis of the rows."""
        return 1 if self.channel_axis == -1 else 2

    def get_config(self) -> dict:
        fields = None if self.fields is None else self.fields.as_json()
        return {**super().get_config(), "fields": fields}


def blurring_window(size: int, stride: int, sigma: float) -> tuple[np.ndarray, int]:
    """Returns the Gaussian weights of a window along an axis, and where the first one begins.

    Args:
        size: int, number of positions.
        stride: int.
        sigma: float, of the Gaussian, in positions.

    Returns:
        Weights, the largest of which is 1, and the position of the first weight of the first
        window, which is negative if the window begins outside of the image. There are
        `ceil(size / stride)` windows. Their centres lie symmetrically, between two positions where
        necessary.
    """
    count = -(-size // stride)
    first_centre = (size - 1 - (count - 1) * stride) / 2
    reach = math.ceil(_REACH * sigma + 1)
    positions = np.arange(math.floor(first_centre) - reach, math.ceil(first_centre) + reach + 1)
    squares = ((positions - first_centre) / sigma) ** 2
    # Relative to the nearest position, so that some remain however narrow the Gaussian is.
    squares -= squares.min()
    near = squares <= _REACH**2
    return np.exp(-0.5 * squares[near]), int(positions[near][0])


@outside_graphs
def blurring_matrix(size: int, stride: int, sigma: float) -> np.ndarray:
    """Returns the matrix of Gaussian averages around equidistant centres.

    Args:
        size: int, number of positions.
        stride: int.
        sigma: float, of the Gaussian, in positions.

    Returns:
        Matrix of shape `(ceil(size / stride), size)` whose rows sum to one. Each row is a window
        of `blurring_window`, restricted to the image.
    """
    windows = windows_inside(size, stride, sigma)
    return windows / windows.sum(axis=1, keepdims=True)


def windows_inside(size: int, stride: int, sigma: float) -> np.ndarray:
    """Returns the weights of `blurring_window` inside the image, a row for every window.

    Args:
        size: int, number of positions.
        stride: int.
        sigma: float, of the Gaussian, in positions.
    """
    weights, start = blurring_window(size, stride, sigma)
    matrix = np.zeros((-(-size // stride), size))
    for row in range(len(matrix)):
        positions = np.arange(len(weights)) + start + row * stride
        inside = (positions >= 0) & (positions < size)
        matrix[row, positions[inside]] = weights[inside]
    return matrix


def blurring_filters(stride: int, sigma: float) -> tuple[np.ndarray, tuple[int, int]]:
    """Returns the weights of `blurring_window` for every remainder of `size - 1` by the stride.

    Args:
        stride: int.
        sigma: float, of the Gaussian, in positions.

    Returns:
        Weights of shape `(stride, before + 1 + after)` around every stride-th position, and how
        many positions lie before and after it.
    """
    windows = [blurring_window(size, stride, sigma) for size in range(1, stride + 1)]
    before = max(0, *(-start for _, start in windows))
    after = max(0, *(start + len(weights) - 1 for weights, start in windows))
    filters = np.zeros((stride, before + 1 + after))
    for row, (weights, start) in zip(filters, windows, strict=True):
        row[before + start : before + start + len(weights)] = weights
    return filters, (before, after)


@outside_graphs
def disc(rows: int, columns: int, margin: float) -> np.ndarray:
    """Returns a mask of shape `(rows, columns)`: 1 in the largest disc and 0 outside.

    Args:
        rows: int, number of rows.
        columns: int, number of columns.
        margin: float, width of the edge in pixels.
    """
    y, x = (np.arange(size) - (size - 1) / 2 for size in (rows, columns))
    distance = np.hypot(y[:, None], x)
    return np.clip((min(rows, columns) / 2 - distance) / margin + 0.5, 0, 1)


@keras.saving.register_keras_serializable(package="keras_gcnn")
class SteerableAveragePooling2D(_Positions):
    """Blurs with a Gaussian and keeps every second position, symmetrically at even and odd sizes.

    The blur removes details that the smaller grid cannot show, which would otherwise appear at
    wrong angles. Quarter turns are exact at every size. At the border, averages are over positions
    inside of the map.

    Args:
        fields: `Fields` of the input, to check its channels, or None.
        strides: int, the factor by which maps shrink.
        sigma: float, of the Gaussian, in pixels of the input; default 0.33 times `strides`.
        **kwargs: arguments of `keras.Layer`, and `data_format`.

    Input shape:
        `(batch, rows, columns, channels)`, or channels first.

    Output shape:
        `(batch, ceil(rows / strides), ceil(columns / strides), channels)`.

    Raises:
        ValueError: if the channels do not match the fields, or `sigma` is above 1000.

    Example:

    >>> import numpy as np
    >>> from keras_gcnn.layers import SteerableAveragePooling2D
    >>> SteerableAveragePooling2D()(np.zeros((1, 29, 29, 6))).shape[1]
    15

    References:
        Zhang 2019, "Making Convolutional Networks Shift-Invariant Again", section 3.
    """

    def __init__(
        self,
        fields: FieldsLike | None = None,
        strides: int = 2,
        *,
        sigma: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(fields, **kwargs)
        self.strides = check_count("strides", strides)
        sigma = _BLUR * self.strides if sigma is None else sigma
        self.sigma = check_above_zero("sigma", sigma, example=0.66)
        if self.sigma > _LARGEST_SIGMA:
            raise ValueError(
                f"strides={self.strides} with sigma={self.sigma:g} averages over more pixels than "
                f"images have. Use a sigma of at most {_LARGEST_SIGMA}, and a smaller stride: 2 "
                "halves the map."
            )

    def call(self, inputs: Tensor) -> Tensor:
        inputs, sizes = as_numbers(inputs, self.compute_dtype), self._sizes(inputs.shape)
        if None in sizes:
            return self.blur_open_size(inputs)
        rows, columns = (self._matrix(size, inputs) for size in sizes if size is not None)
        if self.channel_axis == 1:
            return product(product(rows, inputs), ops.transpose(columns))
        _, height, width, channels = inputs.shape
        maps = ops.reshape(inputs, (-1, height, width * channels))
        maps = ops.reshape(product(rows, maps), (-1, rows.shape[0], width, channels))
        return product(columns, maps)

    def blur_open_size(self, inputs: Tensor) -> Tensor:
        """Computes what `call` does for a map of unknown size, which may be symbolic."""
        for axis in (self._first_axis, self._first_axis + 1):
            filters, reach = blurring_filters(self.strides, self.sigma)
            inputs = open_sizes.blur(inputs, self.strides, axis, filters, reach)
        return inputs

    def _matrix(self, size: int, inputs: Tensor) -> Tensor:
        return ops.cast(constant(blurring_matrix(size, self.strides, self.sigma)), inputs.dtype)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        sizes = [
            None if size is None else -(-size // self.strides) for size in self._sizes(input_shape)
        ]
        if self.channel_axis == -1:
            return (input_shape[0], *sizes, input_shape[3])
        return (input_shape[0], input_shape[1], *sizes)

    def get_config(self) -> dict:
        return {**super().get_config(), "strides": self.strides, "sigma": self.sigma}


@keras.saving.register_keras_serializable(package="keras_gcnn")
class DiscMask(_Positions):
    """Sets positions outside of the largest disc around the centre to zero.

    When the image is rotated, its corners leave it and other content comes in, so that no network
    can be equivariant there. The edge is soft: it falls from 1 to 0 over `margin` pixels.

    Args:
        fields: `Fields` of the input, to check its channels, or None.
        margin: float above 0, width of the edge in pixels.
        **kwargs: arguments of `keras.Layer`, and `data_format`.

    Input shape:
        `(batch, rows, columns, channels)`, or channels first.

    Output shape:
        Same as the input.

    Raises:
        ValueError: if the channels do not match the fields.

    Example:

    >>> import numpy as np
    >>> from keras_gcnn.layers import DiscMask
    >>> [round(float(value), 2) for value in DiscMask()(np.ones((1, 9, 9, 1)))[0, 0, :5, 0]]
    [0.0, 0.0, 0.53, 0.88, 1.0]
    """

    def __init__(
        self, fields: FieldsLike | None = None, *, margin: float = 1.0, **kwargs: Any
    ) -> None:
        super().__init__(fields, **kwargs)
        self.margin = check_above_zero("margin", margin, example=1.0)

    def call(self, inputs: Tensor) -> Tensor:
        inputs, sizes = as_numbers(inputs, self.compute_dtype), self._sizes(inputs.shape)
        if None in sizes:
            return self.mask_open_size(inputs)
        mask = disc(*sizes, self.margin)
        mask = mask[:, :, None] if self.channel_axis == -1 else mask
        masked = inputs * ops.cast(constant(mask), inputs.dtype)
        # Replaces NaN outside of the disc too.
        return ops.where(constant(mask > 0), masked, 0)

    def mask_open_size(self, inputs: Tensor) -> Tensor:
        """Computes what `call` does for a map of unknown size, which may be symbolic."""
        mask = open_sizes.disc(inputs, self._first_axis, self.margin)
        masked = inputs * ops.cast(mask, inputs.dtype)
        return ops.where(mask > 0, masked, ops.zeros_like(masked))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        self._sizes(input_shape)
        return tuple(input_shape)

    def get_config(self) -> dict:
        return {**super().get_config(), "margin": self.margin}
