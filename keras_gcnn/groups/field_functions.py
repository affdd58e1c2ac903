"""Fields as functions on a group, by their values at samples of the group."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np

from keras_gcnn.groups.blocks import Block
from keras_gcnn.groups.point_group import Element, rotated


def function_problem(block: Block) -> str | None:
    """Returns why fields are no functions on their group, or None if they are."""
    for irrep, copies in Counter(block.irreps).items():
        most = block.group.regular_copies(irrep)
        if copies > most:
            return (
                f"a field has the irrep {irrep.name!r} {copies} times, and a function on "
                f"{block.group} has it at most {most} times"
            )
    return None


def sample_points(block: Block, turns: int) -> list[Element]:
    """Returns the elements at which a field is sampled, rotations first.

    The mirrored elements are left out if the mirror m does not change the functions, and so are
    rotations after which functions on a finite group repeat.

    Args:
        block: `Block` with the irreps of the field.
        turns: number of equally spaced angles; for C_N and D_N the group's own.
    """
    period = 1
    if block.group.turns is not None:
        period = math.gcd(turns, *(irrep.frequency for irrep in block.irreps))
    both = any(irrep.odd for irrep in block.irreps) or len({*block.irreps}) < len(block.irreps)
    return [
        (mirrored, 2 * np.pi * number / turns)
        for mirrored in ((False, True) if both else (False,))
        for number in range(turns // period)
    ]


def sampling_matrix(block: Block, turns: int) -> np.ndarray:
    """Returns the matrix from a field to its values, as a function on the group, at samples.

    A copy of an irrep contributes a column of the matrices by which the elements act: the function
    is `sum_irreps sqrt(d) sum_i rho(h)[i, copy] x[i]`, divided by the root of the channels. The
    columns of the result are orthogonal and have equal norms; the inverse is its transpose, times
    channels, divided by samples.

    Args:
        block: `Block` with the irreps of the field.
        turns: see `sample_points`.

    Returns:
        Matrix of shape `(samples, block.size)`. For all rotations its rows are
        `[1, sqrt2 cos t, sqrt2 sin t, sqrt2 cos 2t, ...] / sqrt(block.size)`.
    """
    points = sample_points(block, turns)
    columns: list[np.ndarray] = []
    copies: Counter = Counter()
    for irrep in block.irreps:
        values = np.array([rotated(irrep.frequency * t, mirrored) for mirrored, t in points])
        if block.group.dimension(irrep) == 1:
            columns.append(values[:, int(irrep.odd), int(irrep.odd)])
        else:
            columns.extend(np.sqrt(2) * values[:, :, copies[irrep]].T)
        copies[irrep] += 1
    return np.stack(columns, axis=1) / np.sqrt(block.size)
