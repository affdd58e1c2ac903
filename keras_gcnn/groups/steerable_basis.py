"""Bases of kernels that commute with rotations by any angle, sampled on the pixel grid."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from keras_gcnn.groups.fields import Block
from keras_gcnn.groups.harmonics import angular_part, circular_frequencies, dimension
from keras_gcnn.groups.radial import polar_grid, radial_profiles

_VANISHING = 1e-2  # sum of squares up to which a sampled element counts as zero, as in escnn


def kernel_functions(
    frequency_in: int,
    frequency_out: int,
    radii: np.ndarray,
    angles: np.ndarray,
    kernel_size: int,
    dilation: int = 1,
    band_limit: float | str = 0.1,
) -> np.ndarray:
    """Evaluates the basis, functions on the plane, at any points.

    All of them satisfy `K(R_t x) = rho_out(t) K(x) rho_in(t)^-1` for every angle t.

    Args:
        frequency_in: int, frequency of the input.
        frequency_out: int, frequency of the output.
        radii: of the points, in pixels.
        angles: of the points, in radians.
        kernel_size: int, rows and columns.
        dilation: int, pixels between the positions of the kernel.
        band_limit: float or `"escnn"`; see `radial_profiles`.

    Returns:
        float64 array of shape `(elements, d_out, d_in, *radii.shape)`, not normalised.
    """
    solutions = angular_part(frequency_in, frequency_out, angles)
    elements: list[np.ndarray] = []
    for solution, frequency in zip(
        solutions, circular_frequencies(frequency_in, frequency_out), strict=True
    ):
        profiles = radial_profiles(frequency, kernel_size, dilation, band_limit)(radii)
        elements.extend(profile * solution for profile in profiles)
    if not elements:
        return np.zeros((0, *solutions.shape[1:]))
    return np.stack(elements)


@lru_cache(maxsize=4096)
def kernel_basis(
    frequency_in: int,
    frequency_out: int,
    kernel_size: int,
    dilation: int = 1,
    band_limit: float | str = 0.1,
) -> np.ndarray:
    """Returns the basis of kernels from one frequency to another, sampled on the grid.

    Elements that the grid cannot show are left out; the others have `sum K^2 = d_out`.

    Args:
        frequency_in: int, frequency of the input.
        frequency_out: int, frequency of the output.
        kernel_size: int, rows and columns, even or odd.
        dilation: int, pixels between the positions of the kernel.
        band_limit: float or `"escnn"`; see `radial_profiles`.

    Returns:
        float64 array of shape `(elements, d_out, d_in, rows, columns)`, read-only.
    """
    radii, angles = polar_grid(kernel_size, dilation)
    sampled = kernel_functions(
        frequency_in, frequency_out, radii, angles, kernel_size, dilation, band_limit
    )
    power = (sampled**2).sum(axis=(1, 2, 3, 4))
    kept = power > _VANISHING
    scale = np.sqrt(dimension(frequency_out) / power[kept])
    basis = sampled[kept] * scale[:, None, None, None, None]
    basis.setflags(write=False)
    return basis


@lru_cache(maxsize=256)
def block_basis(
    block_in: Block,
    block_out: Block,
    kernel_size: int,
    dilation: int = 1,
    band_limit: float | str = 0.1,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the basis of kernels from one field to another, each with several frequencies.

    Args:
        block_in: one of `Fields.blocks` of the input. Its number of fields does not matter.
        block_out: one of `Fields.blocks` of the output.
        kernel_size: int, rows and columns.
        dilation: int, pixels between the positions of the kernel.
        band_limit: float or `"escnn"`; see `radial_profiles`.

    Returns:
        The elements, a float64 array of shape `(elements, rows, columns, size_in, size_out)`, and
        the pair of frequencies, in and out, that every element connects, of shape `(elements, 2)`.
        Both are read-only.
    """
    elements: list[np.ndarray] = []
    pairs: list[tuple[int, int]] = []
    row = 0
    for n in block_out.frequencies:
        column = 0
        for m in block_in.frequencies:
            basis = kernel_basis(m, n, kernel_size, dilation, band_limit)
            placed = np.zeros((len(basis), kernel_size, kernel_size, block_in.size, block_out.size))
            rows, columns = slice(row, row + dimension(n)), slice(column, column + dimension(m))
            placed[..., columns, rows] = basis.transpose(0, 3, 4, 2, 1)
            elements.append(placed)
            pairs.extend([(m, n)] * len(basis))
            column += dimension(m)
        row += dimension(n)
    joined = np.concatenate(elements), np.array(pairs, int).reshape(-1, 2)
    for array in joined:
        array.setflags(write=False)
    return joined
