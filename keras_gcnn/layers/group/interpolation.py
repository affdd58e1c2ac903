"""Rotation of images between the quarter turns: every pixel is a weighted sum of sixteen others."""

from __future__ import annotations

from functools import lru_cache

import keras
import numpy as np
from keras import ops

from keras_gcnn.backend.constants import constant, outside_graphs
from keras_gcnn.backend.ops import widened
from keras_gcnn.types import Tensor

_TAPS = (-1, 0, 1, 2)  # the rows, and columns, around a position that count for its value


def turn(images: Tensor, angle: float, rows: int) -> Tensor:
    """Rotates square images about their centre, counter-clockwise, by cubic interpolation.

    Positions outside the image have the value of the nearest pixel of its border. The type stays;
    integers are rounded, and cut off at the limits of their type. Of booleans the nearer is taken.

    Args:
        images: images of any type of number, whose rows and columns are known.
        angle: radians.
        rows: axis of the rows; the columns follow.

    References:
        Keys 1981, "Cubic convolution interpolation for digital image processing", equation 15.
    """
    if not angle:
        return images
    dtype, shape = keras.backend.standardize_dtype(images.dtype), tuple(images.shape)
    values = widened(images) if "float" in dtype else ops.cast(images, "float32")
    side, others = shape[rows], [axis for axis in range(len(shape)) if axis not in (rows, rows + 1)]
    # A look-up in a table of rows is the only gather that every backend can export.
    order = (rows, rows + 1, *others)
    table = ops.reshape(ops.transpose(values, order), (side * side, -1))
    sources, weights = _sources_and_weights(
        side, angle, keras.backend.standardize_dtype(values.dtype)
    )
    turned = None
    for source, weight in zip(sources, weights, strict=True):
        part = ops.multiply(ops.take(table, constant(source), axis=0), constant(weight))
        turned = part if turned is None else ops.add(turned, part)
    turned = ops.reshape(turned, (side, side, -1, *(shape[axis] for axis in others[1:])))
    turned = ops.transpose(turned, [order.index(axis) for axis in range(len(order))])
    if dtype == "bool":
        return ops.greater(turned, 0.5)
    if "int" in dtype:
        limits = np.iinfo(dtype)
        turned = ops.clip(ops.round(turned), limits.min, limits.max)
    return ops.cast(turned, dtype)


@outside_graphs
def _sources_and_weights(
    side: int, angle: float, dtype: str
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Returns which pixels every pixel of a rotated image is made of, and with which weights.

    Pixels are numbered row by row. Each of the sixteen arrays of sources has the shape `(side *
    side,)`, and each of the weights `(side * side, 1)`.
    """
    sources, weights = _computed_once(side, angle)
    return [*sources], [*weights.astype(dtype)[..., None]]


@lru_cache(maxsize=32)
def _computed_once(side: int, angle: float) -> tuple[np.ndarray, np.ndarray]:
    centre = (side - 1) / 2
    row, column = np.mgrid[:side, :side].reshape(2, -1) - centre
    cos, sin = np.cos(angle), np.sin(angle)
    rows, row_weights = _taps(cos * row + sin * column + centre, side)
    columns, column_weights = _taps(cos * column - sin * row + centre, side)
    sources = (rows[:, None] * side + columns).reshape(len(_TAPS) ** 2, -1)
    weights = (row_weights[:, None] * column_weights).reshape(len(_TAPS) ** 2, -1)
    return sources.astype("int32"), weights


def _taps(positions: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the four pixels around positions along one axis, and their weights."""
    taps = np.floor(positions) + np.array(_TAPS)[:, None]
    distances = np.abs(positions - taps)
    near = (1.5 * distances - 2.5) * distances**2 + 1
    far = ((2.5 - 0.5 * distances) * distances - 4) * distances + 2
    return np.clip(taps, 0, side - 1).astype(int), np.where(distances < 1, near, far)
