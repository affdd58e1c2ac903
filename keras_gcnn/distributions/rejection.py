"""Rejection sampling of the cosine to the mean direction, without a loop."""

from __future__ import annotations

import math
from typing import NamedTuple

import keras
from keras import ops

# At the lowest acceptance, 0.6577 (m = 2, high concentration), none of 26 is accepted with a
# probability of 1e-12.
PROPOSALS = 26
# So many are drawn for every sample, and the others for the few that they leave over.
FIRST = 4


class Cosine(NamedTuple):
    """A cosine with what would cancel if it were computed from it."""

    value: object
    rest: object  # 1 - cosine
    sine: object


def sample_cosine(kappa, dim: int, shape: tuple, seeds) -> Cosine:
    """Draws cosines w with density `(1 - w^2)^((m-3)/2) exp(k w)`.

    Proposals are the first coordinate x of uniform points, carried by the conformal map
    `w = (x + x0) / (1 + x0 x)`; the first accepted one is taken. It is the method of Wood 1994
    with other proposals, in a form that cancels nowhere.

    Args:
        kappa: tensor that broadcasts to `shape`, from 0.
        dim: int from 2, m.
        shape: of what is drawn.
        seeds: two, as of `keras.random.uniform`.

    Returns:
        `Cosine`, of tensors of that shape; passes on no gradient.

    References:
        Ulrich 1984; Wood 1994, "Simulation of the von Mises Fisher distribution".
    """
    kappa = ops.stop_gradient(kappa)
    rank = dim - 1
    root = ops.sqrt(4 * kappa * kappa + rank * rank)
    tilt = ops.stack(
        [
            2 * kappa / (root + rank),  # x0
            rank * (1 + rank / (root + 2 * kappa)) / (root + rank),  # 1 - x0
        ],
        axis=-1,
    )
    tilt = ops.reshape(ops.broadcast_to(tilt, (*shape, 2)), (-1, 2))
    drawn, found = _draw(tilt, dim, FIRST, seeds[0])
    left = ops.top_k(1 - ops.cast(found, "float32"), k=second_draws(ops.shape(tilt)[0]))[1]
    again, _ = _draw(ops.take(tilt, left, axis=0), dim, PROPOSALS - FIRST, seeds[1])
    kept = ops.take(found, left, axis=0)[:, None]  # the table is larger than what is left over
    again = ops.where(kept, ops.take(drawn, left, axis=0), again)
    drawn = ops.scatter_update(drawn, left[:, None], again)
    rest, sine = (ops.reshape(one, shape) for one in ops.unstack(drawn, axis=-1))
    return Cosine(1 - rest, rest, sine)


def second_draws(number):
    """How many of that many samples may be left over by the first draw.

    At most 0.3423^4 = 1.4 % are expected to be; that they are more than this many has, for any
    number of samples, a probability below 1e-12, with which the others keep a rejected proposal.
    """
    most = number // 32 + 24
    if isinstance(number, int):
        return min(number, most)
    return ops.minimum(number, most)


def _draw(tilt, dim: int, proposals: int, seed):
    """The first accepted of several proposals.

    Args:
        tilt: x0 and 1 - x0, of shape `(samples, 2)`.
        dim: int from 2, m.
        proposals: int, for each sample.
        seed: as of `keras.random.uniform`.

    Returns:
        1 - w and `sqrt(1 - w^2)`, of shape `(samples, 2)`, and whether a proposal was accepted,
        of shape `(samples,)`: a concentration that is NaN accepts all.
    """
    centre, rest_of_centre = tilt[:, :1], tilt[:, 1:]
    shape = (ops.shape(tilt)[0], proposals)
    rim, length, half, threshold = _propose(dim, shape, tilt.dtype, seed)
    other = rim + length * (2 - 2 * half)
    scale = rest_of_centre + centre * other  # 1 + x0 x
    rejected = threshold > (dim - 1) * (1 - 1 / scale - ops.log(scale))
    first = ops.argmin(ops.cast(rejected, "int32"), axis=-1, keepdims=True)
    rim, length, half, scale = (
        ops.take_along_axis(one, first, axis=-1) for one in (rim, length, half, scale)
    )
    rest, other = (rim + length * part for part in (2 * half, 2 - 2 * half))
    rest = rest_of_centre * rest / scale
    sine = ops.sqrt(rest * (1 + centre) * other / scale)
    return ops.concatenate([rest, sine], axis=-1), ops.logical_not(ops.all(rejected, axis=-1))


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
