"""Bases of steerable kernels."""

import itertools

import numpy as np
import pytest

from keras_gcnn.groups import radial
from keras_gcnn.groups import steerable_basis as steerable
from keras_gcnn.groups.fields import Block
from keras_gcnn.groups.harmonics import angular_part, representation
from tests.helpers.steerable import layout, rho

pytestmark = pytest.mark.backend_free
FREQUENCIES = range(6)
PAIRS = [*itertools.product(FREQUENCIES, FREQUENCIES)]
BAND_LIMITS = pytest.mark.parametrize("band_limit", [0.1, "escnn"])


def turned(kernels, m, n, angle):
    """`rho_out(t) K rho_in(t)^-1` for an array of kernels (elements, d_out, d_in, ...)."""
    return np.einsum("oa,eab...,bi->eoi...", rho(n, angle), kernels, rho(m, -angle))


@BAND_LIMITS
@pytest.mark.parametrize(("kernel_size", "dilation"), [(2, 1), (5, 1), (7, 1), (5, 2)])
def test_the_kernel_constraint(kernel_size, dilation, band_limit, rng):
    """`K(R_t x) = rho_out(t) K(x) rho_in(t)^-1` between the pixels and for every angle."""
    window = (kernel_size, dilation, band_limit)
    radii, angles = rng.uniform(0, dilation * kernel_size, 40), rng.uniform(-4, 4, 40)
    radii[0] = 0
    for (m, n), t in itertools.product(PAIRS, rng.uniform(-4, 4, 2)):
        kernels = steerable.kernel_functions(m, n, radii, angles, *window)
        moved = steerable.kernel_functions(m, n, radii, angles + t, *window)
        np.testing.assert_allclose(moved, turned(kernels, m, n, t), atol=1e-10)


@BAND_LIMITS
@pytest.mark.parametrize("kernel_size", [3, 4])
def test_quarter_turns_of_what_is_sampled(kernel_size, band_limit):
    """On the grid the left side is the turned array, `K(R^-1 x)`."""
    for m, n in PAIRS:
        kernels = steerable.kernel_basis(m, n, kernel_size, 1, band_limit)
        moved = np.rot90(kernels, 1, (3, 4))
        np.testing.assert_allclose(moved, turned(kernels, m, n, -np.pi / 2), atol=1e-14)


@pytest.mark.parametrize(("m", "n"), PAIRS)
def test_the_angular_solutions_are_all(m, n):
    """At one angle a kernel can be any matrix; the constraint gives it at all others."""
    there = angular_part(m, n, np.array(0.3))
    size = len(rho(m, 0)) * len(rho(n, 0))
    assert there.shape == (size, len(rho(n, 0)), len(rho(m, 0)))
    assert np.linalg.svd(there.reshape(size, size))[1].min() > 0.5
    np.testing.assert_allclose(representation(n, 0.7), rho(n, 0.7), atol=1e-15)


@BAND_LIMITS
@pytest.mark.parametrize("kernel_size", range(1, 10))
def test_elements_are_independent_and_of_one_size(kernel_size, band_limit):
    for m, n in PAIRS:
        basis = steerable.kernel_basis(m, n, kernel_size, 1, band_limit)
        powers = (basis**2).sum(axis=(1, 2, 3, 4)) / len(rho(n, 0))
        np.testing.assert_allclose(powers, 1, rtol=1e-12)
        if len(basis):
            flat = basis.reshape(len(basis), -1)
            assert np.linalg.eigvalsh(flat @ flat.T).min() > 0.01


def count(kernel_size, band_limit, frequencies_in=FREQUENCIES):
    return sum(
        len(steerable.kernel_basis(m, n, kernel_size, 1, band_limit))
        for m in frequencies_in
        for n in FREQUENCIES
    )


@pytest.mark.parametrize(
    ("kernel_size", "between", "lifting"),
    [(3, 60, 6), (4, 49, 5), (5, 109, 11), (7, 174, 18), (9, 275, 29)],
)
def test_as_many_elements_as_escnn_has(kernel_size, between, lifting):
    assert count(kernel_size, "escnn") == between
    assert count(kernel_size, "escnn", frequencies_in=[0]) == lifting


def test_small_kernels():
    """With one position a pair can only be scaled and turned; with four escnn has nothing."""
    for band_limit in (0.1, "escnn"):
        assert count(1, band_limit) == 1 + 5 * 2
    assert count(2, "escnn") == 0
    assert count(2, 0.1) > 0
    assert steerable.kernel_basis(5, 0, 2, 1, "escnn").shape == (0, 1, 2, 2, 2)


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
    for cached in (steerable.kernel_basis, radial._steerable, radial._waves):
        cached.cache_clear()
    basis = steerable.kernel_basis(*arguments)
    cosines = np.cos(np.arange(basis[0].size)).reshape(basis[0].shape)
    np.testing.assert_allclose(np.tensordot(basis, cosines, 4), PRODUCTS[arguments], atol=1e-5)


def test_blocks_are_put_together_pair_by_pair():
    block_in, block_out = Block(3, (0, 2)), Block(1, (1, 2, 3))
    elements, pairs = steerable.block_basis(block_in, block_out, 3, 1, 0.1)
    columns, rows = (
        {frequency: part for (_, frequency), part in layout(dict.fromkeys(one, 1)).items()}
        for one in (block_in.frequencies, block_out.frequencies)
    )
    found = []
    for n, m in itertools.product(block_out.frequencies, block_in.frequencies):
        for kernel in steerable.kernel_basis(m, n, 3):
            expected = np.zeros((3, 3, block_in.size, block_out.size))
            expected[:, :, columns[m], rows[n]] = kernel.transpose(2, 3, 1, 0)
            np.testing.assert_array_equal(elements[len(found)], expected)
            found.append((m, n))
    np.testing.assert_array_equal(pairs, found)


def test_cached_arrays_are_read_only():
    for array in (
        steerable.kernel_basis(0, 1, 3),
        *steerable.block_basis(Block(1, (0,)), Block(1, (1,)), 3),
    ):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
