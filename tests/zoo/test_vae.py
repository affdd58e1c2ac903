"""The variational autoencoder: what its latent vector does not see, what it learns, its files."""

import subprocess
import sys

import keras
import numpy as np
import pytest
from scipy import special

from keras_gcnn import zoo
from keras_gcnn.distributions import von_mises_fisher
from keras_gcnn.layers import UnitDirection
from tests.helpers.compiling import without_optimizing
from tests.zoo.networks import build, compiled, count, images
from tests.zoo.test_equivariance import policy

SMALL = {
    "so2": {"widths": (2, 2, 3), "max_frequency": 2},
    "z2": {"widths": (3, 3, 4)},
    "p4": {"widths": (2, 2, 3)},
    "p4m": {"widths": (1, 2, 2)},
}
POSTERIORS = pytest.mark.parametrize("posterior", ["vmf", "gaussian"])
# Every group at an even and an odd size, every size under some group.
TURNING = pytest.mark.parametrize(
    ("group", "size"),
    [("so2", 28), ("so2", 33), ("p4", 29), ("p4", 32), ("p4m", 28), ("p4m", 33)],
)


def small(group="p4", **arguments):
    defaults = {"decoder_widths": (4, 3, 3), "latent_dim": 3, "seed": 0}
    return build("vae", group, **{**defaults, **SMALL[group], **arguments})


def numbers(tensor):
    return keras.ops.convert_to_numpy(tensor)


def outputs(model, x):
    return {name: numbers(found) for name, found in compiled(model)(x).items()}


@TURNING
def test_latent_vectors_do_not_see_quarter_turns(group, size):
    with policy("float64"):
        model = small(group, input_shape=(size, size, 1))
    x = images((size, size, 1), n=2).astype("float64")
    moved = np.concatenate([np.rot90(x, turns, (1, 2)) for turns in range(4)])
    found = outputs(model, moved)
    for name in ("mean", "concentration"):
        values = found[name].reshape(4, 2, -1)
        assert name != "mean" or np.ptp(values[0], axis=0).max() > 1e-6
        assert np.abs(values - values[0]).max() <= 1e-10 * np.abs(values).max()
    assert found["logits"].shape == (8, size, size, 1)


def test_an_ordinary_encoder_sees_them():
    model = small("z2")
    x = images((28, 28, 1))
    assert np.abs(outputs(model, np.rot90(x, 1, (1, 2)))["mean"] - outputs(model, x)["mean"]).max()


@pytest.mark.parametrize(("group", "size"), [("so2", 29), ("so2", 32), ("p4", 28), ("p4", 33)])
def test_the_direction_and_what_is_drawn_turn_with_the_image(group, size):
    with policy("float64"):
        model = small(group, input_shape=(size, size, 1), orientation=True)
    x = images((size, size, 1), n=2).astype("float64")
    before = outputs(model, x)
    np.testing.assert_allclose(np.linalg.norm(before["orientation"], axis=-1), 1, atol=1e-6)
    for turns in range(1, 4):
        after = outputs(model, np.ascontiguousarray(np.rot90(x, turns, (1, 2))))
        quarter = np.linalg.matrix_power([[0.0, -1.0], [1.0, 0.0]], turns)
        expected = before["orientation"] @ quarter.T
        np.testing.assert_allclose(after["orientation"], expected, atol=1e-10)
        drawn = np.rot90(before["logits"], turns, (1, 2))
        assert np.abs(after["logits"] - drawn).max() <= 1e-9 * np.abs(drawn).max()


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


@POSTERIORS
def test_it_learns_saves_loads_and_learns_on(posterior, tmp_path):
    model = small(posterior=posterior, beta=0.1)
    model.compile(keras.optimizers.Adam(0.01))
    x = images((28, 28, 1), n=16) ** 3
    history = model.fit(x, batch_size=8, epochs=6, verbose=0, validation_data=(x,)).history
    assert history["loss"][-1] < 0.9 * history["loss"][0]
    assert {"reconstruction", "kl", "val_reconstruction", "val_kl"} <= set(history)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded.reconstruct(x), model.reconstruct(x), atol=1e-5)
    settings = [{**one.get_config(), "encoder": 0, "decoder": 0} for one in (loaded, model)]
    assert settings[0] == settings[1]
    # The last batch is of one image.
    assert np.isfinite(loaded.fit(x[:9], batch_size=8, verbose=0).history["loss"]).all()
    model.save_weights(tmp_path / "model.weights.h5")
    form = {"group": "p4", "decoder_widths": (4, 3, 3), "latent_dim": 3, **SMALL["p4"]}
    for file in ("model.keras", "model.weights.h5"):
        again = zoo.vae(posterior=posterior, weights=tmp_path / file, **form)
        np.testing.assert_allclose(again.embed(x), model.embed(x), atol=1e-5)


@pytest.mark.parametrize(
    ("group", "arguments"),
    [
        ("p4", {"orientation": True}),
        ("so2", {"orientation": True, "posterior": "gaussian"}),
        ("z2", {"variant": "mlp", "widths": (16, 8), "decoder_widths": (8, 16)}),
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


def test_files_of_version_0_1():
    """Their orientation is a stock layer, whose gradient is NaN for a blank image."""
    model = small(orientation=True)
    config = model.get_config()
    (layer,) = (
        one for one in config["encoder"]["config"]["layers"] if one["name"] == "orientation"
    )
    stock = keras.layers.UnitNormalization(name="orientation", dtype="float32")
    layer.update(keras.saving.serialize_keras_object(stock))
    loaded = zoo.VariationalAutoencoder.from_config(config)
    loaded.set_weights(model.get_weights())
    assert isinstance(loaded.encoder.get_layer("orientation"), UnitDirection)
    assert layer["class_name"] == "UnitNormalization"  # the given configuration stays as it is
    x = images((28, 28, 1))
    expected = outputs(model, x)
    for name, found in outputs(loaded, x).items():
        np.testing.assert_array_equal(found, expected[name])


def test_what_it_offers():
    model = small()
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


def test_no_images_have_no_vectors():
    model, none = small("p4"), np.zeros((0, 28, 28, 1), "float32")
    assert model.embed(none).shape == (0, model.latent_dim)
    assert model.reconstruct(none).shape == none.shape


def test_training_draws_and_inference_does_not():
    model = small()
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


@pytest.mark.parametrize("group", ["so2", "z2", "p4"])
@pytest.mark.parametrize("orientation", [False, True])
def test_a_budget_is_met(group, orientation):
    if orientation and group == "z2":
        pytest.skip("it has no rotations")
    model = zoo.vae(group, parameters=150_000, orientation=orientation)
    assert 0.98 * 150_000 <= count(model) <= 150_000


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


@POSTERIORS
def test_mixed_precision(posterior):
    with policy("mixed_float16"):
        model = small(posterior=posterior, orientation=True)
        model.compile("sgd")
        x = images((28, 28, 1))
        x[0] = 0  # without a direction
        assert np.isfinite(model.fit(x, verbose=0).history["loss"]).all()
    for weight in model.get_weights():
        assert np.isfinite(weight).all()
    for value in compiled(model)(images((28, 28, 1))).values():
        assert keras.backend.standardize_dtype(value.dtype) == "float32"


def test_it_loads_where_the_package_was_only_imported(tmp_path):
    path = tmp_path / "model.keras"
    small().save(path)
    program = "import sys, keras, keras_gcnn; print(type(keras.saving.load_model(sys.argv[1])))"
    run = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=False
    )
    assert "VariationalAutoencoder" in run.stdout, run.stderr[-2000:]


def test_its_parts_are_ordinary_models(tmp_path):
    model = small()
    x = images((28, 28, 1))
    for part in (model.encoder, model.decoder):
        part.save(tmp_path / "part.keras")
        loaded = keras.saving.load_model(tmp_path / "part.keras")
        assert loaded.count_params() == part.count_params()
    features = keras.Model(model.encoder.input, model.encoder.get_layer("head").output)
    assert features(x).shape == (4, 64)


def test_export(tmp_path):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("Keras writes a SavedModel from TensorFlow, and from JAX by way of it")
    import tensorflow as tf

    model = small()
    x = images((28, 28, 1))
    model.export(tmp_path / "model", verbose=False)
    loaded = tf.saved_model.load(tmp_path / "model")  # whose variables go with it
    served = loaded.serve(x)
    np.testing.assert_allclose(served["mean"].numpy(), model.embed(x), atol=1e-5)
    assert set(served) == {"logits", "mean", "concentration"}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"group": "so3"}, "'so3'.* Or 'so2', for all rotations"),
        ({"orientation": "no"}, "orientation='no' has to be True or False"),
        ({"posterior": "normal"}, "Choose one of 'vmf', 'gaussian'"),
        ({"latent_dim": 1}, "latent_dim=1 has to be an integer from 2"),
        ({"latent_dim": 0, "posterior": "gaussian"}, "integer from 1"),
        ({"latent_dim": 2.5}, "integer from 2"),
        ({"beta": -1}, "beta=-1 has to be a number from 0"),
        ({"beta": float("nan")}, "beta=nan has to be"),
        ({"beta": "high"}, "beta='high' has to be"),
        ({"variant": "large"}, "Choose one of None, 'mlp', 'report'"),
        ({"max_frequency": -1}, "integer from 0"),
        ({"input_shape": (24, 28, 1)}, "at least 25"),
        ({"group": "p4", "input_shape": (27, 28, 1)}, "at least 28"),
        ({"widths": (3, 3)}, "3 positive integers"),
        ({"decoder_widths": (3, 3)}, "3 positive integers"),
        ({"widths": (3, 3), "parameters": 200_000}, "positive numbers, the proportions"),
        ({"parameters": 1000}, "smallest count"),
        ({"variant": "mlp"}, "not equivariant under group='so2'"),
        ({"variant": "mlp", "group": "p4"}, "not equivariant under group='p4'"),
        ({"variant": "mlp", "group": "z2", "orientation": True}, "has no rotation"),
        ({"group": "z2", "orientation": True}, "has no rotation"),
        ({"group": "p4m", "orientation": True}, "mirror images"),
        ({"dropout": 1.0}, "from 0 to below 1"),
        ({"weights": "nowhere.keras"}, "no file"),
    ],
)
def test_a_mistake_is_explained(wrong, message):
    with pytest.raises(ValueError, match=message):
        zoo.vae(**wrong)


def test_a_loss_of_another_kind_is_refused():
    model = small()
    model.compile("sgd", loss="mse")
    with pytest.raises(ValueError, match="has a loss of its own"):
        model.fit(images((28, 28, 1)), verbose=0)


def test_an_encoder_that_does_not_fit_is_refused():
    model = small()
    with pytest.raises(ValueError, match="'mean' and 'log_variance'"):
        zoo.VariationalAutoencoder(model.encoder, model.decoder, "gaussian")
    with pytest.raises(ValueError, match="its outputs are \\[\\]"):
        zoo.VariationalAutoencoder(model.decoder, model.decoder)


@pytest.mark.parametrize("wrong", [lambda x: (255 * x).astype("uint8"), lambda x: x - 0.5])
def test_pixels_of_another_range_are_refused(wrong):
    model = small()
    model.compile("sgd")
    x = wrong(images((28, 28, 1)))
    for call in (model.fit, model.embed, model.reconstruct, lambda x: model.fit(x * 0, x)):
        with pytest.raises(ValueError, match=r"pixels from .*in \[0, 1\]\. Divide"):
            call(x)
