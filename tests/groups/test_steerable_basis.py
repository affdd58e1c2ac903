"""Bases of steerable kernels."""

import itertools

import numpy as np
import pytest

from keras_gcnn.groups import radial
from keras_gcnn.groups import steerable_basis as steerable
from keras_gcnn.groups.grid_basis import GRID, band_limit_for
from keras_gcnn.groups.harmonics import angular_parts
from keras_gcnn.groups.point_group import Irrep, point_group
from tests.helpers import point_groups as formula

pytestmark = pytest.mark.backend_free
BAND_LIMITS = pytest.mark.parametrize("band_limit", [0.1, "escnn"])
EVERY = pytest.mark.parametrize("group", formula.GROUPS, ids=formula.name_of)
SO2, WHOLE = (None, False), [(1, False), (1, True), (2, False), (2, True), (4, False), (4, True)]


def ours(group):
    return point_group(formula.name_of(group))


def pairs_of(group, top=4):
    return [*itertools.product(formula.irreps(group, top), repeat=2)]


def basis_of(group, m, n, *window):
    return steerable.kernel_basis(ours(group), Irrep(*m), Irrep(*n), *window)


def moved(kernels, group, m, n, element):
    """`rho_out(g) K rho_in(g)^-1` for an array of kernels (elements, d_out, d_in, ...)."""
    both = (formula.rho(group, n, element), formula.rho(group, m, element).T)
    return np.einsum("oa,eab...,bi->eoi...", both[0], kernels, both[1])


def functions(group, m, n, radii, angles, *window):
    """The elements as functions on the plane, not normalised."""
    highest = radial.highest_frequency(*window)
    return np.array(
        [
            profile * part(angles)
            for part in angular_parts(ours(group), Irrep(*m), Irrep(*n), highest)
            for profile in radial.radial_profiles(part.frequency, *window)(radii)
        ]
    )


@EVERY
def test_the_kernel_constraint(group, rng):
    """`K(g x) = rho_out(g) K(x) rho_in(g)^-1` between the pixels and for random elements."""
    for kernel_size in range(1, 10):
        window = (kernel_size, 2 if kernel_size == 5 else 1, ("escnn", 0.1)[kernel_size % 2])
        radii, angles = rng.uniform(0, 1.5 * kernel_size, 20), rng.uniform(-4, 4, 20)
        radii[0] = 0
        for (m, n), element in zip(pairs_of(group), itertools.cycle(formula.some(group, 7, rng))):
            kernels = functions(group, m, n, radii, angles, *window)
            turned = angles + element[1]
            there = functions(group, m, n, radii, -turned if element[0] else turned, *window)
            if len(kernels):
                expected = moved(kernels, group, m, n, element)
                np.testing.assert_allclose(there, expected, atol=1e-10)


@EVERY
@pytest.mark.parametrize("window", [(4, 1, "escnn"), (5, 2, 0.1)], ids=str)
def test_the_basis_is_these_functions_on_the_grid(group, window):
    """Normalised, in their order, without those that the grid cannot show."""
    for m, n in pairs_of(group):
        sampled = functions(group, m, n, *radial.polar_grid(*window[:2]), *window)
        powers = [(kernel**2).sum() for kernel in sampled]
        size = len(formula.rho(group, n, (False, 0)))
        kept = [
            kernel * np.sqrt(size / power)
            for kernel, power in zip(sampled, powers, strict=True)
            if power > 0.01
        ]
        basis = basis_of(group, m, n, *window)
        assert len(basis) == len(kept)
        if kept:
            np.testing.assert_allclose(basis, kept, atol=1e-13)


@EVERY
def test_the_angular_solutions_are_all(group):
    for m, n in pairs_of(group):
        parts = angular_parts(ours(group), Irrep(*m), Irrep(*n), 9)
        assert len(parts) == formula.count(group, m, n, 9)
        angles = np.linspace(0, 2 * np.pi, 64, endpoint=False)
        if parts:
            flat = np.reshape([part(angles) for part in parts], (len(parts), -1))
            gram = flat @ flat.T / 64  # orthogonal over the circle
            np.testing.assert_allclose(gram, np.diag(np.diag(gram)), atol=1e-12)
            assert np.diag(gram).min() > 0.4


@EVERY
def test_elements_that_move_pixels(group):
    """On the grid the left side is the moved array, `K(g^-1 x)`."""
    limits = [0.1, "escnn", *([GRID] if group in WHOLE else [])]
    for (m, n), band_limit, size in itertools.product(pairs_of(group), limits, (3, 4)):
        kernels = basis_of(group, m, n, size, 1, band_limit)
        for element in formula.on_pixels(group):
            maps = kernels.reshape(-1, size, size, 1)
            there = formula.move_plane(maps, element).reshape(kernels.shape)
            back = moved(there, group, m, n, element)
            np.testing.assert_allclose(back, kernels, atol=1e-13)


@BAND_LIMITS
@pytest.mark.parametrize("kernel_size", range(1, 10))
def test_elements_are_independent_and_of_one_size(kernel_size, band_limit):
    for group in (SO2, (None, True), (8, False), (8, True), (3, True)):
        for m, n in pairs_of(group):
            basis = basis_of(group, m, n, kernel_size, 1, band_limit)
            powers = (basis**2).sum(axis=(1, 2, 3, 4)) / len(formula.rho(group, n, (False, 0)))
            np.testing.assert_allclose(powers, 1, rtol=1e-12)
            if len(basis) and (band_limit == 0.1 or group[0] is None):
                flat = basis.reshape(len(basis), -1)
                assert np.linalg.eigvalsh(flat @ flat.T).min() > 0.01


def count(group, kernel_size, band_limit, field_in=None):
    field = formula.regular(group, 4 if group[0] is None else None)
    return sum(
        len(basis_of(group, m, n, kernel_size, 1, band_limit))
        for m in field_in or field
        for n in field
    )


@pytest.mark.parametrize(
    ("group", "default", "escnn", "lifting"),
    [
        (SO2, (48, 109, 184), 87, (6, 15, 24)),
        ((None, True), (96, 218, 368), 174, (6, 15, 24)),
        ((8, False), (48, 120, 224), 88, (6, 15, 28)),
        ((8, True), (96, 240, 448), 176, (6, 15, 28)),
        ((4, False), (24, 60, 112), 44, (6, 15, 28)),
        ((4, True), (48, 120, 224), 88, (6, 15, 28)),
    ],
    ids=str,
)
def test_numbers_of_weights(group, default, escnn, lifting):
    """From one regular field to another; 5x5 with rings as escnn 1.0.11 has."""
    assert tuple(count(group, size, 0.1) for size in (3, 5, 7)) == default
    assert count(group, 5, "escnn") == escnn
    assert tuple(count(group, size, 0.1, [(0, False)]) for size in (3, 5, 7)) == lifting


@pytest.mark.parametrize("kernel_size", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("group", WHOLE, ids=formula.name_of)
def test_the_grid_basis_is_whole(group, kernel_size):
    """As many kernels as `GConv2D` has, and those of the rings and profiles among them."""
    order = len(formula.elements(group))
    assert count(group, kernel_size, GRID) == order * kernel_size**2
    for m, n in pairs_of(group):
        whole = basis_of(group, m, n, kernel_size, 1, GRID)
        flat = whole.reshape(len(whole), int(np.prod(whole.shape[1:])))
        gram = flat @ flat.T
        np.testing.assert_allclose(gram, np.diag(np.diag(gram)), atol=1e-12)
        for kernel in basis_of(group, m, n, kernel_size, 1, 0.1):
            rest = kernel.ravel() - flat.T @ (flat @ kernel.ravel() / np.diag(gram))
            assert np.abs(rest).max() < 1e-12


@pytest.mark.parametrize(
    ("kernel_size", "between", "lifting"),
    [(3, 60, 6), (4, 49, 5), (5, 109, 11), (7, 174, 18), (9, 275, 29)],
)
def test_as_many_elements_as_escnn_has(kernel_size, between, lifting):
    field = formula.regular(SO2, 5)
    pairs = [*itertools.product(field, field)]
    sizes = [len(basis_of(SO2, m, n, kernel_size, 1, "escnn")) for m, n in pairs]
    assert sum(sizes) == between
    assert sum(size for size, (m, _) in zip(sizes, pairs, strict=True) if m[0] == 0) == lifting


def test_small_kernels():
    """With one position a pair can only be scaled and turned; with four escnn has nothing."""
    for band_limit in (0.1, "escnn"):
        assert count(SO2, 1, band_limit) == 1 + 4 * 2
        assert count((None, True), 1, band_limit) == 2 + 4 * 4
    assert count(SO2, 2, "escnn") == 0
    assert count(SO2, 2, 0.1) > 0
    assert basis_of(SO2, (4, False), (0, False), 2, 1, "escnn").shape == (0, 1, 2, 2, 2)


# Products of the elements with the cosines of 0, 1, 2, ...
PRODUCTS = {
    (0, 0, 3): [-0.653644, 0.482114],
    (0, 1, 3): [0.463585, -0.017575],
    (2, 1, 4): [-2.185285, 0.619921, 0.794856, 0.109652, 1.6259, -1.192745],
    (1, 2, 5): [1.36573, 0.627072, -1.524538, -0.68034, -0.865053, 1.217213],
}


@pytest.mark.parametrize("arguments", PRODUCTS)
def test_saved_weights_keep_their_meaning(arguments):
    """The default basis is what it was when these numbers were printed, computed anew."""
    for cached in (steerable.irrep_basis, steerable.kernel_waves, radial._steerable, radial._waves):
        cached.cache_clear()
    m, n, size = arguments
    basis = basis_of(SO2, (m, False), (n, False), size)
    cosines = np.cos(np.arange(basis[0].size)).reshape(basis[0].shape)
    np.testing.assert_allclose(np.tensordot(basis, cosines, 4), PRODUCTS[arguments], atol=1e-5)


@pytest.mark.parametrize(
    ("group", "field_in", "field_out", "band_limit"),
    [
        ((None, False), [(0, False), (2, False)], [(1, False), (2, False), (3, False)], 0.1),
        ((8, True), formula.regular((8, True)), formula.regular((8, True)), 0.1),
        ((4, True), [(0, True)], formula.regular((4, True)), GRID),
        ((3, False), formula.regular((3, False)), [(0, False)], "escnn"),
    ],
    ids=str,
)
def test_blocks_are_put_together_pair_by_pair(group, field_in, field_out, band_limit):
    irreps = [tuple(Irrep(*irrep) for irrep in field) for field in (field_in, field_out)]
    basis = steerable.block_basis(*irreps, ours(group), 3, 1, band_limit)
    found, row = 0, 0
    for n in field_out:
        column = 0
        for m in field_in:
            for kernel in basis_of(group, m, n, 3, 1, band_limit):
                weights = np.arange(len(basis)) == found
                entries = (basis.factor * weights[basis.index]).sum(axis=0)
                element = np.tensordot(basis.waves, entries, (0, 0))
                rows = slice(row, row + kernel.shape[0])
                columns = slice(column, column + kernel.shape[1])
                part = element[:, :, columns, rows].transpose(3, 2, 0, 1).copy()
                np.testing.assert_allclose(part, kernel, atol=1e-13)
                element[:, :, columns, rows] = 0
                assert not element.any()
                assert basis.pairs[found] == (Irrep(*m), Irrep(*n))
                found += 1
            column += formula.part(group, m).shape[1]
        row += formula.part(group, n).shape[1]
    assert found == len(basis)


def test_cached_arrays_are_read_only():
    so2, irreps = point_group("so2"), (Irrep(0), Irrep(1))
    basis = steerable.block_basis(irreps, irreps, so2, 3)
    single = steerable.irrep_basis(so2, *irreps, 3)
    for array in (basis.waves, basis.index, basis.factor, single.places, single.values):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 1


def test_default_band_limits():
    for group in formula.GROUPS:
        assert band_limit_for(None, ours(group)) == (GRID if group in WHOLE else 0.1)
    assert band_limit_for(0.2, point_group("d4")) == 0.2
    with pytest.raises(ValueError, match=r"band_limit='grid' is for .* not for d8\. Use"):
        band_limit_for("grid", point_group("d8"))
    with pytest.raises(ValueError, match="band_limit=None has to be a number"):
        radial.check_band_limit(None)
