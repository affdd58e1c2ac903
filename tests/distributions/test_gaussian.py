"""The normal distribution: density, divergence, samples and their gradients."""

import keras
import numpy as np
import pytest
from keras import ops
from scipy import stats

from keras_gcnn.distributions import gaussian
from tests.helpers.gradients import gradient


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


@pytest.fixture
def pair(rng):
    return rng.normal(size=(5, 3)).astype("float32"), rng.normal(size=(5, 3)).astype("float32")


def test_density(pair, rng):
    mean, log_variance = pair
    z = rng.normal(size=(7, 5, 3)).astype("float32")
    expected = stats.norm(mean, np.exp(log_variance / 2)).logpdf(z).sum(-1)
    np.testing.assert_allclose(numpy(gaussian.log_prob(z, *pair)), expected, rtol=1e-4)


def test_divergence_is_the_mean_of_the_difference_of_densities(pair):
    mean, log_variance = (one.astype("float64") for one in pair)
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    z = mean[..., None] + np.exp(log_variance / 2)[..., None] * nodes
    own = stats.norm(mean[..., None], np.exp(log_variance / 2)[..., None])
    difference = own.logpdf(z) - stats.norm.logpdf(z)
    expected = (difference @ weights / weights.sum()).sum(-1)
    np.testing.assert_allclose(numpy(gaussian.kl_to_standard(*pair)), expected, rtol=1e-4)


def test_no_divergence_from_itself():
    assert float(ops.sum(gaussian.kl_to_standard(np.zeros((1, 3)), np.zeros((1, 3))))) == 0
    near = numpy(gaussian.kl_to_standard(np.zeros((1, 1), "float32"), np.full((1, 1), 1e-3, "f4")))
    assert near.item() == pytest.approx(1e-6 / 4, rel=2e-3)  # log_variance^2 / 4


def test_samples_and_their_gradients(pair):
    mean, log_variance = pair
    drawn = numpy(gaussian.sample(*pair, seed=0, shape=(20_000,)))
    spread = np.exp(log_variance / 2)
    assert (np.abs(drawn.mean(0) - mean) < 5 * spread / 20_000**0.5).all()
    np.testing.assert_allclose(drawn.std(0), spread, rtol=0.05)
    slopes = gradient(lambda mean: gaussian.sample(mean, log_variance, seed=0), mean)
    np.testing.assert_allclose(slopes, 1)
    slopes = gradient(lambda other: gaussian.sample(mean, other, seed=0), log_variance)
    drawn = numpy(gaussian.sample(*pair, seed=0))
    np.testing.assert_allclose(slopes, (drawn - mean) / 2, rtol=1e-3, atol=1e-5)


def test_integers_are_numbers_of_floatx():
    mean, log_variance = np.array([[1, -2, 3]]), np.array([[0, 1, 2]])
    whole = [mean.astype("float32"), log_variance.astype("float32")]
    for function in (gaussian.kl_to_standard, lambda *pair: gaussian.sample(*pair, seed=0)):
        np.testing.assert_allclose(
            numpy(function(mean, log_variance)), numpy(function(*whole)), rtol=1e-6
        )


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_computed_in_float32(dtype):
    """The divergence is tiny, 1e-4 for each coordinate, or the variance beyond float16."""
    small, large = ops.full((1, 8), 0.02, dtype), ops.full((1, 8), 12.0, dtype)
    found = gaussian.kl_to_standard(ops.zeros_like(small), small)
    assert keras.backend.standardize_dtype(found.dtype) == dtype
    assert float(found[0]) == pytest.approx(4 * (np.expm1(0.02) - 0.02), rel=0.02)
    density = gaussian.log_prob(300 * ops.ones_like(large), ops.zeros_like(large), large)
    assert float(density[0]) == pytest.approx(8 * stats.norm(0, np.exp(6)).logpdf(300), rel=0.01)
    sample = gaussian.sample(ops.zeros_like(large), large, seed=0)
    assert keras.backend.standardize_dtype(sample.dtype) == dtype


def test_a_number_of_samples(pair):
    shapes = [numpy(gaussian.sample(*pair, seed=0, shape=shape)).shape for shape in (4, (4,), [4])]
    assert shapes == [(4, 5, 3)] * 3
