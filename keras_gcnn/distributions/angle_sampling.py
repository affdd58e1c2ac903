"""Rejection sampling of the angle to the mean direction, without a loop.

On small tensors the time depends on the number of operations on most backends, so this module uses
few of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from keras import ops

from keras_gcnn.backend import random
from keras_gcnn.backend.ops import minimum
from keras_gcnn.backend.sizes import is_symbol
from keras_gcnn.types import Seed, Tensor

# At the lowest acceptance, 0.6577 (m = 2, high concentration), none of 26 proposals is accepted
# with a probability of 1e-12.
PROPOSALS = 26
# First round: 4 proposals for every sample; the other 22 only for samples that are still without an
# accepted proposal.
FIRST = 4
_NONE = 1e35  # marks a sample without an accepted proposal; above every proposal
_SMALLEST = 1e-30  # keeps a proposal opposite to the mean direction finite


class Angle(NamedTuple):
    """An angle t, and functions of it that are computed without cancellation."""

    angle: Tensor  # t
    cosine: Tensor  # cos t
    sine: Tensor  # sin t
    complement: Tensor  # 1 - cos t


class _Proposals(NamedTuple):
    """Angles p between uniform points and an axis, and uniform numbers that decide about them."""

    near: Tensor  # cos^2(p / 2)
    far: Tensor  # sin^2(p / 2)
    height: Tensor  # logarithms of the uniform numbers


def sample_angle(kappa: Tensor, dim: int, shape: tuple, seeds: Sequence[Seed]) -> Angle:
    """Draws angles t with density `sin(t)^(m-2) exp(k cos t)`.

    Proposals are the angles p of uniform points, carried to the mean direction by the conformal map
    `tan(t / 2)^2 = c tan(p / 2)^2`; the first accepted one is taken. This is the method of Wood
    1994 with other proposals, in a form in which nothing cancels.

    Args:
        kappa: k, at least 0; tensor that broadcasts to `shape`.
        dim: m, int, at least 2.
        shape: shape of the angles.
        seeds: two seeds of `keras.random.uniform`.

    Returns:
        `Angle`, with tensors of that shape and without gradients.

    References:
        Ulrich 1984; Wood 1994, "Simulation of the von Mises Fisher distribution".
    """
    kappa = ops.stop_gradient(kappa)
    rank = dim - 1
    carried = rank / (2 * kappa + ops.sqrt(4 * kappa * kappa + rank * rank))  # c
    carried = ops.reshape(ops.broadcast_to(carried, shape), (-1,))
    number = ops.shape(carried)[0]
    if is_symbol(number):
        drawn = _draw(carried, dim, PROPOSALS, seeds[0])
    else:
        drawn = _draw(carried, dim, FIRST, seeds[0])
        largest, places = ops.top_k(drawn, k=second_draws(number))
        again = _draw(ops.take(carried, places, axis=0), dim, PROPOSALS - FIRST, seeds[1])
        again = ops.where(largest < _NONE, largest, again)  # some of these were accepted at first
        drawn = ops.scatter_update(drawn, places[:, None], again)
    squared = ops.reshape(carried * drawn, shape)  # tan^2(t / 2)
    tangent, denominator = ops.sqrt(squared), 1 + squared
    complement = 2 * squared / denominator
    return Angle(2 * ops.arctan(tangent), 1 - complement, 2 * tangent / denominator, complement)


def second_draws(number: Any) -> Any:
    """Number of samples for which the second round has room.

    The first round is expected to leave over at most 0.3423^4 = 1.4 % of the samples. For any
    `number` of samples, more than the returned number are left over with a probability below 1e-12;
    those without room become the opposite of the mean direction.

    Args:
        number: int, or a tensor if it is known only when the graph runs.
    """
    most = number // 32 + 24
    if isinstance(number, int):
        return min(number, most)
    return ops.minimum(number, most)


def _draw(carried: Tensor, dim: int, proposals: int, seed: Seed) -> Tensor:
    """`tan(p / 2)^2` of the first accepted of several proposals for each c, or `_NONE`."""
    drawn = _propose(dim, (proposals, ops.shape(carried)[0]), carried.dtype, seed)
    place = ops.arange(proposals, dtype=carried.dtype)[:, None]
    place = ops.where(_rejected(drawn, carried, dim), proposals, place)
    first = minimum(place, axis=0, highest=proposals)
    squared = drawn.far / (drawn.near + _SMALLEST)
    # A sum instead of an index, since gathering takes longer.
    accepted = ops.sum(ops.where(place == first, squared, 0), axis=0)
    return ops.where(first < proposals, accepted, _NONE)


def _propose(dim: int, shape: tuple, dtype: str, seed: Seed) -> _Proposals:
    """Angles p of uniform points, half of them computed from two uniform numbers u and v each.

    The first coordinate of such a point is `cos p = sqrt(1 - u^(2/(m-2))) cos(pi v)`.
    """
    uniform = random.uniform((3, *shape), dtype, seed)
    v, u, height = ops.unstack(uniform, axis=0)
    half, height = ops.square(ops.sin(math.pi / 2 * v)), ops.log(height)  # (1 - cos(pi v)) / 2
    if dim == 2:
        return _Proposals(1 - half, half, height)
    outside = ops.exp(2 / (dim - 2) * ops.log(u))  # u^(2/(m-2)), faster than a power
    length = ops.sqrt(1 - outside)
    rim = outside / (2 + 2 * length)  # (1 - length) / 2
    part = length * half
    return _Proposals(rim + (length - part), rim + part, height)


def _rejected(proposals: _Proposals, carried: Tensor, dim: int) -> Tensor:
    """Whether each proposal is rejected; where c is NaN, none is, so that the sample is NaN."""
    scale = (1 + carried) / 2 / (proposals.near + carried * proposals.far)
    return proposals.height > (dim - 1) * (1 - scale + ops.log(scale))
