"""Mean, divergence, density and entropy against forty digits and against SciPy."""

import math

import keras
import numpy as np
import pytest
from keras import ops
from scipy import integrate, stats

from keras_gcnn.distributions import von_mises_fisher
from tests.helpers.gradients import gradient, hessian
from tests.helpers.levels import COMPILING, thoroughly
from tests.helpers.von_mises_fisher import curvatures, references

DIMS = (2, 3, 10, 128, *thoroughly(4, 7, 21, 22, 41, 50, 64, on=COMPILING))
KAPPAS = np.geomspace(1e-4, 1e5, 19).astype("float32")


def numpy(tensor):
    return ops.convert_to_numpy(tensor).astype("float64")


def worst(actual, expected):
    return np.abs(numpy(actual) / expected - 1).max()


@pytest.mark.parametrize("dim", DIMS)
@pytest.mark.parametrize(
    ("dtype", "of_mean", "of_divergence", "of_slope"),
    [("float32", 1e-6, 1e-5, 1e-4), ("float64", 1e-12, 1e-12, 1e-12)],
)
def test_against_forty_digits(dim, dtype, of_mean, of_divergence, of_slope):
    kappas = KAPPAS.astype(dtype)
    mean, slope, divergence = references(kappas, dim)
    assert worst(von_mises_fisher.mean_resultant_length(kappas, dim), mean) <= of_mean
    assert worst(von_mises_fisher.kl_to_uniform(kappas, dim), divergence) <= of_divergence
    found = gradient(lambda k: von_mises_fisher.mean_resultant_length(k, dim), kappas)
    assert worst(found, slope) <= of_slope
    found = gradient(lambda k: von_mises_fisher.kl_to_uniform(k, dim), kappas)
    assert worst(found, kappas * slope) <= of_slope


@pytest.mark.parametrize("dim", [2, 10, *thoroughly(3, 128)])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-4), ("float64", 1e-12)])
def test_second_derivatives(dim, dtype, tolerance):
    """In kappa, of the mean A, of the divergence, whose first one is kappa A', and of 1 - A."""
    kappas, mu = KAPPAS[::6].astype(dtype), np.eye(1, dim, dtype=dtype)
    _, slope, _ = references(kappas, dim)
    curvature = curvatures(kappas, dim)

    def functions(k):
        return (
            von_mises_fisher.mean_resultant_length(k, dim),
            von_mises_fisher.kl_to_uniform(k, dim),
            von_mises_fisher.log_prob(mu, mu, k[:, None]),
        )

    expected = curvature, slope + kappas * curvature, -slope
    for i, (second, scale) in enumerate(zip(expected, (curvature, slope, slope), strict=True)):
        found = np.diag(hessian(lambda k, i=i: ops.sum(functions(k)[i]), kappas))
        np.testing.assert_allclose(found / scale, second / scale, rtol=0, atol=tolerance)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("dim", [2, 3, 10, 1000, *thoroughly(128, on=COMPILING)])
def test_from_nothing_to_beyond_reason(dim, dtype):
    """Finite, in its bounds and growing, far outside the range in which it is exact."""
    if dtype == "float16":
        kappas = np.r_[0, np.geomspace(1e-4, 6e4, 60)]
    else:
        kappas = np.r_[0, np.geomspace(1e-15, 1e12, 200)]
    kappas = ops.cast(kappas, dtype)
    mean = numpy(ops.cast(von_mises_fisher.mean_resultant_length(kappas, dim), "float32"))
    divergence = numpy(ops.cast(von_mises_fisher.kl_to_uniform(kappas, dim), "float32"))
    assert mean[0] == divergence[0] == 0
    assert mean.max() <= 1
    for values in (mean, divergence):
        assert values.min() >= 0
        assert np.isfinite(values).all()
        assert (np.diff(values) >= -2e-6 * values[1:]).all()


@pytest.mark.parametrize("dim", [2, 3, 10, *thoroughly(5, 20, on=COMPILING)])
def test_density_against_scipy(dim, rng):
    kappas = [1e-3, 0.5, 3.0, 40.0, 300.0]
    direction = rng.normal(size=dim)
    direction /= np.linalg.norm(direction)
    for kappa in kappas:
        points = stats.vonmises_fisher(direction, kappa).rvs(20, random_state=rng)
        expected = stats.vonmises_fisher(direction, kappa).logpdf(points)
        actual = von_mises_fisher.log_prob(points, direction, np.array([kappa]))
        np.testing.assert_allclose(numpy(actual), expected, rtol=1e-9, atol=1e-9)
        expected = stats.vonmises_fisher(direction, kappa).entropy()
        actual = von_mises_fisher.entropy(np.array(kappa), dim)
        np.testing.assert_allclose(numpy(actual), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("dim", [3, 10, 50])
@pytest.mark.parametrize("kappa", [0.0, 0.3, 10.0, 1e4])
def test_density_is_one_in_all(dim, kappa, dtype):
    """Over all angles to the mean direction, with the circles at each."""
    reach = min(math.pi, 14 * math.sqrt(dim / max(kappa, 1)))
    angles, step = np.linspace(1e-9, reach, 4001, retstep=True)
    points = np.zeros((len(angles), dim))
    points[:, 0], points[:, 1] = np.cos(angles), np.sin(angles)
    density = von_mises_fisher.log_prob(
        points.astype(dtype), np.eye(1, dim)[0].astype(dtype), np.array([kappa], dtype)
    )
    circle = math.log(2) + (dim - 1) / 2 * math.log(math.pi) - math.lgamma((dim - 1) / 2)
    values = np.exp(numpy(density) + circle + (dim - 2) * np.log(np.sin(angles)))
    tolerance = 1e-4 if dtype == "float32" else 1e-8
    assert integrate.simpson(values, dx=step) == pytest.approx(1, abs=tolerance)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kappa", [0.2, 5.0, 1e3])
def test_gradients_of_the_density(kappa, dtype, rng):
    """Along the sphere that of `kappa mu.z`, in kappa `mu.z - A`."""
    dim = 6
    z, mu = (one / np.linalg.norm(one) for one in rng.normal(size=(2, dim)))
    z, mu, concentration = z.astype(dtype), mu.astype(dtype), np.array([kappa], dtype)

    def along(vector, point):
        return vector - (vector @ point) * point

    found = gradient(lambda z: von_mises_fisher.log_prob(z, mu, concentration), z)
    np.testing.assert_allclose(along(found, z), along(kappa * mu, z), rtol=1e-4, atol=1e-5)
    found = gradient(lambda mu: von_mises_fisher.log_prob(z, mu, concentration), mu)
    np.testing.assert_allclose(along(found, mu), along(kappa * z, mu), rtol=1e-4, atol=1e-5)
    found = gradient(lambda k: von_mises_fisher.log_prob(z, mu, k), concentration)
    mean, _, _ = references([kappa], dim)
    np.testing.assert_allclose(found, z @ mu - mean, rtol=1e-4, atol=1e-6)


def test_leading_axes_broadcast(rng):
    mu, z = rng.normal(size=(2, 5, 1, 4))
    kappas = rng.uniform(1, 9, (3, 1))
    found = numpy(
        von_mises_fisher.log_prob(z / np.linalg.norm(z, axis=-1, keepdims=True), mu, kappas)
    )
    assert found.shape == (5, 3)
    one = von_mises_fisher.log_prob(z[4, 0] / np.linalg.norm(z[4, 0]), mu[4, 0], kappas[1])
    assert found[4, 1] == pytest.approx(float(one))


@pytest.mark.parametrize("kappa", [-1.0, np.nan])
def test_impossible_concentrations_give_nan(kappa):
    kappas = np.array([kappa, 1.0], "float32")
    for function in (
        von_mises_fisher.kl_to_uniform,
        von_mises_fisher.mean_resultant_length,
        von_mises_fisher.entropy,
    ):
        assert np.isnan(numpy(function(kappas, 3))).tolist() == [True, False]
    mu = np.eye(2, 3, dtype="float32")
    found = von_mises_fisher.log_prob(mu, mu, kappas[:, None])
    assert np.isnan(numpy(found)).tolist() == [True, False]


def test_an_infinite_concentration_is_a_large_one():
    assert float(von_mises_fisher.mean_resultant_length(np.float32(np.inf), 5)) == 1
    assert np.isfinite(float(von_mises_fisher.kl_to_uniform(np.float32(np.inf), 5)))


@pytest.mark.parametrize("dim", [1, 0, -3, 2.0, True, None, "3"])
def test_no_dimension(dim):
    for function in (
        von_mises_fisher.kl_to_uniform,
        von_mises_fisher.mean_resultant_length,
        von_mises_fisher.entropy,
    ):
        with pytest.raises(ValueError, match="has to be an integer from 2"):
            function(1.0, dim)


def test_wrong_shapes():
    mu, kappa = np.eye(2, 3), np.ones((2, 1))
    with pytest.raises(ValueError, match=r"kappa of shape \(2,\) .* kappa\[\.\.\., None\]"):
        von_mises_fisher.log_prob(mu, mu, kappa[:, 0])
    with pytest.raises(ValueError, match=r"mu of shape \(2, 1\)"):
        von_mises_fisher.sample(mu[:, :1], kappa)
    with pytest.raises(ValueError, match=r"mu of shape \(\)"):
        von_mises_fisher.sample(1.0, kappa)
    with pytest.raises(ValueError, match="z has 2 dimensions and mu 3"):
        von_mises_fisher.log_prob(mu[:, :2], mu, kappa)


def test_a_seed_below_zero():
    with pytest.raises(ValueError, match="seed=-1 has to be an integer from 0"):
        von_mises_fisher.sample(np.eye(1, 3), [[1.0]], seed=-1, shape=3)


def test_dtypes():
    for dtype in ("float16", "bfloat16", "float32", "float64"):
        mu = ops.cast(np.eye(2, 3), dtype)
        kappa = ops.cast(np.ones((2, 1)), dtype)
        for found in (
            von_mises_fisher.sample(mu, kappa, seed=0),
            von_mises_fisher.log_prob(mu, mu, kappa),
            von_mises_fisher.kl_to_uniform(kappa, 3),
        ):
            assert keras.backend.standardize_dtype(found.dtype) == dtype
