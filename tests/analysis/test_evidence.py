"""Likelihoods against integrals over the latent space, which two dimensions allow."""

import keras
import numpy as np
import pytest
from scipy import special, stats

from keras_gcnn import analysis, zoo
from tests.helpers.levels import COMPILING, thoroughly


def numpy(tensor):
    return keras.ops.convert_to_numpy(tensor).astype("float64")


@pytest.fixture(scope="module")
def images():
    return (np.random.default_rng(0).random((3, 28, 28, 1)) < 0.2).astype("float32")


def model(posterior, **arguments):
    keras.utils.set_random_seed(1)
    widths = {"widths": (2, 2, 2), "decoder_widths": (4, 4, 4)}
    found = zoo.vae("p4", posterior, latent_dim=2, **widths, **arguments)
    dense = found.decoder.get_layer("dense")
    # So that z matters, but not so much that a few samples decide.
    dense.kernel.assign(dense.kernel * {"vmf": 3, "gaussian": 0.3}[posterior])
    return found


def log_pixels(network, z, images, direction=None):
    """Log-probability of every image, column, at every latent vector, row."""
    columns = []
    for index, image in enumerate(images.astype("float64")):
        if direction is not None:
            turned = np.repeat(direction[index][None], len(z), axis=0)
            logits = numpy(network.draw(z.astype("float32"), turned))
        elif index == 0:  # then it draws the same for all images
            logits = numpy(network.draw(z.astype("float32")))
        chance = np.where(image == 1, special.expit(logits), special.expit(-logits))
        columns.append(np.log(chance).sum((1, 2, 3)))
    return np.stack(columns, axis=-1)


def estimate(network, images, **options):
    """Several estimates, whose spread shows how far their mean may be off."""
    return [
        analysis.evidence(network, images, samples=500, seed=seed, **options) for seed in range(8)
    ]


def check(estimates, name, expected):
    values = np.array([getattr(one, name) for one in estimates])
    assert abs(values.mean() - expected) < 4 * values.std(ddof=1) / len(values) ** 0.5


@pytest.mark.thorough("jax")
@pytest.mark.parametrize("orientation", [True, *thoroughly(False, on=COMPILING)])
def test_on_the_circle(images, orientation):
    network = model("vmf", orientation=orientation)
    angles = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    z = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    found = network.encoder(images)
    direction = numpy(found["orientation"]).astype("float32") if orientation else None
    log = log_pixels(network, z, images, direction)
    expected = special.logsumexp(log, axis=0) - np.log(len(z))
    mean, kappa = numpy(found["mean"]), numpy(found["concentration"])[:, 0]
    density = np.exp(kappa * (z @ mean.T)) / (2 * np.pi * special.i0(kappa))
    weights = density * (2 * np.pi / len(z))
    bound = (weights * (log - np.log(2 * np.pi) - np.log(density))).sum(axis=0)
    estimates = estimate(network, images)
    check(estimates, "log_likelihood", expected.mean())
    check(estimates, "bound", bound.mean())


@pytest.mark.thorough("jax", "tensorflow")
def test_in_the_plane(images):
    network = model("gaussian")
    # About as wide as the prior: where no samples fall, importance sampling sees nothing.
    head = {name: network.encoder.get_layer(name) for name in ("mean", "log_variance")}
    head["mean"].kernel.assign(head["mean"].kernel * 0.1)
    head["log_variance"].kernel.assign(head["log_variance"].kernel * 0)
    head["log_variance"].bias.assign(head["log_variance"].bias + 0.3)
    line = np.linspace(-6, 6, 61)
    z = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    log = log_pixels(network, z, images)
    prior = stats.norm.logpdf(z).sum(-1)[:, None] + 2 * np.log(line[1] - line[0])
    expected = special.logsumexp(log + prior, axis=0)
    estimates = estimate(network, images, batch_size=2)
    check(estimates, "log_likelihood", expected.mean())
    assert all(one.bound < one.log_likelihood for one in estimates)


def test_no_sample_matters_where_the_posterior_is_the_prior(images):
    network = model("gaussian")
    for layer in map(network.encoder.get_layer, ("mean", "log_variance")):
        layer.kernel.assign(layer.kernel * 0)
    last = network.decoder.get_layer("logits")
    last.kernel.assign(last.kernel * 0)
    last.bias.assign(last.bias - 1)
    white = images.sum((1, 2, 3))
    chance = special.expit(-1.0)
    expected = white * np.log(chance) + (28 * 28 - white) * np.log(1 - chance)
    found = analysis.evidence(network, images, samples=3)
    error = expected.std(ddof=1) / len(images) ** 0.5
    assert (found.bound, found.log_likelihood) == pytest.approx((expected.mean(),) * 2, rel=1e-5)
    assert (found.bound_error, found.log_likelihood_error) == pytest.approx((error,) * 2, rel=1e-3)


@pytest.mark.thorough("jax", "tensorflow")
def test_the_same_seed_gives_the_same(images):
    network = model("vmf")
    first, again, other = (
        analysis.evidence(network, images, samples=7, seed=seed) for seed in (0, 0, 1)
    )
    assert first == again
    assert first != other


def test_mistakes(images):
    with pytest.raises(ValueError, match="0 images and 5 samples"):
        analysis.evidence(model("vmf"), images[:0], samples=5)
    with pytest.raises(ValueError, match="3 images and 0 samples"):
        analysis.evidence(model("vmf"), images, samples=0)
