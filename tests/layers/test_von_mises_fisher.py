"""Layers for latent variables on the sphere."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_gcnn.distributions import von_mises_fisher
from keras_gcnn.layers import KLToUniform, VonMisesFisherHead, VonMisesFisherSampling
from tests.helpers.gradients import gradient
from tests.helpers.levels import COMPILING, thoroughly


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


@pytest.fixture
def pair(rng):
    mu = rng.normal(size=(6, 4)).astype("float32")
    return mu / np.linalg.norm(mu, axis=-1, keepdims=True), np.full((6, 1), 5.0, "float32")


def autoencoder():
    """Draws around directions found in the input, and reads the input from them."""
    inputs = keras.Input((4,))
    mu, kappa = VonMisesFisherHead(5, name="posterior")(inputs)
    kappa = KLToUniform(5, beta=0.1)(kappa)
    z = VonMisesFisherSampling(seed=1)([mu, kappa])
    return keras.Model(inputs, keras.layers.Dense(4)(z))


@pytest.mark.parametrize("scale", [0.0, 1.0, *thoroughly(1e-20, 1e4, on=COMPILING)])
def test_the_head_gives_directions_and_concentrations(scale, rng):
    head = VonMisesFisherHead(3, least=0.5)
    features = scale * rng.normal(size=(50, 8)).astype("float32")
    mu, kappa = map(numpy, head(features))
    np.testing.assert_allclose(np.linalg.norm(mu, axis=-1), 1, atol=1e-6)
    assert scale > 0 or (mu == [1, 0, 0]).all()
    assert kappa.min() >= 0.5
    slopes = gradient(lambda x: ops.sum(head(x)[0]) + ops.sum(head(x)[1]), features)
    assert np.abs(slopes).max() < 20


def test_the_head_by_hand(rng):
    head = VonMisesFisherHead(3, least=2.0)
    x = rng.normal(size=(4, 5)).astype("float32")
    mu, kappa = head(x)
    weights = {one.path.split("/")[-2] + "/" + one.name: numpy(one) for one in head.weights}
    direction = x @ weights["direction/kernel"]
    expected = direction / np.linalg.norm(direction, axis=-1, keepdims=True)
    np.testing.assert_allclose(numpy(mu), expected, atol=1e-5)
    expected = np.log1p(np.exp(x @ weights["concentration/kernel"])) + 2
    np.testing.assert_allclose(numpy(kappa), expected, rtol=1e-5)


def test_it_draws_in_training_only(pair):
    mu, kappa = pair
    layer = VonMisesFisherSampling(seed=0)
    np.testing.assert_array_equal(numpy(layer([mu, kappa])), mu)
    np.testing.assert_array_equal(numpy(layer([mu, kappa], training=False)), mu)
    first, second = (numpy(layer([mu, kappa], training=True)) for _ in range(2))
    assert np.abs(first - mu).max() > 0.1
    assert np.abs(first - second).max() > 0.1
    np.testing.assert_allclose(np.linalg.norm(first, axis=-1), 1, atol=1e-6)
    told = VonMisesFisherSampling(seed=0, at_inference="sample")
    np.testing.assert_array_equal(numpy(told([mu, kappa])), first)


def test_several_samples(pair):
    mu, kappa = pair
    layer = VonMisesFisherSampling(samples=4000, seed=0)
    assert layer.compute_output_shape([(None, 4), (None, 1)]) == (None, 4000, 4)
    drawn = numpy(layer([mu, kappa], training=True))
    length = float(von_mises_fisher.mean_resultant_length(5.0, 4))
    np.testing.assert_allclose(drawn.mean(1), length * mu, atol=0.05)
    assert layer([mu, kappa]).shape == (6, 4000, 4)


@pytest.mark.parametrize("beta", [0.0, 0.3])
def test_the_divergence_is_added_to_the_loss(beta):
    layer = KLToUniform(7, beta=beta)
    kappa = np.array([[1.0], [20.0]], "float32")
    np.testing.assert_array_equal(numpy(layer(kappa)), kappa)
    (loss,) = layer.losses
    expected = beta * numpy(von_mises_fisher.kl_to_uniform(kappa, 7)).mean()
    assert float(loss) == pytest.approx(expected)


def test_a_model_learns_saves_and_loads(tmp_path, rng):
    x = rng.normal(size=(256, 4)).astype("float32")
    x /= np.linalg.norm(x, axis=-1, keepdims=True)
    model = autoencoder()
    model.compile(keras.optimizers.Adam(0.02), "mse")
    history = model.fit(x, x, epochs=12, batch_size=64, verbose=0).history["loss"]
    assert history[-1] < 0.8 * history[0]
    path = tmp_path / "model.keras"
    model.save(path)
    loaded = keras.saving.load_model(path)
    np.testing.assert_allclose(
        loaded.predict(x, verbose=0), model.predict(x, verbose=0), rtol=1e-5, atol=1e-6
    )
    assert loaded.get_layer("posterior").least == 1


@pytest.mark.parametrize(
    "layer",
    [
        VonMisesFisherHead(3, least=2, kernel_initializer="he_normal", kernel_regularizer="l2"),
        VonMisesFisherSampling(samples=3, at_inference="sample", seed=4),
        KLToUniform(3, beta=0.5),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_configurations(layer):
    config = layer.get_config()
    again = type(layer).from_config(config)
    assert again.get_config() == config


@pytest.mark.parametrize(
    "policy", ["mixed_float16", *thoroughly("mixed_bfloat16", "float64", on=COMPILING)]
)
def test_other_dtypes(policy, pair):
    keras.config.set_dtype_policy(policy)
    try:
        model = autoencoder()
        model.compile("sgd", "mse")
        x = np.ones((8, 4), "float32")
        assert np.isfinite(model.train_on_batch(x, x))
    finally:
        keras.config.set_dtype_policy("float32")


def test_mistakes():
    with pytest.raises(ValueError, match="dim=1 has to be an integer from 2"):
        VonMisesFisherHead(1)
    with pytest.raises(ValueError, match="least=-1 has to be a number from 0"):
        VonMisesFisherHead(3, least=-1)
    with pytest.raises(ValueError, match="dim=1 has to be an integer from 2"):
        KLToUniform(1)
    with pytest.raises(ValueError, match="beta=-1 has to be a number from 0"):
        KLToUniform(3, beta=-1)
    with pytest.raises(ValueError, match="at_inference"):
        VonMisesFisherSampling(at_inference="mode")
    with pytest.raises(ValueError, match="takes a pair"):
        VonMisesFisherSampling()(np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"has to be \(2, 1\)"):
        VonMisesFisherSampling()([np.ones((2, 3)), np.ones((2, 3))])


def test_half_precision_has_directions_too():
    """Of vectors that are zero, tiny, or whose squares half precision cannot hold."""
    head = VonMisesFisherHead(3, kernel_initializer="ones", dtype="float16")
    for value in (0.0, 1e-6, 100.0, 3000.0):
        mu, kappa = map(numpy, head(np.full((1, 8), value, "float16")))
        assert np.isfinite(mu).all()
        assert np.isfinite(kappa).all()
        if value >= 100:
            np.testing.assert_allclose(np.linalg.norm(mu.astype("float64")), 1, atol=2e-3)
