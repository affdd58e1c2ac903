"""The steerable network does what every network of the zoo does, under SO(2)."""

import keras
import numpy as np
import pytest

from keras_gcnn import zoo
from keras_gcnn.analysis.precision import dtype_policy
from tests.helpers.levels import COMPILING, thoroughly
from tests.zoo.networks import build, compiled, count, images

SMALL = {"widths": (2, 3, 3), "max_frequency": 2, "kernel_sizes": (5, 3, 3), "samples": 8}


def small(**arguments):
    return build("so2cnn", None, **{**SMALL, **arguments})


def numbers(tensor):
    return keras.ops.convert_to_numpy(tensor)


@pytest.mark.parametrize(
    ("variant", "size"),
    [(None, 28), *thoroughly(("report", 29), ("report", 32), (None, 33), on=COMPILING)],
)
def test_quarter_turns_leave_the_logits(variant, size):
    with dtype_policy("float64"):
        network = small(variant=variant, input_shape=(size, size, 1))
    x = images((size, size, 1), n=2).astype("float64")
    turned = np.concatenate([np.rot90(x, turns, (1, 2)) for turns in range(4)])
    logits = numbers(compiled(network)(turned)).reshape(4, 2, 10)
    assert np.ptp(logits[0], axis=0).max() > 1e-3 * np.abs(logits).max()
    assert np.abs(logits - logits[0]).max() <= 1e-10 * np.abs(logits).max()


def test_training_mode_is_exact_for_images_turned_one_by_one():
    with dtype_policy("float64"):
        network = small()
    x = images((28, 28, 1), n=4).astype("float64")
    turned = np.stack([np.rot90(one, turns) for turns, one in enumerate(x)])
    expected = numbers(compiled(network)(x, training=True))
    found = numbers(compiled(network)(turned, training=True))
    assert np.abs(found - expected).max() <= 1e-10 * np.abs(expected).max()


def test_the_published_size():
    assert count(zoo.so2cnn(variant="report")) == 38_442
    assert count(zoo.so2cnn()) <= 38_500


@pytest.mark.thorough("jax", "tensorflow")
@pytest.mark.parametrize("parameters", [20_000, 38_400])
def test_a_budget_is_met(parameters):
    network = zoo.so2cnn(parameters=parameters)
    assert 0.98 * parameters <= count(network) <= parameters
    assert count(zoo.so2cnn(widths=network.widths)) == count(network)


def test_a_few_steps_lower_the_loss():
    network = small()
    x, labels = images((28, 28, 1), n=16), np.arange(16) % 10
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile(keras.optimizers.Adam(3e-3), loss=loss)
    history = network.fit(x, labels, batch_size=16, epochs=8, verbose=0).history["loss"]
    assert history[-1] < history[0]


def test_files_and_backbone(tmp_path):
    network, x = small(dropout=0.1), images((28, 28, 1))
    expected = numbers(compiled(network)(x))
    network.save(tmp_path / "network.keras")
    network.save_weights(tmp_path / "network.weights.h5")
    loaded = keras.saving.load_model(tmp_path / "network.keras")
    np.testing.assert_allclose(numbers(compiled(loaded)(x)), expected, atol=1e-6)
    for file in ("network.keras", "network.weights.h5"):
        again = small(weights=tmp_path / file)
        np.testing.assert_allclose(numbers(compiled(again)(x)), expected, atol=1e-6)
    backbone = small(include_top=False)
    assert backbone.output_shape == (None, 7, 7, 3 * 5)
    with pytest.raises(ValueError, match="cannot be loaded into so2cnn"):
        small(classes=11, weights=tmp_path / "network.keras")


def test_mixed_precision_returns_full_precision_logits():
    with dtype_policy("mixed_float16"):
        network = small()
    x = images((28, 28, 1))
    logits = numbers(compiled(network)(x))
    assert logits.dtype == "float32"
    full = small()
    full.set_weights(network.get_weights())
    expected = numbers(compiled(full)(x))
    assert np.abs(logits - expected).max() < 0.05 * np.abs(expected).max()
