"""Operations on maps whose sizes are unknown until they run.

They use only operations of `keras.ops` that need no sizes, so that every graph and every export
format can hold them. For known sizes there are faster ways to the same results.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import keras
import numpy as np
from keras import ops

from keras_gcnn.types import Tensor

# A stock pooling without padding, called with maps and a window, which is also the stride.
Pool = Callable[[Tensor, tuple[int, int]], Tensor]


def pool_exactly(
    maps: Tensor, strides: tuple[int, int], first_axis: int, pool: Pool, maximum: bool
) -> Tensor:
    """Pools with the exact window, of length `stride + n % stride` along an axis of size n.

    Args:
        maps: tensor of four axes.
        strides: along rows and columns.
        first_axis: int, the axis of the rows, before that of the columns.
        pool: function of maps and a window that returns maxima or means.
        maximum: bool, whether these are maxima.
    """
    for number, stride in enumerate(strides):
        if stride > 1:
            window = (stride, 1) if number == 0 else (1, stride)
            axis = first_axis + number
            join = _joined_maximum if maximum else _joined_mean
            maps = join(maps, stride, axis, partial(_pool_axis, pool, window))
    return maps


def _pool_axis(pool: Pool, window: tuple[int, int], maps: Tensor) -> Tensor:
    return pool(maps, window)


def _joined_maximum(
    maps: Tensor, stride: int, axis: int, pool: Callable[[Tensor], Tensor]
) -> Tensor:
    # An exact window is the union of two windows of the stride's length, one counted from the front
    # and one from the back.
    backwards = ops.flip(pool(ops.flip(maps, axis)), axis)
    forwards = pool(maps)
    if _dtype(maps) == "float64":  # `ops.maximum` rounds it to float32 on PyTorch
        return ops.where(forwards > backwards, forwards, backwards)
    return ops.maximum(forwards, backwards)


def _joined_mean(maps: Tensor, stride: int, axis: int, pool: Callable[[Tensor], Tensor]) -> Tensor:
    size = _length(maps, axis)
    remainder = size - stride * _length(maps, axis, stride - 1, stride)
    total = stride * pool(maps)
    backwards = ops.flip(maps, axis)
    for place in range(stride - 1):
        # A window from the back has `remainder` positions that the one from the front lacks.
        part = cut(backwards, axis, place, -(stride - 1 - place) or None, stride)
        part = ops.flip(part, axis)
        total = total + ops.where(remainder > place, part, ops.zeros_like(part))
    return total / ops.cast(stride + remainder, _dtype(maps))


def blur(
    maps: Tensor, stride: int, axis: int, filters: np.ndarray, reach: tuple[int, int]
) -> Tensor:
    """Averages with weights around every stride-th position, over positions inside of the map.

    Args:
        maps: tensor of four axes.
        stride: int.
        axis: int, of the positions.
        filters: array of shape `(stride, before + 1 + after)`: for each remainder of `size - 1`
            by the stride, the weights of the positions around `stride * i`.
        reach: numbers of positions before and after `stride * i`.
    """
    ones = _ones(maps, axis)
    remainder = _length(maps, axis) - 1 - stride * (_length(maps, axis, 0, stride) - 1)
    weights = [_selected(remainder, column) for column in filters.T]
    total = _correlate(maps, weights, stride, axis, reach)
    return total / ops.cast(_correlate(ones, weights, stride, axis, reach), _dtype(maps))


def _correlate(
    maps: Tensor, weights: list[Tensor], stride: int, axis: int, reach: tuple[int, int]
) -> Tensor:
    padding = [(0, 0)] * 4
    padding[axis] = reach
    padded, total = ops.pad(maps, padding), None
    for start, weight in enumerate(weights):
        part = cut(padded, axis, start, -(len(weights) - 1 - start) or None, stride)
        part = part * ops.cast(weight, _dtype(maps))
        total = part if total is None else total + part
    return total


def _selected(index: Tensor, values: np.ndarray) -> Tensor:
    """Returns the value at an index that is a tensor, in the precision of the index."""
    ones = ops.ones_like(index)
    selected = ones * float(values[0])
    for number, value in enumerate(values[1:], 1):
        selected = ops.where(ops.equal(index, number), ones * float(value), selected)
    return selected


def disc(maps: Tensor, first_axis: int, margin: float) -> Tensor:
    """Returns a mask, 1 in the largest disc of a map and 0 outside; the edge is `margin` wide."""
    squares, sizes = [], []
    for axis in (first_axis, first_axis + 1):
        ones = _ones(maps, axis)
        positions = ops.cast(ops.cumsum(ones, axis=axis), _dtype(ones))
        centred = (positions - ops.flip(positions, axis)) / 2.0
        squares.append(ops.square(centred))
        sizes.append(_length(maps, axis))
    # Not as a sum: `ops.add` of Keras 3.15 on TensorFlow could take it for a map plus its bias.
    distance = ops.sqrt(squares[0] - (-squares[1]))
    radius = ops.where(sizes[0] < sizes[1], sizes[0], sizes[1]) / 2.0
    return ops.clip((radius - distance) / margin + 0.5, 0.0, 1.0)


def _dtype(maps: Tensor) -> str:
    return keras.backend.standardize_dtype(maps.dtype)


def _ones(maps: Tensor, axis: int) -> Tensor:
    """Returns ones along one axis, at least in float32, in which positions are exact."""
    index = [slice(0, 1)] * 4
    index[axis] = slice(None)
    dtype = "float64" if _dtype(maps) == "float64" else "float32"
    return ops.ones_like(maps[tuple(index)], dtype=dtype)


def _length(maps: Tensor, axis: int, start: int = 0, step: int = 1) -> Tensor:
    """Returns the length of an axis, from `start` on in steps, as a tensor."""
    part = cut(_ones(maps, axis), axis, start, None, step)
    return ops.sum(part, axis=axis, keepdims=True)


def cut(
    maps: Tensor, axis: int, start: int | Tensor, stop: int | Tensor | None, step: int = 1
) -> Tensor:
    """Returns the places of an axis from `start` to before `stop`, in steps."""
    index = [slice(None)] * 4
    index[axis] = slice(start, stop, step)
    return maps[tuple(index)]
