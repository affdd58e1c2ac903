"""Unit vectors, with a gradient that stays bounded where a vector has almost no direction.

The derivative of `v / |v|` grows like `1 / |v|`, so that a single image without a direction, such
as a blank or a symmetric one, would ruin a training. Here the values are those of `v / |v|` at any
length, and for vectors longer than `SHORTEST` all derivatives are too. For shorter vectors the
derivative is the true one times `|v|^2 / SHORTEST^2`: it still points the right way, is at most
`1 / SHORTEST`, and vanishes together with the vector.
"""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from keras_gcnn.backend.constants import constant
from keras_gcnn.backend.ops import maximum
from keras_gcnn.types import Tensor

# Vectors that a network computes from images have lengths from 0.01 to 10; where the direction
# cancels, rounding leaves 1e-6.
SHORTEST = 1e-3


def unit(vectors: Tensor) -> Tensor:
    """Vectors scaled to length one.

    A vector of zeros has no direction and becomes the first axis, `(1, 0, ..., 0)`, which has no
    gradient.

    Args:
        vectors: tensor of shape `(..., m)`; float32 or float64, since half precision cannot hold
            the squares.

    Returns:
        Tensor of the same shape.
    """
    fixed = ops.stop_gradient(vectors)
    direction, slope = with_slope(fixed)
    # For longer vectors this is `slope * vectors`, whose direction has the derivatives of
    # `v / |v|`, second ones too, although the slope counts as a constant.
    scaled = direction + slope * (vectors - fixed)
    # Not `rsqrt`, which TensorFlow approximates on some processors: that of 1 is less than 1.
    return scaled / ops.sqrt(ops.sum(ops.square(scaled), -1, keepdims=True))


def unit_or_zero(vectors: Tensor) -> Tensor:
    """Vectors scaled to length one by `unit`, except that a vector of zeros stays zero."""
    zero = _is_zero(_largest(ops.stop_gradient(vectors)))
    return ops.where(zero, ops.zeros_like(vectors), unit(vectors))


def with_slope(vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Directions of vectors that have no gradient, and how fast they move with the vectors.

    Args:
        vectors: tensor of shape `(..., m)`.

    Returns:
        Unit vectors of the same shape, and factors of shape `(..., 1)`: a small change d
        perpendicular to a vector moves its direction by the factor times d.
    """
    largest = _largest(vectors)
    zero = _is_zero(largest)
    axis = ops.cast(constant(np.eye(1, vectors.shape[-1])[0]), vectors.dtype)
    # Divided by their largest coordinate, vectors have squares that neither overflow nor vanish.
    scaled = ops.where(zero, axis, vectors / ops.where(zero, ops.ones_like(largest), largest))
    root = ops.sqrt(ops.sum(ops.square(scaled), -1, keepdims=True))
    length = root * largest
    slope = ops.clip(length / SHORTEST, 0.0, 1.0) / ops.clip(length, SHORTEST, np.inf)
    return scaled / root, slope


def _largest(vectors: Tensor) -> Tensor:
    return maximum(ops.abs(vectors), -1, keepdims=True)


def _is_zero(largest: Tensor) -> Tensor:
    """Whether a vector has no direction, from its largest coordinate."""
    return largest < smallest(largest)


def smallest(tensor: Tensor) -> float:
    """The smallest number that a tensor's dtype holds in full precision."""
    return float(np.finfo(keras.backend.standardize_dtype(tensor.dtype)).tiny)
