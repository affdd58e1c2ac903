"""What every network of the zoo has to do, in the manner of timm's test of all its models."""

import keras
import numpy as np
import pytest

from keras_gcnn import analysis, groups, zoo
from tests.zoo.networks import BUILDERS, build, every_group, every_network, images


def test_every_builder_is_tested():
    assert set(zoo.__all__) == set(BUILDERS)


@every_network
@every_group
@pytest.mark.parametrize("size", [28, 29, 32, 33])
def test_logits_do_not_change_when_the_image_is_turned(builder, group, size):
    network = build(builder, group, input_shape=(size, size, 1))
    x = images((size, size, 1))
    logits = network.predict(x, verbose=0)
    assert np.ptp(logits) > 1e-3
    every = groups.get(group)
    for g in range(every.order):
        moved = network.predict(every.act_on_plane(x, g, (1, 2)), verbose=0)
        assert np.abs(moved - logits).max() <= 1e-5 * np.abs(logits).max()


@every_network
@pytest.mark.parametrize("group", ["p4", "p4m"])
def test_float64_is_exact_to_its_own_precision(builder, group):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float64")
    try:
        network = build(builder, group, input_shape=(29, 29, 1))
    finally:
        keras.config.set_dtype_policy(before)
    x = images((29, 29, 1)).astype("float64")
    analysis.assert_equivariant(network, group, inputs=x, tolerance=1e-10)
    features = keras.Model(network.input, network.get_layer("head").input)
    errors = analysis.equivariance_error(features, group, inputs=x, output_type="regular")
    assert max(errors.values()) < 1e-10


@every_network
@every_group
def test_a_few_steps_lower_the_loss(builder, group):
    network = build(builder, group)
    x, labels = images((28, 28, 1), n=16), np.arange(16) % 10
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile(keras.optimizers.Adam(3e-3), loss=loss)
    history = network.fit(x, labels, batch_size=16, epochs=8, verbose=0).history["loss"]
    assert history[-1] < history[0]


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
    with pytest.raises(ValueError, match=r"with layers on p4, .* are on pmm, .*`group` of the one"):
        build(builder, "pmm", weights=tmp_path / "p4.keras")
    with pytest.raises(ValueError, match=r"cannot be loaded into .* arguments of the one"):
        build(builder, "p4", classes=11, weights=tmp_path / "p4.keras")
    (tmp_path / "damaged.keras").write_bytes(b"nothing of the kind")
    with pytest.raises(ValueError, match="cannot be loaded into"):
        build(builder, "p4", weights=tmp_path / "damaged.keras")


@every_network
def test_numpy_integers_are_integers(builder):
    make, four = getattr(zoo, builder), np.int64(4)
    network = make(input_shape=np.array([28, 28, 1]), classes=four, parameters=np.int64(50_000))
    assert network.input_shape == (None, 28, 28, 1)
    assert network.output_shape == (None, 4)
    plain = make(classes=4, parameters=50_000)
    assert plain.count_params() == network.count_params()


@every_network
def test_channels_first_computes_the_same(builder):
    last = build(builder, "p4m", input_shape=(28, 28, 3))
    first = build(builder, "p4m", input_shape=(3, 28, 28), data_format="channels_first")
    first.set_weights(last.get_weights())
    x = images((28, 28, 3))
    np.testing.assert_allclose(
        first.predict(x.transpose(0, 3, 1, 2), verbose=0), last.predict(x, verbose=0), atol=1e-5
    )


@every_network
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_returns_full_precision_logits(builder, policy):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        network = build(builder, "p4")
    finally:
        keras.config.set_dtype_policy(before)
    x = images((28, 28, 1))
    logits = network(x)
    assert keras.backend.standardize_dtype(logits.dtype) == "float32"
    full = build(builder, "p4")
    full.set_weights(network.get_weights())
    expected = full.predict(x, verbose=0)
    found = keras.ops.convert_to_numpy(logits)
    assert np.abs(found - expected).max() < 0.05 * np.abs(expected).max()


@every_network
@every_group
@pytest.mark.parametrize("parameters", [30_000, 50_000, 216_000])
def test_a_budget_is_met_to_two_percent(builder, group, parameters):
    network = getattr(zoo, builder)(group=group, parameters=parameters)
    count = sum(np.prod(variable.shape) for variable in network.trainable_variables)
    assert 0.98 * parameters <= count <= parameters


@every_network
def test_defaults_just_work(builder):
    network = getattr(zoo, builder)()
    assert network.output_shape == (None, 10)
    # Logits, not probabilities.
    logits = network.predict(images((28, 28, 1)), verbose=0)
    assert not np.allclose(logits.sum(axis=-1), 1, atol=1e-3)
    softmax = getattr(zoo, builder)(classes=3, classifier_activation="softmax")
    probabilities = softmax.predict(images((28, 28, 1)), verbose=0)
    np.testing.assert_allclose(probabilities.sum(axis=-1), 1, atol=1e-5)


@every_network
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"group": "p5"}, "Choose one of z2"),
        ({"head": "mean"}, "Choose one of invariant"),
        ({"input_shape": (8, 8, 1)}, "at least"),
        ({"input_shape": (28, 28)}, "three positive integers"),
        ({"input_shape": 28}, "three positive integers"),
        ({"input_shape": (28, 28, True)}, "three positive integers"),
        ({"classes": 0}, "positive integer"),
        ({"classes": True}, "positive integer"),
        ({"classes": "10", "parameters": 50_000}, "positive integer"),
        ({"widths": ()}, r"widths=\(\) has to be . positive integers"),
        ({"widths": 0}, "widths=0 has to be"),
        ({"widths": 5}, "widths=5 has to be"),
        ({"widths": (True, 2)}, "positive integers"),
        ({"widths": (2.0, 2)}, "positive integers"),
        ({"widths": (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)}, "positive integers"),
        ({"widths": (8, 8), "parameters": 50_000}, "not both"),
        ({"parameters": 50}, "nearest counts"),
        *(
            ({"parameters": wrong}, "parameters=.* a positive integer up to 10,000,000,000")
            for wrong in (0, -5, 10**30, 5e4, float("inf"), float("nan"), "50000", True)
        ),
        ({"weights": "nowhere.keras"}, "no file"),
    ],
)
def test_a_mistake_is_explained(builder, wrong, message):
    with pytest.raises(ValueError, match=message):
        getattr(zoo, builder)(**wrong)
