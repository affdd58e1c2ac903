"""Rejection sampling of the angle to the mean direction, without a loop.

On small tensors most backends spend their time on the number of operations: there are few here.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from keras import ops

from keras_gcnn.backend import random
from keras_gcnn.backend.ops import minimum
from keras_gcnn.backend.sizes import is_symbol

# At the lowest acceptance, 0.6577 (m = 2, high concentration), none of 26 is accepted with a
# probability of 1e-12.
PROPOSALS = 26
# So many are drawn for every sample, and the others for the few that they leave over.
FIRST = 4
_NONE = 1e35  # in the place of a proposal, if none is accepted; above every proposal
_SMALLEST = 1e-30  # keeps a proposal opposite to the mean direction finite


class Angle(NamedTuple):
    """An angle, and what would cancel if it were computed from its cosine."""

    angle: object
    cosine: object
    sine: object
    rest: object  # 1 - cosine


class _Proposals(NamedTuple):
    """Angles p between points of the uniform distribution and an axis, and uniform numbers."""

    near: object  # cos^2(p / 2)
    far: object  # sin^2(p / 2)
    height: object  # logarithms of the uniform numbers


def sample_angle(kappa, dim: int, shape: tuple, seeds) -> Angle:
    """Draws angles t with density `sin(t)^(m-2) exp(k cos t)`.

    Proposals are the angles p of uniform points, carried to the mean direction by the conformal map
    `tan(t / 2)^2 = c tan(p / 2)^2`; the first accepted one is taken. It is the method of Wood 1994
    with other proposals, in a form that cancels nowhere.

    Args:
        kappa: tensor that broadcasts to `shape`, from 0.
        dim: int from 2, m.
        shape: of what is drawn.
        seeds: two, as of `keras.random.uniform`.

    Returns:
        `Angle`, of tensors of that shape; passes on no gradient.

    References:
        Ulrich 1984; Wood 1994, "Simulation of the von Mises Fisher distribution".
    """
    kappa = ops.stop_gradient(kappa)
    rank = dim - 1
    carried = rank / (2 * kappa + ops.sqrt(4 * kappa * kappa + rank * rank))  # c
    carried = ops.reshape(ops.broadcast_to(carried, shape), (-1,))
    number = ops.shape(carried)[0]
    if is_symbol(number):
        # JAX exports for any number of samples, of which it cannot choose a part.
        drawn = _draw(carried, dim, PROPOSALS, seeds[0])
    else:
        drawn = _draw(carried, dim, FIRST, seeds[0])
        most, left = ops.top_k(drawn, k=second_draws(number))
        again = _draw(ops.take(carried, left, axis=0), dim, PROPOSALS - FIRST, seeds[1])
        again = ops.where(most < _NONE, most, again)  # there is room for more than is left over
        drawn = ops.scatter_update(drawn, left[:, None], again)
    squared = ops.reshape(carried * drawn, shape)
    tangent, whole = ops.sqrt(squared), 1 + squared
    rest = 2 * squared / whole
    return Angle(2 * ops.arctan(tangent), 1 - rest, 2 * tangent / whole, rest)


def second_draws(number):
    """How many of that many samples may be left over by the first draw.

    At most 0.3423^4 = 1.4 % are expected to be; that they are more than this many has, for any
    number of samples, a probability below 1e-12, with which the others get the mean direction's
    opposite.
    """
    most = number // 32 + 24
    if isinstance(number, int):
        return min(number, most)
    return ops.minimum(number, most)


def _draw(carried, dim: int, proposals: int, seed):
    """`tan(p / 2)^2` of the first accepted of several proposals for each c, or `_NONE`."""
    drawn = _propose(dim, (proposals, ops.shape(carried)[0]), carried.dtype, seed)
    place = ops.arange(proposals, dtype=carried.dtype)[:, None]
    place = ops.where(_rejected(drawn, carried, dim), proposals, place)
    first = minimum(place, axis=0, highest=proposals)
    squared = drawn.far / (drawn.near + _SMALLEST)
    # A sum instead of an index: gathering takes longer.
    found = ops.sum(ops.where(place == first, squared, 0), axis=0)
    return ops.where(first < proposals, found, _NONE)


def _propose(dim: int, shape: tuple, dtype: str, seed) -> _Proposals:
    """Half of the angles come from two uniform numbers, by the first coordinate of the points.

    It is `sqrt(1 - u^(2/(m-2))) cos(pi v)`.
    """
    uniform = random.uniform((3, *shape), dtype, seed)
    turn, radius, height = ops.unstack(uniform, axis=0)
    half, height = ops.square(ops.sin(math.pi / 2 * turn)), ops.log(height)
    if dim == 2:
        return _Proposals(1 - half, half, height)
    outside = ops.exp(2 / (dim - 2) * ops.log(radius))  # sooner than a power
    length = ops.sqrt(1 - outside)
    rim = outside / (2 + 2 * length)  # (1 - length) / 2
    part = length * half
    return _Proposals(rim + (length - part), rim + part, height)


def _rejected(proposals: _Proposals, carried, dim: int):
    """Whether they are; where c is NaN none is, so that the sample is NaN."""
    scale = (1 + carried) / 2 / (proposals.near + carried * proposals.far)
    return proposals.height > (dim - 1) * (1 - scale + ops.log(scale))
