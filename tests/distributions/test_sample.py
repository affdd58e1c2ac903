"""Samples: their mean, their distribution, and their gradients in direction and concentration."""

import keras
import numpy as np
import pytest
from keras import ops
from scipy import integrate, stats

from keras_gcnn.distributions import angle_sampling, von_mises_fisher
from tests.helpers.gradients import gradient
from tests.helpers.levels import COMPILING, thoroughly
from tests.helpers.von_mises_fisher import references

KAPPAS = np.geomspace(1e-3, 1e5, 4).astype("float32")
DRAWS = 100_000


def draw(mu, kappas, shape=(), seed=0):
    return ops.convert_to_numpy(von_mises_fisher.sample(mu, kappas, seed=seed, shape=shape))


def cosine_moment(function, kappa, dim):
    """Mean of a function of the cosine, by quadrature over the angle."""

    def weight(angle):
        return np.sin(angle) ** (dim - 2) * np.exp(kappa * (np.cos(angle) - 1))

    reach = min(np.pi, 20 * np.sqrt(dim / max(kappa, 1)))

    def total(values):
        return integrate.quad(
            lambda t: values(np.cos(t)) * weight(t), 0, reach, epsabs=0, limit=400
        )[0]

    return total(function) / total(lambda w: 1.0)


def moment_slope(function, kappa, dim):
    """Its derivative by kappa: the covariance with the cosine."""
    mean = cosine_moment(lambda w: w, kappa, dim)
    return cosine_moment(lambda w: (w - mean) * (function(w) - function(mean)), kappa, dim)


@pytest.mark.parametrize("dim", [2, 3, 128, *thoroughly(10, 33, on=COMPILING)])
def test_mean_and_length(dim, rng):
    mu = rng.normal(size=(len(KAPPAS), dim))
    mu[0], mu[1] = np.eye(1, dim), -np.eye(1, dim)  # where a reflection would be singular
    mu = (mu / np.linalg.norm(mu, axis=-1, keepdims=True)).astype("float32")
    sums, batches = np.zeros(len(KAPPAS)), 10
    for seed in range(batches):
        found = draw(mu, KAPPAS[:, None], (DRAWS // batches,), seed).astype("float64")
        assert np.abs(np.linalg.norm(found, axis=-1) - 1).max() <= 1e-6
        sums += np.einsum("nkm,km->k", found, mu.astype("float64"))
    lengths = np.linalg.norm(mu.astype("float64"), axis=-1)
    mean, variance, _ = references(KAPPAS, dim)
    error = np.abs(sums / DRAWS / lengths - mean)
    assert (error <= np.maximum(4 * np.sqrt(variance / DRAWS), 2e-7)).all()


@pytest.mark.parametrize(
    ("dim", "kappa"),
    [(2, 0.7), (10, 12.0), *thoroughly((3, 4.0), (40, 11.0), (5, 0.0), on=COMPILING)],
)
def test_whole_distribution(dim, kappa):
    """Of the cosine, by the test of Kolmogorov; of the direction around the axis, by its mean."""
    mu = np.eye(1, dim)[0]
    found = draw(mu, np.array([kappa]), (20_000,))
    cosines = np.linspace(-1, 1, 2001)
    angles = np.arccos(cosines)
    weights = np.sin(angles) ** (dim - 2) * np.exp(kappa * (cosines - 1))
    below = -integrate.cumulative_simpson(weights[::-1], x=angles[::-1], initial=0)[::-1]
    below = (below - below[0]) / (below[-1] - below[0])
    result = stats.kstest(found[:, 0], lambda w: np.interp(w, cosines, below))
    assert result.pvalue > 1e-3
    lengths = np.linalg.norm(found[:, 1:], axis=-1, keepdims=True)
    across = found[:, 1:] / np.maximum(lengths, 1e-300)  # a sample may be the axis itself
    assert np.abs(across.mean(0)).max() <= 4.5 / np.sqrt(20_000)


# Functions of the cosine, and their derivatives.
FUNCTIONS = {
    "w": (lambda w: w, np.ones_like),
    "square": (lambda w: w**2, lambda w: 2 * w),
    "nonlinear": (
        lambda w: np.exp(-w) + np.sin(3 * w),
        lambda w: 3 * np.cos(3 * w) - np.exp(-w),
    ),
}


@pytest.mark.parametrize(
    ("dim", "kappa"),
    [
        *((2, 1.0), (3, 2.0), (10, 10.0)),
        *thoroughly((2, 30.0), (10, 300.0), (50, 11.0), on=COMPILING),
    ],
)
def test_gradient_in_kappa(dim, kappa):
    """Monte-Carlo derivatives of means are those of the means."""
    number = 40_000
    mu = np.eye(1, dim)[0].astype("float32")
    kappas = np.full((number, 1), kappa, "float32")
    slopes = gradient(lambda k: von_mises_fisher.sample(mu, k, seed=3)[..., 0], kappas)
    slopes = slopes[:, 0].astype("float64")
    cosines = draw(mu, kappas, seed=3)[:, 0].astype("float64")
    for name, (function, derivative) in FUNCTIONS.items():
        found = derivative(cosines) * slopes
        error = abs(found.mean() - moment_slope(function, kappa, dim))
        assert error <= 4 * found.std() / np.sqrt(number) + 1e-5 * abs(found.mean()), name


def test_gradient_in_kappa_of_every_sample():
    """It is the motion of the quantile, seen in the distribution function itself."""
    dim, kappa = 10, 7.0
    mu = np.eye(1, dim)[0]
    kappas = np.full((50, 1), kappa)
    found = gradient(lambda k: von_mises_fisher.sample(mu, k, seed=1)[..., 0], kappas)[:, 0]
    cosines = draw(mu, kappas, seed=1)[:, 0]

    def below(cosine, k):
        def weight(angle):
            return np.sin(angle) ** (dim - 2) * np.exp(k * (np.cos(angle) - 1))

        part, all_of_it = (
            integrate.quad(weight, 0, end, epsabs=1e-13, epsrel=1e-13)[0]
            for end in (np.arccos(cosine), np.pi)
        )
        return 1 - part / all_of_it

    for cosine, slope in zip(cosines, found, strict=True):
        by_kappa = (below(cosine, kappa + 1e-4) - below(cosine, kappa - 1e-4)) / 2e-4
        by_cosine = (below(cosine + 1e-5, kappa) - below(cosine - 1e-5, kappa)) / 2e-5
        assert slope == pytest.approx(-by_kappa / by_cosine, rel=1e-3, abs=1e-7)


def test_gradient_in_mu(rng):
    """E[c.z] = A c.mu for every vector c, and so are the derivatives along the sphere."""
    dim, kappa, number = 6, 5.0, 40_000
    mu, c = rng.normal(size=(2, dim))
    mu /= np.linalg.norm(mu)

    def values(mus):
        draws = von_mises_fisher.sample(mus, np.full((number, 1), kappa), seed=5)
        return ops.sum(draws * ops.convert_to_tensor(c), -1)

    found = gradient(values, np.tile(mu, (number, 1)))
    mean, _, _ = references([kappa], dim)
    expected = mean * (c - (c @ mu) * mu)
    error = np.abs(found.mean(0) - expected)
    assert (error <= 4.5 * found.std(0) / np.sqrt(number)).all()


@pytest.mark.thorough("jax", "tensorflow")
def test_extremes_are_finite():
    """Samples and their gradients, at concentrations from nothing to beyond reason."""
    kappas = np.array([0, 1e-30, 1e-6, 1e6, 1e12, 1e25, np.inf], "float32")[:, None]
    for dim in (2, 3, 1000):
        mu = np.eye(1, dim, dtype="float32")
        found = draw(mu, kappas, (50,))
        assert np.abs(np.linalg.norm(found, axis=-1) - 1).max() <= 1e-6
        slopes = gradient(
            lambda k, mu=mu: von_mises_fisher.sample(mu, k, seed=0, shape=(50,))[..., 0],
            kappas[:-1],
        )
        assert np.isfinite(slopes).all()


@pytest.mark.parametrize("kappa", [-1.0, np.nan])
def test_impossible_concentrations_give_nan(kappa):
    found = draw(np.eye(2, 3), np.array([[kappa], [1.0]]))
    assert np.isnan(found).all(axis=1).tolist() == [True, False]


def test_mean_directions_of_any_length(rng):
    mu = rng.normal(size=(8, 4))
    kappas = np.full((8, 1), 1e6)
    found = draw(5 * mu, kappas)
    assert np.abs(np.linalg.norm(found, axis=-1) - 1).max() <= 1e-6
    np.testing.assert_allclose(found, mu / np.linalg.norm(mu, axis=-1, keepdims=True), atol=1e-2)


@pytest.mark.parametrize("length", [0, 1e-20, 1e-8, 1e-3])
def test_mean_directions_of_next_to_no_length(length):
    """Zero stands for the first axis; gradients are bounded."""
    mu, kappas = length * np.eye(4, dtype="float32"), np.full((4, 1), 1e6, "float32")
    expected = np.eye(4) if length else np.eye(1, 4).repeat(4, axis=0)
    np.testing.assert_allclose(draw(mu, kappas), expected, atol=1e-2)
    kappas = np.ones((4, 1), "float32")
    slopes = gradient(lambda mu: von_mises_fisher.sample(mu, kappas, seed=0), mu)
    assert np.abs(slopes).max() <= 2000
    z = np.full((4, 4), 0.5, "float32")
    slopes = gradient(lambda mu: von_mises_fisher.log_prob(z, mu, kappas), mu)
    assert np.abs(slopes).max() <= 2000


def test_shapes_and_seeds():
    mu, kappas = np.eye(3, 5)[:, None], np.ones((4, 1))
    found = draw(mu, kappas, (2, 6))
    assert found.shape == (2, 6, 3, 4, 5)
    np.testing.assert_array_equal(found, draw(mu, kappas, (2, 6)))
    assert not np.allclose(found, draw(mu, kappas, (2, 6), seed=1))
    stream = keras.random.SeedGenerator(0)
    first, second = (draw(mu, kappas, seed=stream) for _ in range(2))
    assert not np.allclose(first, second)
    assert not np.allclose(draw(mu, kappas, seed=None), draw(mu, kappas, seed=None))


def test_rejected_proposals_are_drawn_again():
    """The acceptance is lowest on the circle; most are left over where it is."""
    refused = 1 - 0.6577
    for number in (1, 24, 25, 64, 1000, 4096, 10**6):
        room = angle_sampling.second_draws(number)
        assert room <= number
        assert stats.binom.sf(room, number, refused**angle_sampling.FIRST) < 1e-12
    assert refused**angle_sampling.PROPOSALS < 2e-12


def test_one_that_is_no_concentration_takes_no_room_of_others():
    kappas = np.full((4096, 1), np.nan, "float32")
    kappas[::2] = 1e5
    found = draw(np.tile(np.eye(1, 2, dtype="float32"), (4096, 1)), kappas)
    assert np.isnan(found[1::2]).all()
    # A refused proposal would be anywhere on the circle.
    assert found[::2, 0].min() > 0.999


@pytest.mark.parametrize(
    ("number", "shape", "expected"), [(0, (), (0, 3)), (0, (5,), (5, 0, 3)), (2, (0,), (0, 2, 3))]
)
def test_nothing_is_drawn_of_nothing(number, shape, expected):
    assert draw(np.ones((number, 3)), np.ones((number, 1)), shape).shape == expected


def test_draws_are_independent():
    """Of each other, and the cosine of the direction."""
    mu = np.eye(1, 3)[0]
    found = draw(mu, np.full((30_000, 1), 2.0))
    correlation = np.corrcoef(np.c_[found[:-1], found[1:]].T) - np.eye(6)
    assert np.abs(correlation).max() <= 4.5 / np.sqrt(30_000)


def test_in_a_compiled_function():
    """With a batch whose size only the graph knows."""
    inputs = [keras.Input((5,)), keras.Input((1,))]

    class Draw(keras.layers.Layer):
        def call(self, both):
            return von_mises_fisher.sample(*both, seed=7)

        def compute_output_shape(self, shapes):
            return shapes[0]

    model = keras.Model(inputs, Draw()(inputs))
    jit = keras.backend.backend() != "torch"
    model.compile(jit_compile=jit)
    found = model.predict([np.eye(4, 5), np.full((4, 1), 1e9)], batch_size=3, verbose=0)
    np.testing.assert_allclose(found, np.eye(4, 5), atol=1e-3)


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="JAX exports for symbolic sizes")
def test_jax_exports_samples_of_any_number():
    import jax

    mu = np.array([0.6, 0.0, 0.8], "float32")

    def draw(kappa):
        return von_mises_fisher.sample(mu, kappa, seed=3)

    (number,) = jax.export.symbolic_shape("number")
    exported = jax.export.export(jax.jit(draw))(jax.ShapeDtypeStruct((number, 1), "float32"))
    for kappa in (0.5, 20.0):
        found = np.asarray(exported.call(np.full((4000, 1), kappa, "float32")))
        np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
        mean = (1 / np.tanh(kappa) - 1 / kappa) * mu  # of the distribution in three dimensions
        np.testing.assert_allclose(found.mean(axis=0), mean, atol=4 / np.sqrt(len(found)))
