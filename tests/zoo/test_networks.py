"""What every network of the zoo has to do, as timm tests all its models."""

import contextlib

import keras
import numpy as np
import pytest

from keras_gcnn import zoo
from tests.helpers.compiling import without_optimizing
from tests.zoo.networks import (
    BUILDERS,
    OTHERS,
    SHORTHANDS,
    WITHOUT_DROPOUT,
    a_network,
    build,
    compiled,
    images,
    predict,
)


def test_every_builder_is_tested():
    assert set(zoo.BUILDERS) == set(BUILDERS) | set(SHORTHANDS) | set(OTHERS)


@pytest.mark.parametrize(
    ("builder", "group", "convolution"),
    [
        ("lenet", "p4m", "gc"),
        ("cohen_cnn", "p4", "full"),
        ("allcnn", "p4", "gc"),
        ("resnet", "p4m", "full"),
    ],
)
def test_a_few_steps_lower_the_loss(builder, group, convolution):
    dropout = WITHOUT_DROPOUT.get(builder, {})  # whose noise is larger than eight small steps
    network = build(builder, group, convolution=convolution, **dropout)
    x, labels = images((28, 28, 1), n=16), np.arange(16) % 10
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile(keras.optimizers.Adam(3e-3), loss=loss)
    with without_optimizing():
        history = network.fit(x, labels, batch_size=16, epochs=8, verbose=0).history["loss"]
    assert history[-1] < history[0]


@pytest.mark.skipif(
    keras.backend.backend() != "torch",
    reason="the others compile for minutes, and have no other gradients for a batch of one",
)
@pytest.mark.parametrize("builder", [*BUILDERS, *OTHERS])
def test_a_last_batch_of_one(builder):
    group, form = None, {}
    if builder in BUILDERS:
        group, widths = "z2", BUILDERS[builder]["widths"]
        form = {"widths": (2, 1, 2, 1, 2, 1)[: len(widths)]}
    network = build(builder, group, **form)
    network.compile("sgd", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    logs = network.fit(images((28, 28, 1), n=3), np.arange(3), batch_size=2, verbose=0).history
    assert np.isfinite(logs["loss"]).all()


@a_network  # every layer is saved on every backend by tests/layers/test_contract.py
def test_saved_and_loaded_it_predicts_the_same(builder, tmp_path):
    network, x = build(builder, "p4m"), images((28, 28, 1))
    network.save(tmp_path / "network.keras")
    network.save_weights(tmp_path / "network.weights.h5")
    loaded = keras.saving.load_model(tmp_path / "network.keras")
    np.testing.assert_allclose(predict(loaded, x), predict(network, x), atol=1e-6)
    for file in ("network.keras", "network.weights.h5"):
        # `build` replaces the weights that were loaded, and would hide that they were not.
        arguments = {"input_shape": (28, 28, 1), **BUILDERS[builder]}
        again = getattr(zoo, builder)("p4m", weights=tmp_path / file, **arguments)
        for found, expected in zip(again.get_weights(), network.get_weights(), strict=True):
            np.testing.assert_array_equal(found, expected)


@a_network
def test_channels_first_computes_the_same(builder):
    last = build(builder, "p4m", input_shape=(28, 28, 3))
    first = build(builder, "p4m", input_shape=(3, 28, 28), data_format="channels_first")
    first.set_weights(last.get_weights())
    x = images((28, 28, 3))
    found, expected = predict(first, x.transpose(0, 3, 1, 2)), predict(last, x)
    # Logits are of hundreds, which float32 has to 1e-5.
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


@a_network
def test_mixed_precision_returns_full_precision_logits(builder):
    """In the type that holds less; every layer is tested in both."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        network = build(builder, "p4")
    finally:
        keras.config.set_dtype_policy(before)
    x = images((28, 28, 1))
    logits = compiled(network)(x)
    assert keras.backend.standardize_dtype(logits.dtype) == "float32"
    full = build(builder, "p4")
    full.set_weights(network.get_weights())
    found, expected = keras.ops.convert_to_numpy(logits), predict(full, x)
    assert np.abs(found - expected).max() < 0.05 * np.abs(expected).max()


@a_network
def test_defaults_work(builder):
    network = getattr(zoo, builder)()
    assert network.output_shape == (None, 10)
    # Logits, not probabilities.
    logits = predict(network, images(network.input_shape[1:], n=1))
    assert not np.allclose(logits.sum(axis=-1), 1, atol=1e-3)
    softmax = build(builder, "z2", classes=3, classifier_activation="softmax")
    probabilities = predict(softmax, images((28, 28, 1)))
    np.testing.assert_allclose(probabilities.sum(axis=-1), 1, atol=1e-5)


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="only JAX compiles while it builds")
@pytest.mark.parametrize("arguments", [{}, {"head": "none such"}])
def test_building_leaves_the_settings_of_the_backend_as_they_are(arguments):
    import jax

    before = dict(jax.config.values)
    with contextlib.suppress(ValueError):
        zoo.lenet("p4", widths=(1, 1), **arguments)
    assert dict(jax.config.values) == before
