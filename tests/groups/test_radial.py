"""Radial profiles: how much their kernels respond at other angular frequencies."""

import numpy as np
import pytest

from keras_gcnn.groups import radial
from keras_gcnn.groups.radial import check_band_limit, polar_grid, radial_profiles

pytestmark = pytest.mark.backend_free
FREQUENCIES = range(11)  # up to 5 + 5
ORDERS = 64  # of Bessel functions, half of them negative
# From one wave in 31 pixels to one in 2, every octave alike.
NUMBERS = np.geomspace(0.2, np.pi, 100)


def bessel(z):
    """`J_n(z) = 1/2pi int exp(i (z sin t - n t)) dt`; n, modulo ORDERS, is a new last axis."""
    angles = 2 * np.pi * np.arange(ORDERS) / ORDERS
    return np.fft.fft(np.exp(1j * z[..., None] * np.sin(angles))).real / ORDERS


def powers(profiles, frequency, kernel_size, dilation=1):
    """Power of the response at the own angular frequency and at all, as quadratic forms.

    A wave of number q in the direction t is `sum_n (-i)^n J_n(q r) exp(i n (t - phi))`, so a
    kernel `g(r) exp(i j phi)` answers with `sum_p g(r_p) J_n(q r_p) exp(i (j - n) phi_p)` at
    frequency n. Images are blurred by one pixel, and long waves count more by `q^-j`.
    """
    radii, angles = (array.ravel() for array in polar_grid(kernel_size, dilation))
    orders = np.fft.fftfreq(ORDERS, 1 / ORDERS)
    waves = np.exp(1j * (frequency - orders) * angles[:, None])
    sizes, which = np.unique(radii, return_inverse=True)
    responses = waves * bessel(NUMBERS[:, None] * sizes)[:, which]
    parts = np.einsum("ap,qpn->aqn", profiles(radii), responses, optimize=True)
    weighted = parts * np.sqrt(np.exp(-(NUMBERS**2)) / NUMBERS**frequency)[:, None]
    weighted[:, [0, -1]] *= np.sqrt(0.5)  # the trapezoidal rule
    power = np.einsum("aqn,bqn->nab", weighted, weighted.conj()).real
    return power[frequency], power.sum(axis=0)


def shares(own, whole):
    """Shares of the response, as amplitudes, that are wrong: extremes over all combinations."""
    scale = 1 / np.sqrt(np.diag(whole))  # the forms differ by orders of magnitude
    own, whole = (form * scale[:, None] * scale for form in (own, whole))
    return np.sqrt(np.linalg.eigvals(np.linalg.solve(whole, whole - own)).real.clip(0))


def shells(kernel_size, frequency):
    """Every function of the radius that the grid can tell from others."""
    radii = np.unique(polar_grid(kernel_size)[0].round(6))
    radii = radii[(radii > 0) | (frequency == 0)]
    return lambda at: (np.abs(at - radii[:, None]) < 1e-5).astype(float)


@pytest.mark.parametrize(
    ("kernel_size", "band_limit"), [*((size, 0.1) for size in range(3, 10)), (7, 0.02)]
)
def test_no_combination_leaks_more_than_the_band_limit(kernel_size, band_limit):
    some = 0
    for frequency in FREQUENCIES:
        profiles = radial_profiles(frequency, kernel_size, band_limit=band_limit)
        if len(profiles(np.ones(1))):
            worst = shares(*powers(profiles, frequency, kernel_size)).max()
            assert worst < band_limit * 1.001
            some += 1
    assert some >= 2


@pytest.mark.parametrize("kernel_size", range(2, 7))
def test_there_are_as_many_as_can_be(kernel_size):
    for frequency in FREQUENCIES:
        every = shares(*powers(shells(kernel_size, frequency), frequency, kernel_size))
        found = radial_profiles(frequency, kernel_size)(np.ones(1))
        assert len(found) == (every < 0.1).sum()


def test_dilated_kernels_keep_to_it_too():
    profiles = radial_profiles(2, 5, dilation=2)
    assert len(profiles(np.ones(1)))
    assert shares(*powers(profiles, 2, 5, dilation=2)).max() < 0.1001


def test_a_larger_limit_leaves_more_profiles():
    counts = [
        [len(radial_profiles(j, 7, band_limit=limit)(np.ones(1))) for j in FREQUENCIES]
        for limit in (0.01, 0.1, 0.5)
    ]
    assert (np.diff(counts, axis=0) >= 0).all()
    assert (np.diff(np.sum(counts, axis=1)) > 0).all()


def test_the_rings_of_escnn_leak_more():
    """So the tests above would see a basis that is not limited."""
    rings = radial_profiles(2, 7, band_limit="escnn")
    assert shares(*powers(rings, 2, 7)).max() > 0.5


def test_the_rings_of_escnn():
    """`exp(-(r - r_i)^2 / 2 sigma_i^2)` around 0, 1 and 2 for a kernel of 5 or 6."""
    at = np.array([0, 0.7, 1.5, 3.1])
    expected = [
        np.exp(-((at - mean) ** 2) / (2 * width**2))
        for mean, width in [(0, 0.005), (1, 0.6), (2, 0.4)]
    ]
    for kernel_size in (5, 6):
        rings = radial_profiles(0, kernel_size, band_limit="escnn")(at)
        np.testing.assert_allclose(rings, expected)


def test_only_frequency_0_has_a_value_at_the_centre():
    for band_limit in (0.1, "escnn"):
        for frequency in range(3):
            profiles = radial_profiles(frequency, 5, band_limit=band_limit)
            assert (profiles(np.zeros(1)) != 0).any() == (frequency == 0)


def test_positions():
    """Angles are from the right, counter-clockwise; radii grow with the dilation."""
    radii, angles = polar_grid(3)
    np.testing.assert_allclose(radii[0], [np.sqrt(2), 1, np.sqrt(2)])
    np.testing.assert_allclose(angles[0], np.pi * np.array([3 / 4, 1 / 2, 1 / 4]))
    np.testing.assert_allclose(polar_grid(2, 3)[0], np.full((2, 2), 1.5 * np.sqrt(2)))


@pytest.mark.parametrize("value", [0, -0.1, 1.5, "harmonic", None, True, float("nan")])
def test_wrong_band_limits(value):
    says = rf'band_limit={value!r} has to be a number above 0 and up to 1.*0\.1, or "escnn"'
    with pytest.raises(ValueError, match=says):
        check_band_limit(value)


@pytest.mark.parametrize("value", [0.1, 1, np.float32(0.5), "escnn"])
def test_band_limits(value):
    assert check_band_limit(value) == value


@pytest.mark.parametrize(("kernel_size", "frequency"), [(7, 4), (9, 8), (13, 10)])
def test_profiles_do_not_depend_on_the_order_of_sums(kernel_size, frequency, monkeypatch):
    """Machines sum in different orders, and the weights of a saved file are in this basis."""

    def backwards(*arguments):
        numbers, weights, directions, waves = original(*arguments)
        return numbers[::-1], weights[::-1], directions[::-1], waves[:, ::-1, ::-1]

    radii, _ = polar_grid(kernel_size)
    original, expected = radial._waves, radial_profiles(frequency, kernel_size)(radii)
    assert len(expected)
    monkeypatch.setattr(radial, "_waves", backwards)
    radial._steerable.cache_clear()
    profiles = radial_profiles(frequency, kernel_size)(radii)
    radial._steerable.cache_clear()
    np.testing.assert_allclose(profiles, expected, atol=1e-10)
