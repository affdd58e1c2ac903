"""Rejection sampling of the cosine to the mean direction, without a loop."""

from __future__ import annotations

import math
from typing import NamedTuple

import keras
from keras import ops

# At the lowest acceptance, 0.6577 (m = 2, high concentration), none of 26 is accepted with a
# probability of 1e-12.
PROPOSALS = 26


class Cosine(NamedTuple):
    """A cosine with what would cancel if it were computed from it."""

    value: object
    rest: object  # 1 - cosine
    sine: object


def sample_cosine(kappa, dim: int, shape: tuple, seed) -> Cosine:
    """Draws cosines w with density `(1 - w^2)^((m-3)/2) exp(k w)`.

    Proposals are the first coordinate x of uniform points, carried by the conformal map
    `w = (x + x0) / (1 + x0 x)`; the first accepted one is taken. It is the method of Wood 1994
    with other proposals, in a form that cancels nowhere.

    Args:
        kappa: tensor that broadcasts to `shape`, from 0.
        dim: int from 2, m.
        shape: of what is drawn.
        seed: as of `keras.random.uniform`.

    Returns:
        `Cosine`, of tensors of that shape; passes on no gradient.

    References:
        Ulrich 1984; Wood 1994, "Simulation of the von Mises Fisher distribution".
    """
    kappa = ops.stop_gradient(kappa)
    rank = dim - 1
    root = ops.sqrt(4 * kappa * kappa + rank * rank)
    centre = 2 * kappa / (root + rank)  # x0
    rest_of_centre = rank * (1 + rank / (root + 2 * kappa)) / (root + rank)  # 1 - x0
    rim, length, half, threshold = _propose(dim, (*shape, PROPOSALS), kappa.dtype, seed)
    other = rim + length * (2 - 2 * half)
    scale = rest_of_centre[..., None] + centre[..., None] * other  # 1 + x0 x
    accepted = threshold <= rank * (1 - 1 / scale - ops.log(scale))
    first = ops.argmax(ops.cast(accepted, "int32"), axis=-1, keepdims=True)
    rim, length, half, scale = (
        ops.squeeze(ops.take_along_axis(one, first, axis=-1), -1)
        for one in (rim, length, half, scale)
    )
    rest, other = (rim + length * part for part in (2 * half, 2 - 2 * half))
    rest = rest_of_centre * rest / scale
    sine = ops.sqrt(rest * (1 + centre) * other / scale)
    return Cosine(1 - rest, rest, sine)


def _propose(dim: int, shape: tuple, dtype: str, seed):
    """First coordinates x of uniform points, and logarithms of uniform numbers.

    Returns:
        `rim`, `length`, `half` with `1 - x = rim + 2 length half` and
        `1 + x = rim + 2 length (1 - half)`, and the logarithms.
    """
    uniform = keras.random.uniform((3, *shape), dtype=dtype, seed=seed)
    angle, radius, height = ops.unstack(uniform, axis=0)
    half = ops.square(ops.sin(math.pi / 2 * angle))
    if dim == 2:
        length = ops.ones_like(half)
        return ops.zeros_like(half), length, half, ops.log(height)
    outside = radius ** (2 / (dim - 2))  # x = sqrt(1 - outside) cos
    length = ops.sqrt(1 - outside)
    return outside / (1 + length), length, half, ops.log(height)
