"""All kernels of the pixel grid that commute with quarter turns, half turns and mirrors.

The elements of C_1, C_2, C_4 and D_1, D_2, D_4 move pixels to pixels, so that no kernel of theirs
is distorted by the grid. These groups have `|G| k^2` weights between regular fields, as many as
`GConv2D`; the kernels of `radial_profiles` are a part of them.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from keras_gcnn.groups.point_group import Irrep, PointGroup, element_of
from keras_gcnn.groups.radial import check_band_limit

GRID = "grid"  # the band limit that stands for all kernels
_INDEPENDENT = 1e-6  # length that a further element has beside those before it, at least


def band_limit_for(value: float | str | None, group: PointGroup) -> float | str:
    """Returns the band limit of kernels of a group; None stands for the default.

    Raises:
        ValueError: for `"grid"` with another group, and as `check_band_limit`.
    """
    if value is None:
        return GRID if group.is_on_pixels else 0.1
    if not isinstance(value, str) or value != GRID:
        return check_band_limit(value)
    if not group.is_on_pixels:
        raise ValueError(
            f"band_limit='grid' is for the groups that move pixels to pixels, c1, c2, c4, d1, d2 "
            f"and d4, not for {group}. Use a number such as 0.1, or None for the default."
        )
    return value


def grid_elements(
    group: PointGroup, irrep_in: Irrep, irrep_out: Irrep, kernel_size: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields the kernels with one entry, averaged over the group, without repetitions.

    The average of a kernel, `K -> mean_g rho_out(g) K(g^-1 x) rho_in(g)^-1`, satisfies the kernel
    constraint. It is determined by the matrix at one position of each orbit, which has to commute
    with the elements that keep this position.

    Yields:
        The positions of an orbit, numbered row by row, and the matrices there, of shape
        `(positions, d_out, d_in)`.
    """
    pixels = group.pixel_group
    positions = np.arange(kernel_size**2).reshape(kernel_size, kernel_size)
    # The position to which every element moves every position.
    moved = np.stack([pixels.act_on_plane(positions, g).ravel() for g in range(pixels.order)])
    moved = np.argsort(moved, axis=1)
    actions = []
    for matrix in pixels.matrices:
        mirrored, angle = element_of(matrix)
        both = [group.representation(each, angle, mirrored) for each in (irrep_out, irrep_in)]
        actions.append(np.kron(*both))  # on the entries of the matrix, row by row
    shape = (group.dimension(irrep_out), group.dimension(irrep_in))
    for position in range(kernel_size**2):
        orbit, first = np.unique(moved[:, position], return_index=True)
        if position != orbit[0]:
            continue  # another position of the orbit came before
        keeping = [a for a, to in zip(actions, moved[:, position], strict=True) if to == position]
        for entries in _independent(np.mean(keeping, axis=0)):
            yield orbit, np.stack([(actions[g] @ entries).reshape(shape) for g in first])


def _independent(projection: np.ndarray) -> list[np.ndarray]:
    """Returns orthonormal columns of a projection, from the first to the last."""
    found: list[np.ndarray] = []
    for column in projection.T:
        rest = column - sum((each * (each @ column) for each in found), np.zeros(len(column)))
        if np.linalg.norm(rest) > _INDEPENDENT:
            found.append(rest / np.linalg.norm(rest))
    return [np.where(np.abs(each) < _INDEPENDENT**2, 0, each) for each in found]
