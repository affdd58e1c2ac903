"""The variational autoencoder: how its outputs turn, its loss, its size, what it offers."""

import math

import keras
import numpy as np
import pytest
from scipy import special

from keras_gcnn import zoo
from keras_gcnn.analysis.precision import dtype_policy
from keras_gcnn.distributions import von_mises_fisher
from tests.helpers.cubic import rotate
from tests.helpers.levels import COMPILING, thoroughly
from tests.zoo.autoencoders import numbers, outputs, small
from tests.zoo.networks import compiled, count, images

POSTERIORS = pytest.mark.parametrize("posterior", ["vmf", *thoroughly("gaussian", on=COMPILING)])


@pytest.mark.parametrize(
    ("group", "size"),
    [
        *(("c6", 28), ("p4", 29), ("o2", 33)),
        *thoroughly(("so2", 28), ("p4", 32), ("p4m", 28), on=COMPILING),
    ],
)
def test_quarter_turns(group, size):
    """Latent vectors do not see them; the direction and what is drawn turn with the image."""
    with dtype_policy("float64"):
        orientation = group not in ("p4m", "o2")  # which have mirror images, and so no direction
        model = small(group, input_shape=(size, size, 1), orientation=orientation)
    x = images((size, size, 1), n=2).astype("float64")
    turned = [np.rot90(x, turns, (1, 2)) for turns in range(0, 4, 2 if group == "c6" else 1)]
    mirrored = [] if orientation else [one[:, ::-1] for one in turned]
    moved = np.concatenate([*turned, *mirrored])
    every = len(moved) // 2
    found = {name: np.stack(np.split(one, every)) for name, one in outputs(model, moved).items()}
    for name in ("mean", "concentration"):
        values = found[name]
        assert name != "mean" or np.ptp(values[0], axis=0).max() > 1e-6
        assert np.abs(values - values[0]).max() <= 1e-10 * np.abs(values).max()
    assert found["logits"].shape == (every, 2, size, size, 1)
    if not orientation:
        return
    upright, logits = found["orientation"][0], found["logits"]
    np.testing.assert_allclose(np.linalg.norm(upright, axis=-1), 1, atol=1e-6)
    for number in range(1, every):
        turns = number * 4 // every
        quarter = np.linalg.matrix_power([[0.0, -1.0], [1.0, 0.0]], turns)
        np.testing.assert_allclose(found["orientation"][number], upright @ quarter.T, atol=1e-10)
        drawn = np.rot90(logits[0], turns, (1, 2))
        assert np.abs(logits[number] - drawn).max() <= 1e-9 * np.abs(drawn).max()


@POSTERIORS
def test_an_encoder_averaged_over_poses(posterior, tmp_path):
    """Outputs are the means over the image and the image at 45 degrees; directions are unit."""
    plain = small("p4", posterior=posterior, orientation=True)
    model = plain.symmetrized("c8", already="p4")
    x = images((28, 28, 1), n=2)
    turned = np.stack([rotate(one, math.pi / 4) for one in x]).astype("float32")
    first, second = (plain.encoder(one) for one in (x, turned))
    expected = {name: (numbers(first[name]) + numbers(second[name])) / 2 for name in first}
    eighth = np.array([[1, -1], [1, 1]]) / 2**0.5  # rotates (x, y) columns by 45 degrees
    back = numbers(second["orientation"]) @ eighth  # which is the inverse for rows
    expected["orientation"] = (numbers(first["orientation"]) + back) / 2
    for name in ("orientation", *(("mean",) if posterior == "vmf" else ())):
        expected[name] /= np.linalg.norm(expected[name], axis=-1, keepdims=True)
    found = outputs(model, x)
    assert found.keys() == expected.keys() | {"logits"}
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, atol=2e-5 * np.abs(values).max())
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded.embed(x), found["mean"], rtol=1e-5, atol=1e-6)


def test_an_averaged_encoder_is_at_the_same_step():
    schedule = keras.optimizers.schedules.PolynomialDecay(0.0, 10, 1.0)
    plain = small("z2", variant="mlp", widths=(2, 2), decoder_widths=(2, 2), beta=schedule)
    plain._steps.assign(5)
    assert float(plain.symmetrized("p4").current_beta()) == 0.5


@pytest.mark.thorough("jax", "tensorflow")
def test_an_ordinary_encoder_sees_them():
    model = small("z2")
    x = images((28, 28, 1))
    upright, turned = (outputs(model, one)["mean"] for one in (x, np.rot90(x, 1, (1, 2))))
    assert np.abs(turned - upright).max() > 0.01 * np.abs(upright).max()


@POSTERIORS
def test_the_loss_by_hand(posterior, rng):
    model = small(posterior=posterior, beta=0.3)
    model.compile("sgd", metrics=["mse"])
    x, target = images((28, 28, 1)), images((28, 28, 1), seed=2) ** 4
    weights = np.array([1.0, 0.0, 3.0, 0.5], "float32")
    found = outputs(model, x)
    logits = found["logits"].astype("float64")
    drawn = special.expit(logits)
    # Of black and of white, so written that neither is the logarithm of zero.
    black, white = (np.logaddexp(0, sign * logits) for sign in (1, -1))
    own = target * white + (1 - target) * black
    reconstruction = own.sum((1, 2, 3))
    if posterior == "vmf":
        kl = numbers(von_mises_fisher.kl_to_uniform(found["concentration"], 3))[:, 0]
    else:
        variance = np.exp(found["log_variance"])
        kl = (variance + found["mean"] ** 2 - 1 - found["log_variance"]).sum(-1) / 2
    loss = reconstruction + 0.3 * kl
    logs = model.evaluate(x, target, verbose=0, return_dict=True)
    assert logs["reconstruction"] == pytest.approx(reconstruction.mean(), rel=1e-4)
    assert logs["kl"] == pytest.approx(kl.mean(), rel=1e-4)
    assert logs["loss"] == pytest.approx(loss.mean(), rel=1e-4)
    assert logs["mse"] == pytest.approx(((drawn - target) ** 2).mean(), rel=1e-3)
    logs = model.evaluate(x, target, sample_weight=weights, verbose=0, return_dict=True)
    assert logs["loss"] == pytest.approx((weights * loss).mean(), rel=1e-4)
    logs = model.evaluate(x, verbose=0, return_dict=True)
    assert logs["reconstruction"] != pytest.approx(reconstruction.mean(), rel=1e-3)


def test_methods(autoencoder):
    model = autoencoder
    x = images((28, 28, 1))
    assert model.embed(x).shape == (4, 3)
    np.testing.assert_allclose(np.linalg.norm(model.embed(x), axis=-1), 1, atol=1e-5)
    drawn = model.reconstruct(x)
    assert drawn.shape == x.shape
    np.testing.assert_allclose(drawn, special.expit(outputs(model, x)["logits"]), atol=1e-5)
    samples = model.sample(5, seed=1)
    assert samples.shape == (5, 28, 28, 1)
    np.testing.assert_array_equal(samples, model.sample(5, seed=1))
    assert np.abs(samples - model.sample(5, seed=2)).max() > 0
    assert model.encoder.input_shape == (None, 28, 28, 1)
    assert model.decoder.input_shape == (None, 3)
    assert model.latent_dim == 3


def test_no_images_have_no_vectors(autoencoder):
    model, none = autoencoder, np.zeros((0, 28, 28, 1), "float32")
    assert model.embed(none).shape == (0, model.latent_dim)
    assert model.reconstruct(none).shape == none.shape


@pytest.mark.thorough("jax", "tensorflow")
@pytest.mark.parametrize(
    ("group", "orientation"),
    [("c6", True), ("z2", False), ("p4", True), *thoroughly(("so2", False), ("d8", False))],
)
def test_a_budget_is_met(group, orientation):
    model = zoo.vae(group, parameters=150_000, orientation=orientation)
    assert 0.98 * 150_000 <= count(model) <= 150_000


@pytest.mark.thorough("jax", "tensorflow")
@pytest.mark.parametrize("group", ["so2", "p4"])
def test_channels_first_computes_the_same(group):
    last = small(group, input_shape=(28, 30, 2), orientation=group == "p4")
    first = small(
        group, input_shape=(2, 28, 30), data_format="channels_first", orientation=group == "p4"
    )
    # The dense layer of the decoder makes channels-first maps, in another order.
    values = last.get_weights()
    (index,) = (i for i, one in enumerate(last.weights) if one.path.endswith("dense/kernel"))
    values[index] = values[index].reshape(3, 7, 8, 4).transpose(0, 3, 1, 2).reshape(3, -1)
    first.set_weights(values)
    x = images((28, 30, 2))
    found, expected = outputs(first, x.transpose(0, 3, 1, 2)), outputs(last, x)
    # Before it is turned by a direction, which without training is the small rest of large numbers.
    z = expected["mean"]
    found["logits"], expected["logits"] = (
        numbers(compiled(model.decoder)(z)) for model in (first, last)
    )
    for name, value in found.items():
        value = value.transpose(0, 2, 3, 1) if name == "logits" else value
        assert np.abs(value - expected[name]).max() <= 1e-5 * np.abs(expected[name]).max()


def test_dense_layers():
    """Two hidden layers on either side: the network of Davidson et al. 2018, section 5.2."""
    model = zoo.vae("z2", variant="mlp", latent_dim=11)
    encoder = 785 * 256 + 257 * 128 + 129 * 12
    decoder = 12 * 128 + 129 * 256 + 257 * 784
    assert count(model) == encoder + decoder
    assert model.reconstruct(images((28, 28, 1))).shape == (4, 28, 28, 1)
    small = zoo.vae(
        "z2",
        variant="mlp",
        parameters=300_000,
        data_format="channels_first",
        input_shape=(1, 20, 24),
    )
    assert 0.98 * 300_000 <= count(small) <= 300_000
    assert small.decoder.output_shape == (None, 1, 20, 24)


@pytest.mark.parametrize("variant", [None, "mlp"])
def test_the_decoder_scales_latent_vectors(variant, rng):
    arguments = {"latent_dim": 5, "variant": variant}
    if variant is None:
        arguments["decoder_widths"] = (4, 3, 3)
    plain, scaled = (zoo.vae("z2", latent_scale=scale, **arguments).decoder for scale in (1.0, 3.0))
    scaled.set_weights(plain.get_weights())
    z = rng.normal(size=(4, 5)).astype("float32")
    found, expected = (numbers(compiled(each)(x)) for each, x in ((scaled, z), (plain, 3 * z)))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
