"""What every network of the zoo has to do, in the manner of timm's test of all its models."""

import contextlib
import inspect
import warnings

import keras
import numpy as np
import pytest

from keras_gcnn import zoo
from tests.zoo.networks import (
    BUILDERS,
    SHORTHANDS,
    STEERABLE,
    WITHOUT_DROPOUT,
    build,
    compiled,
    count,
    every_network,
    images,
)


def test_every_builder_is_tested():
    assert set(zoo.BUILDERS) == set(BUILDERS) | set(SHORTHANDS) | STEERABLE


@every_network
@pytest.mark.parametrize(("group", "convolution"), [("p4m", "full"), ("p4", "gc")])
def test_a_few_steps_lower_the_loss(builder, group, convolution):
    dropout = WITHOUT_DROPOUT.get(builder, {})  # whose noise is larger than eight small steps
    network = build(builder, group, convolution=convolution, **dropout)
    x, labels = images((28, 28, 1), n=16), np.arange(16) % 10
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile(keras.optimizers.Adam(3e-3), loss=loss)
    history = network.fit(x, labels, batch_size=16, epochs=8, verbose=0).history["loss"]
    assert history[-1] < history[0]


@pytest.mark.skipif(
    keras.backend.backend() != "torch",
    reason="the others compile for minutes, and have no other gradients for a batch of one",
)
@pytest.mark.parametrize("builder", [*BUILDERS, *STEERABLE])
def test_a_last_batch_of_one(builder):
    group, form = None, {}
    if builder in BUILDERS:
        group, widths = "z2", BUILDERS[builder]["widths"]
        form = {"widths": (2, 1, 2, 1, 2, 1)[: len(widths)]}
    network = build(builder, group, **form)
    network.compile("sgd", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    logs = network.fit(images((28, 28, 1), n=3), np.arange(3), batch_size=2, verbose=0).history
    assert np.isfinite(logs["loss"]).all()


@every_network
def test_saved_and_loaded_it_predicts_the_same(builder, tmp_path):
    network, x = build(builder, "p4m"), images((28, 28, 1))
    network.save(tmp_path / "network.keras")
    network.save_weights(tmp_path / "network.weights.h5")
    expected = network.predict(x, verbose=0)
    loaded = keras.saving.load_model(tmp_path / "network.keras")
    np.testing.assert_allclose(loaded.predict(x, verbose=0), expected, atol=1e-6)
    for file in ("network.keras", "network.weights.h5"):
        again = build(builder, "p4m", weights=tmp_path / file)
        np.testing.assert_allclose(again.predict(x, verbose=0), expected, atol=1e-6)


@every_network
@pytest.mark.filterwarnings("ignore:Skipping nested container")  # Keras, before its own error
def test_the_file_of_another_network_is_refused(builder, tmp_path):
    """Two groups of order 4: the shapes of all weights are the same."""
    build(builder, "p4").save(tmp_path / "p4.keras")
    message = r"whose layer '.*' is on p4; that of .* is on pmm\. Build .*`group` and"
    with pytest.raises(ValueError, match=message):
        build(builder, "pmm", weights=tmp_path / "p4.keras")
    with pytest.raises(ValueError, match=r"cannot be loaded into .* arguments of the one"):
        build(builder, "p4", classes=11, weights=tmp_path / "p4.keras")
    (tmp_path / "damaged.keras").write_bytes(b"nothing of the kind")
    with pytest.raises(ValueError, match="cannot be loaded into"):
        build(builder, "p4", weights=tmp_path / "damaged.keras")


@every_network
def test_the_file_of_a_whole_network_fits_its_backbone(builder, tmp_path):
    whole = build(builder, "p4")
    for file in ("whole.keras", "whole.weights.h5"):
        (whole.save if file.endswith(".keras") else whole.save_weights)(tmp_path / file)
        backbone = build(builder, "p4", weights=tmp_path / file, include_top=False)
        for layer in backbone.layers:
            expected = whole.get_layer(layer.name).get_weights()
            for found, wanted in zip(layer.get_weights(), expected, strict=True):
                np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize(
    ("other", "arguments", "message"),
    [
        (
            "so2cnn",
            {},
            r"into so2cnn\. The file holds the network 'resnet8_p4', which has no layer",
        ),
        ("cohen_cnn", {"group": "p4"}, r"the network 'resnet8_p4', which has no layer 'conv1'"),
        (
            "resnet",
            {"group": "p4", "depth": 8, "widths": (2, 3, 4)},  # for colour images
            r"'stem_conv' has weights of shape \(1, 3, 3, 1, 2\); .* has \(1, 3, 3, 3, 2\)\. Build",
        ),
    ],
)
def test_the_model_file_of_another_network_says_what_it_holds(tmp_path, other, arguments, message):
    build("resnet", "p4").save(tmp_path / "resnet.keras")
    with (
        warnings.catch_warnings(action="error"),
        pytest.raises(ValueError, match=message) as caught,
    ):
        getattr(zoo, other)(**{"weights": tmp_path / "resnet.keras", **arguments})
    assert str(caught.value).endswith("or give another file.")


def test_the_weights_file_of_another_network_is_refused_without_its_values(tmp_path):
    build("lenet", "p4").save_weights(tmp_path / "lenet.weights.h5")
    with (
        warnings.catch_warnings(action="error"),
        pytest.raises(ValueError, match="cannot be loaded into cohen_cnn_z2") as caught,
    ):
        zoo.cohen_cnn("z2", weights=tmp_path / "lenet.weights.h5")
    message = str(caught.value)
    assert "conv1" in message
    assert "value=[" not in message
    assert len(message.replace(str(tmp_path), "")) < 450


def test_the_file_of_another_restriction_is_refused(tmp_path):
    first, second = ({"widths": (1, 1), "restrict_after": {"2": one}} for one in ("p4", "pmm"))
    build("lenet", "p4m", **first).save(tmp_path / "network.keras")
    with pytest.raises(ValueError, match=r"'restrict2' is on p4m to p4; .* is on p4m to pmm"):
        build("lenet", "p4m", **second, weights=tmp_path / "network.keras")


@every_network
def test_numpy_integers_are_integers(builder):
    make, four = getattr(zoo, builder), np.int64(4)
    network = make(input_shape=np.array([28, 28, 1]), classes=four, parameters=np.int64(50_000))
    assert network.input_shape == (None, 28, 28, 1)
    assert network.output_shape == (None, 4)
    assert count(make(input_shape=(28, 28, 1), classes=4, parameters=50_000)) == count(network)
    assert count(build(builder, "p4", widths=np.array(BUILDERS[builder]["widths"])))


@every_network
def test_channels_first_computes_the_same(builder):
    last = build(builder, "p4m", input_shape=(28, 28, 3))
    first = build(builder, "p4m", input_shape=(3, 28, 28), data_format="channels_first")
    first.set_weights(last.get_weights())
    x = images((28, 28, 3))
    found = first.predict(x.transpose(0, 3, 1, 2), verbose=0)
    expected = last.predict(x, verbose=0)
    # Logits are of hundreds, which float32 has to 1e-5.
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("builder", [*BUILDERS, *STEERABLE, "vae"])
def test_the_default_size_follows_the_format(builder, monkeypatch):
    last = inspect.signature(getattr(zoo, builder)).parameters["input_shape"].default
    arguments = {"widths": BUILDERS[builder]["widths"]} if builder in BUILDERS else {}

    def shape(**more):
        network = getattr(zoo, builder)(**arguments, **more)
        return getattr(network, "encoder", network).input_shape[1:]

    assert shape() == last
    assert shape(data_format="channels_first") == (last[2], *last[:2])
    monkeypatch.setattr(keras.config, "image_data_format", lambda: "channels_first")
    assert shape(data_format="channels_last") == last


@every_network
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
    expected = full.predict(x, verbose=0)
    found = keras.ops.convert_to_numpy(logits)
    assert np.abs(found - expected).max() < 0.05 * np.abs(expected).max()


@every_network
def test_defaults_just_work(builder):
    network = getattr(zoo, builder)()
    assert network.output_shape == (None, 10)
    # Logits, not probabilities.
    logits = keras.ops.convert_to_numpy(compiled(network)(images(network.input_shape[1:])))
    assert not np.allclose(logits.sum(axis=-1), 1, atol=1e-3)
    softmax = build(builder, "z2", classes=3, classifier_activation="softmax")
    probabilities = softmax.predict(images((28, 28, 1)), verbose=0)
    np.testing.assert_allclose(probabilities.sum(axis=-1), 1, atol=1e-5)


@every_network
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"group": "p5"}, "Choose one of z2"),
        ({"head": "mean"}, "Choose one of 'invariant'"),
        ({"input_shape": (3, 3, 1)}, "at least"),
        ({"convolution": "separable"}, "Choose one of 'full', 'g', 'gc'"),
        ({"restrict_after": "9"}, "stages of this network are 1, 2"),
        ({"restrict_after": {90: "z2"}}, "stages of this network are 1, 2"),
        ({"restrict_after": 90}, "stages of this network are 1, 2"),
        ({"restrict_after": 1.0}, "name of a stage, or a dict"),
        ({"restrict_after": ["1"]}, "name of a stage, or a dict"),
        ({"restrict_after": {"1": "p4"}}, "p4 is no subgroup of z2"),
        ({"group": "p4m", "restrict_after": {"1": "p4", "2": "pm"}}, "group of stage '2'"),
        ({"input_shape": (28, 28)}, "three positive integers"),
        ({"input_shape": 28}, "three positive integers"),
        ({"input_shape": (28, 28, True)}, "three positive integers"),
        ({"include_top": "no"}, "include_top='no' has to be True or False"),
        ({"classes": 0}, "positive integer"),
        ({"classes": True}, "positive integer"),
        ({"classes": "10", "parameters": 50_000}, "positive integer"),
        ({"widths": ()}, r"widths=\(\) has to be . positive integers"),
        ({"widths": 0}, "widths=0 has to be"),
        ({"widths": 5}, "widths=5 has to be"),
        ({"widths": (True, 2)}, "positive integers"),
        ({"widths": (2.0, 2)}, "positive integers"),
        ({"widths": (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)}, "positive integers"),
        ({"widths": (8, -8), "parameters": 50_000}, "positive numbers, the proportions"),
        ({"parameters": 50}, "smallest count that can be reached is"),
        *(
            ({"parameters": wrong}, "parameters=.* a positive integer up to 10,000,000,000")
            for wrong in (0, -5, 10**30, 5e4, float("inf"), float("nan"), "50000", True)
        ),
        ({"weights": "nowhere.keras"}, "no file"),
        ({"weights": "nowhere"}, "not published for"),
        ({"weights": 3}, "name of published weights"),
        ({"input_shape": (1, 28, 28)}, "read as channels_last, is too small"),
    ],
)
def test_a_mistake_is_explained(builder, wrong, message):
    with pytest.raises(ValueError, match=message):
        getattr(zoo, builder)(**wrong)


@every_network
def test_an_unknown_argument_is_named_with_the_builder(builder):
    with pytest.raises(TypeError, match=rf"{builder}\(\) got an unexpected .*'grup'"):
        getattr(zoo, builder)(grup="p4")


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="only JAX compiles while it builds")
@pytest.mark.parametrize("arguments", [{}, {"head": "none such"}])
def test_building_leaves_the_settings_of_the_backend_as_they_are(arguments):
    import jax

    before = dict(jax.config.values)
    with contextlib.suppress(ValueError):
        zoo.lenet("p4", widths=(1, 1), **arguments)
    assert dict(jax.config.values) == before
