"""Bases of kernels that commute with the rotations and mirrors of a group, sampled on the grid.

The elements of a basis are sums of few functions of the position, the *waves*, times matrices from
the channels of the input to those of the output: `K_e(x) = sum_s coefficients[e, s] waves[s](x)`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from keras_gcnn.groups.grid_basis import GRID, grid_elements
from keras_gcnn.groups.harmonics import angular_parts
from keras_gcnn.groups.point_group import Irrep, PointGroup
from keras_gcnn.groups.radial import highest_frequency, polar_grid, radial_profiles

_VANISHING = 1e-2  # sum of squares up to which a sampled element counts as zero, as in escnn


@lru_cache(maxsize=256)
def kernel_waves(kernel_size: int, dilation: int, band_limit: float | str) -> np.ndarray:
    """Returns the functions of the position that kernels consist of, on the grid.

    These are, for every circular frequency and radial profile, its products with the cosine and the
    sine; for `"grid"` every position by itself.

    Returns:
        float64 array of shape `(waves, rows, columns)`, read-only.
    """
    if band_limit == GRID:
        waves = np.eye(kernel_size**2).reshape(-1, kernel_size, kernel_size)
    else:
        radii, angles = polar_grid(kernel_size, dilation)
        waves = np.array(
            [
                profile * wave(nu * angles)
                for nu in range(highest_frequency(kernel_size, dilation, band_limit) + 1)
                for profile in radial_profiles(nu, kernel_size, dilation, band_limit)(radii)
                for wave in (np.cos, np.sin)
            ]
        ).reshape(-1, kernel_size, kernel_size)
    waves.setflags(write=False)
    return waves


@dataclass(frozen=True)
class IrrepBasis:
    """A basis of kernels from one irrep to another, as coefficients of `kernel_waves`.

    Attributes:
        count: int, number of elements.
        places: int array of shape `(4, coefficients)`: element, wave, channel out, channel in of
            each coefficient that is not zero.
        values: float64 array of the coefficients.
    """

    count: int
    places: np.ndarray
    values: np.ndarray


@lru_cache(maxsize=4096)
def irrep_basis(
    group: PointGroup,
    irrep_in: Irrep,
    irrep_out: Irrep,
    kernel_size: int,
    dilation: int = 1,
    band_limit: float | str = 0.1,
) -> IrrepBasis:
    """Returns the basis of kernels from one irrep to another.

    Elements that the grid cannot show are left out; the others have `sum K^2 = d_out`.

    Args:
        group: `PointGroup`.
        irrep_in: `Irrep` of the input.
        irrep_out: `Irrep` of the output.
        kernel_size: int, rows and columns, even or odd.
        dilation: int, pixels between the positions of the kernel.
        band_limit: float or `"escnn"`, see `radial_profiles`; or `"grid"`, see `grid_basis`.
    """
    waves = kernel_waves(kernel_size, dilation, band_limit)
    if band_limit == GRID:
        elements = grid_elements(group, irrep_in, irrep_out, kernel_size)
    else:
        elements = _polar_elements(group, irrep_in, irrep_out, kernel_size, dilation, band_limit)
    places, values, count = [np.zeros((4, 0), int)], [np.zeros(0)], 0
    for used, matrices in elements:
        power = (np.tensordot(matrices, waves[used], (0, 0)) ** 2).sum()
        if power > _VANISHING:
            term, row, column = np.nonzero(matrices)
            places.append(np.stack([np.full(len(term), count), used[term], row, column]))
            scale = np.sqrt(group.dimension(irrep_out) / power)
            values.append(matrices[term, row, column] * scale)
            count += 1
    basis = IrrepBasis(count, np.concatenate(places, axis=1), np.concatenate(values))
    for array in (basis.places, basis.values):
        array.setflags(write=False)
    return basis


def _polar_elements(
    group: PointGroup,
    irrep_in: Irrep,
    irrep_out: Irrep,
    kernel_size: int,
    dilation: int,
    band_limit: float | str,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields, for every angular part and radial profile, two waves and their matrices."""
    highest = highest_frequency(kernel_size, dilation, band_limit)
    starts = _first_waves(kernel_size, dilation, band_limit)
    for part in angular_parts(group, irrep_in, irrep_out, highest):
        start, end = starts[part.frequency : part.frequency + 2]
        for cosine in range(start, end, 2):
            yield np.array([cosine, cosine + 1]), np.stack([part.cosine, part.sine])


@lru_cache(maxsize=256)
def _first_waves(kernel_size: int, dilation: int, band_limit: float | str) -> tuple[int, ...]:
    """Returns the number of the first wave of every circular frequency, and of all waves."""
    highest, centre = highest_frequency(kernel_size, dilation, band_limit), np.zeros(1)
    counts = [
        2 * len(radial_profiles(nu, kernel_size, dilation, band_limit)(centre))
        for nu in range(highest + 1)
    ]
    return tuple(itertools.accumulate(counts, initial=0))


def kernel_basis(
    group: PointGroup,
    irrep_in: Irrep,
    irrep_out: Irrep,
    kernel_size: int,
    dilation: int = 1,
    band_limit: float | str = 0.1,
) -> np.ndarray:
    """Returns the basis of kernels from one irrep to another, sampled on the grid.

    Args:
        group: `PointGroup`.
        irrep_in: `Irrep` of the input.
        irrep_out: `Irrep` of the output.
        kernel_size: int, rows and columns.
        dilation: int, pixels between the positions of the kernel.
        band_limit: see `irrep_basis`.

    Returns:
        float64 array of shape `(elements, d_out, d_in, rows, columns)`.
    """
    basis = irrep_basis(group, irrep_in, irrep_out, kernel_size, dilation, band_limit)
    waves = kernel_waves(kernel_size, dilation, band_limit)
    shape = (basis.count, len(waves), group.dimension(irrep_out), group.dimension(irrep_in))
    coefficients = np.zeros(shape)
    coefficients[tuple(basis.places)] = basis.values
    return np.tensordot(coefficients, waves, (1, 0))


@dataclass(frozen=True)
class BlockBasis:
    """The basis of kernels from one field to another, each of several irreps.

    Every entry of a kernel is a sum of few weights: at wave s, from channel i to channel o, of the
    weights `index[:, s, i, o]`, times `factor[:, s, i, o]`.

    Attributes:
        waves: float64 array of shape `(waves, rows, columns)`: those that occur.
        index: int array of shape `(terms, waves, size_in, size_out)`.
        factor: float64 array of the same shape, zero where there are fewer terms.
        pairs: the irreps, in and out, that every element connects.
    """

    waves: np.ndarray
    index: np.ndarray
    factor: np.ndarray
    pairs: tuple[tuple[Irrep, Irrep], ...]

    def __len__(self) -> int:
        """The number of elements."""
        return len(self.pairs)


@lru_cache(maxsize=256)
def block_basis(
    irreps_in: tuple[Irrep, ...],
    irreps_out: tuple[Irrep, ...],
    group: PointGroup,
    kernel_size: int,
    dilation: int = 1,
    band_limit: float | str = 0.1,
) -> BlockBasis:
    """Returns the basis of kernels from one field to another.

    Args:
        irreps_in: of a field of the input.
        irreps_out: of a field of the output.
        group: `PointGroup`.
        kernel_size: int, rows and columns.
        dilation: int, pixels between the positions of the kernel.
        band_limit: see `irrep_basis`.
    """
    waves = kernel_waves(kernel_size, dilation, band_limit)
    pairs: list[tuple[Irrep, Irrep]] = []
    places: list[np.ndarray] = []  # rows of wave, channel in, channel out, element
    values: list[np.ndarray] = []
    row = 0
    for n in irreps_out:
        column = 0
        for m in irreps_in:
            part = irrep_basis(group, m, n, kernel_size, dilation, band_limit)
            element, wave, channel_out, channel_in = part.places
            values.append(part.values)
            places.append(
                np.stack([wave, channel_in + column, channel_out + row, element + len(pairs)])
            )
            pairs.extend([(m, n)] * part.count)
            column += group.dimension(m)
        row += group.dimension(n)
    return _gathered(waves, (column, row), np.concatenate(places, 1), np.concatenate(values), pairs)


def _gathered(
    waves: np.ndarray,
    sizes: tuple[int, int],
    places: np.ndarray,
    values: np.ndarray,
    pairs: list[tuple[Irrep, Irrep]],
) -> BlockBasis:
    """Sorts the nonzero coefficients by the entry to which they contribute."""
    used = np.unique(places[0])
    wave = np.searchsorted(used, places[0])
    shape = (len(used), *sizes)
    entry = np.ravel_multi_index((wave, places[1], places[2]), shape) if len(used) else wave
    order = np.argsort(entry, kind="stable")
    entry, element, value = entry[order], places[3][order], values[order]
    term = np.arange(len(entry)) - np.searchsorted(entry, entry)  # its number within the entry
    terms = int(term.max(initial=0)) + 1
    index = np.zeros((terms, int(np.prod(shape))), "int32")
    factor = np.zeros(index.shape)
    index[term, entry], factor[term, entry] = element, value
    basis = BlockBasis(
        waves[used], index.reshape(terms, *shape), factor.reshape(terms, *shape), tuple(pairs)
    )
    for array in (basis.waves, basis.index, basis.factor):
        array.setflags(write=False)
    return basis
