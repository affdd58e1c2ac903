"""The autoencoder in training: what it learns, what it refuses, and images without a direction."""

import keras
import numpy as np
import pytest

from keras_gcnn import zoo
from keras_gcnn.analysis.precision import dtype_policy
from tests.helpers.compiling import without_optimizing
from tests.helpers.levels import COMPILING, thoroughly
from tests.zoo.autoencoders import SMALL, numbers, outputs, small
from tests.zoo.networks import compiled, images

POSTERIORS = pytest.mark.parametrize("posterior", ["vmf", *thoroughly("gaussian", on=COMPILING)])


@POSTERIORS
def test_it_learns_saves_loads_and_learns_on(posterior, tmp_path):
    model = small(posterior=posterior, beta=0.1)
    model.compile(keras.optimizers.Adam(0.01))
    x = images((28, 28, 1), n=16) ** 3
    with without_optimizing():
        history = model.fit(x, batch_size=8, epochs=6, verbose=0, validation_data=(x,)).history
    assert history["loss"][-1] < 0.9 * history["loss"][0]
    assert {"reconstruction", "kl", "val_reconstruction", "val_kl"} <= set(history)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded.reconstruct(x), model.reconstruct(x), atol=1e-5)
    settings = [{**one.get_config(), "encoder": 0, "decoder": 0} for one in (loaded, model)]
    assert settings[0] == settings[1]
    # A batch of one image.
    with without_optimizing():
        assert np.isfinite(loaded.fit(x[:1], batch_size=8, verbose=0).history["loss"]).all()
    model.save_weights(tmp_path / "model.weights.h5")
    sizes = {"group": "p4", "decoder_widths": (4, 3, 3), "latent_dim": 3, **SMALL["p4"]}
    for file in ("model.keras", "model.weights.h5"):
        again = zoo.vae(posterior=posterior, weights=tmp_path / file, **sizes)
        for part in ("encoder", "decoder"):
            weights = [getattr(one, part).get_weights() for one in (again, model)]
            for found, expected in zip(*weights, strict=True):
                np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("group", "arguments"),
    [
        ("p4", {"orientation": True}),
        *thoroughly(
            ("so2", {"orientation": True, "posterior": "gaussian"}),
            ("z2", {"variant": "mlp", "widths": (16, 8), "decoder_widths": (8, 16)}),
            on=COMPILING,
        ),
    ],
)
def test_an_image_without_a_direction_does_no_harm(group, arguments):
    """A step with one moves weights at most ten times as far as one without, and so do others."""
    model = small(group, **arguments)
    for weight in model.weights:  # as they are in the beginning, with which a blank image is zero
        if weight.name in ("bias", "beta"):
            weight.assign(np.zeros(weight.shape))
    model.compile(keras.optimizers.SGD(1.0))
    weights = model.get_weights()
    trained = {weight.path for weight in model.trainable_weights}

    def moved(x):
        model.set_weights(weights)
        loss = model.train_on_batch(x, return_dict=True)["loss"]
        differences = [
            np.abs(after - before).max()
            for after, before, weight in zip(
                model.get_weights(), weights, model.weights, strict=True
            )
            if weight.path in trained
        ]
        return loss, max(differences)

    ordinary = images((28, 28, 1), n=4) ** 3
    distance = np.abs(np.indices((28, 28)) - 13.5)
    without = {
        "blank": np.zeros((28, 28)),
        "disc": np.hypot(*distance) < 8,
        "cross": (distance.min(axis=0) < 2) & (distance.max(axis=0) < 10),
    }
    with without_optimizing():
        loss, step = moved(ordinary)
    batches = [ordinary * 0]
    for image in without.values():
        batches.append(ordinary.copy())
        batches[-1][1, ..., 0] = image
    for batch in batches:
        loss_with, step_with = moved(batch)
        assert loss / 10 < loss_with < 10 * loss
        assert step_with < 10 * step
    model.set_weights(weights)
    model.optimizer.learning_rate = 1e-5
    for _ in range(20):
        assert np.isfinite(model.train_on_batch(batches[2], return_dict=True)["loss"])


def test_training_draws_and_inference_does_not(autoencoder):
    model = autoencoder
    x = images((28, 28, 1))
    first, second = (numbers(model(x, training=True)["logits"]) for _ in range(2))
    assert np.abs(first - second).max() > 1e-6
    np.testing.assert_array_equal(outputs(model, x)["logits"], outputs(model, x)["logits"])


def test_a_schedule_of_beta(tmp_path):
    beta = keras.optimizers.schedules.PolynomialDecay(0.0, 4, 1.0)
    model = small(beta=beta)
    model.compile(keras.optimizers.SGD(0.0))
    x = images((28, 28, 1), n=8)
    for step in (2, 4, 4):
        model.fit(x, batch_size=4, verbose=0)
        assert float(model.current_beta()) == pytest.approx(step / 4)
        logs = model.evaluate(x, verbose=0, return_dict=True)
        expected = logs["reconstruction"] + step / 4 * logs["kl"]
        assert logs["loss"] == pytest.approx(expected, rel=1e-5)
    model.save(tmp_path / "model.keras")
    assert float(keras.saving.load_model(tmp_path / "model.keras").current_beta()) == 1
    as_dict = keras.optimizers.schedules.serialize(beta)
    assert small(beta=as_dict).beta.get_config() == beta.get_config()


@POSTERIORS
def test_mixed_precision(posterior):
    with dtype_policy("mixed_float16"):
        model = small(posterior=posterior, orientation=True)
        model.compile("sgd")
        x = images((28, 28, 1))
        x[0] = 0  # without a direction
        with without_optimizing():
            assert np.isfinite(model.fit(x, verbose=0).history["loss"]).all()
    for weight in model.get_weights():
        assert np.isfinite(weight).all()
    for value in compiled(model)(images((28, 28, 1))).values():
        assert keras.backend.standardize_dtype(value.dtype) == "float32"


def test_another_loss_is_refused(autoencoder):
    model = autoencoder
    model.compile("sgd", loss="mse")
    with pytest.raises(ValueError, match="has a loss of its own"):
        model.fit(images((28, 28, 1)), verbose=0)


def test_an_encoder_that_does_not_fit_is_refused(autoencoder):
    model = autoencoder
    with pytest.raises(ValueError, match="'mean' and 'log_variance'"):
        zoo.VariationalAutoencoder(model.encoder, model.decoder, "gaussian")
    with pytest.raises(ValueError, match="its outputs are \\[\\]"):
        zoo.VariationalAutoencoder(model.decoder, model.decoder)


@pytest.mark.parametrize("wrong", [lambda x: (255 * x).astype("uint8"), lambda x: x - 0.5])
def test_pixels_of_another_range_are_refused(wrong, autoencoder):
    model = autoencoder
    model.compile("sgd")
    x = wrong(images((28, 28, 1)))
    for call in (model.fit, model.embed, model.reconstruct, lambda x: model.fit(x * 0, x)):
        with pytest.raises(ValueError, match=r"pixels from .*in \[0, 1\]\. Divide"):
            call(x)


@pytest.mark.thorough("jax", "tensorflow")
def test_images_of_weight_zero_teach_nothing():
    """Keras drops the weights where there are no targets."""
    model = small("z2")
    model.compile("sgd")
    x, none = images((28, 28, 1), n=4), np.zeros(4, "float32")
    before = [numbers(weight) for weight in model.trainable_variables]
    with without_optimizing():
        model.fit(x, sample_weight=none, verbose=0)
        assert model.evaluate(x, sample_weight=none, verbose=0, return_dict=True)["loss"] == 0
    for weight, value in zip(model.trainable_variables, before, strict=True):
        np.testing.assert_array_equal(numbers(weight), value)


@pytest.mark.thorough("jax", "tensorflow")
def test_a_frozen_one_is_loaded_frozen(tmp_path):
    model = small("z2")
    model.trainable = False
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert not loaded.trainable
    assert not loaded.trainable_variables
