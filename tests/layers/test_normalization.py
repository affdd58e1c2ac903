"""Batch normalisation with statistics pooled over orientations."""

import keras
import numpy as np
import pytest

from keras_gcnn import layers
from keras_gcnn.layers import GBatchNormalization
from tests.helpers import reference
from tests.helpers.layers import DATA_FORMATS, randomize, relative_error, run
from tests.helpers.reference import ELEMENTS

EPSILON = 1e-3


def make(group, data_format="channels_last", dtype="float64", **kwargs):
    axis = 1 if data_format == "channels_first" else -1
    return GBatchNormalization(group, axis=axis, epsilon=EPSILON, dtype=dtype, **kwargs)


def maps_for(group, rng, batch=3, size=4, fields=2):
    """Maps whose orientations differ in mean and scale, so that pooling them matters."""
    channels = fields * reference.order(group)
    maps = rng.normal(size=(batch, size, size, channels))
    return maps * rng.uniform(0.5, 2, channels) + rng.normal(size=channels)


def built(layer, maps, rng, data_format="channels_last"):
    shape = list(maps.shape)
    if data_format == "channels_first":
        shape = [shape[0], shape[3], *shape[1:3]]
    layer.build(shape)
    return randomize(layer, rng)


def numbers(layer):
    names = ("gamma", "beta", "moving_mean", "moving_variance")
    return {name: keras.ops.convert_to_numpy(getattr(layer, name)) for name in names}


def pooled_statistics(maps, group):
    fibres = maps.reshape(*maps.shape[:-1], -1, reference.order(group))
    return fibres.mean(axis=(0, 1, 2, 4)), fibres.var(axis=(0, 1, 2, 4))


def normalized(maps, group, mean, variance, gamma=1, beta=0):
    per_channel = [
        np.repeat(v, reference.order(group))
        for v in np.broadcast_arrays(mean, variance, gamma, beta)
    ]
    mean, variance, gamma, beta = per_channel
    return (maps - mean) / np.sqrt(variance + EPSILON) * gamma + beta


@pytest.mark.parametrize("data_format", DATA_FORMATS)
@pytest.mark.parametrize("group", ELEMENTS)
def test_training_normalizes_by_statistics_pooled_over_orientations(group, data_format, rng):
    maps = maps_for(group, rng)
    layer = built(make(group, data_format, momentum=0.7), maps, rng, data_format)
    before = numbers(layer)
    actual = run(layer, maps, data_format, training=True)
    mean, variance = pooled_statistics(maps, group)
    expected = normalized(maps, group, mean, variance, before["gamma"], before["beta"])
    assert relative_error(actual, expected) < 1e-12
    after = numbers(layer)  # updated as Keras does, by the biased variance
    for name, value in (("moving_mean", mean), ("moving_variance", variance)):
        assert relative_error(after[name], 0.7 * before[name] + 0.3 * value) < 1e-12


@pytest.mark.parametrize("data_format", DATA_FORMATS)
@pytest.mark.parametrize("group", ["p4", "p4m"])
def test_inference_uses_the_moving_statistics(group, data_format, rng):
    maps = maps_for(group, rng)
    layer = built(make(group, data_format), maps, rng, data_format)
    before = numbers(layer)
    expected = normalized(
        maps,
        group,
        before["moving_mean"],
        before["moving_variance"],
        before["gamma"],
        before["beta"],
    )
    for call in ({"training": False}, {}):
        assert relative_error(run(layer, maps, data_format, **call), expected) < 1e-12
    for name, value in numbers(layer).items():
        np.testing.assert_array_equal(value, before[name])


def test_a_frozen_layer_uses_the_moving_statistics_in_training(rng):
    maps = maps_for("p4", rng)
    layer = built(make("p4"), maps, rng)
    layer.trainable = False
    before = numbers(layer)
    np.testing.assert_array_equal(run(layer, maps, training=True), run(layer, maps, training=False))
    np.testing.assert_array_equal(numbers(layer)["moving_mean"], before["moving_mean"])


def error_with_turned_images(layer, group, rng, data_format="channels_last"):
    """Image b of the batch is moved by element b: relative error in training mode."""
    order = reference.order(group)
    maps = maps_for(group, rng, batch=order)
    built(layer, maps, rng, data_format)

    def move_each(batch):
        return np.concatenate(
            [reference.move_maps(batch[g : g + 1], group, g) for g in range(order)]
        )

    upright = run(layer, maps, data_format, training=True)
    turned = run(layer, move_each(maps), data_format, training=True)
    return relative_error(turned, move_each(upright))


@pytest.mark.parametrize("data_format", DATA_FORMATS)
@pytest.mark.parametrize("group", [group for group in ELEMENTS if group != "z2"])
def test_training_commutes_with_turning_every_image_by_itself(group, data_format, rng):
    assert error_with_turned_images(make(group, data_format), group, rng, data_format) < 1e-10


@pytest.mark.parametrize("group", ["p4", "p4m"])
def test_the_stock_layer_does_not(group, rng):
    stock = keras.layers.BatchNormalization(epsilon=EPSILON, dtype="float64")
    assert error_with_turned_images(stock, group, rng) > 1e-3


@pytest.mark.parametrize("training", [True, False])
def test_on_z2_it_is_the_stock_layer(training, rng):
    """In float32: on JAX and PyTorch the stock layer computes float64 in float32 as well."""
    maps = maps_for("z2", rng).astype("float32")
    layer = built(make("z2", dtype="float32"), maps, rng)
    stock = keras.layers.BatchNormalization(epsilon=EPSILON)
    stock.build(maps.shape)
    stock.set_weights(layer.get_weights())
    for _ in range(2):  # the second call sees the updated statistics
        actual, expected = (run(each, maps, training=training) for each in (layer, stock))
        assert relative_error(actual, expected) < 2e-6
    for mine, theirs in zip(layer.get_weights(), stock.get_weights(), strict=True):
        assert relative_error(mine, theirs) < 2e-6


def test_vectors_after_pooling_over_positions(rng):
    values = rng.normal(size=(6, 8)) * np.arange(1, 9)
    layer = make("p4")
    fibres = values.reshape(6, 2, 4)
    expected = normalized(values, "p4", fibres.mean(axis=(0, 2)), fibres.var(axis=(0, 2)))
    assert relative_error(run(layer, values, training=True), expected) < 1e-12


@pytest.mark.parametrize(("center", "scale"), [(True, False), (False, True), (False, False)])
def test_without_offset_or_scale(center, scale, rng):
    maps = maps_for("p4", rng)
    layer = make("p4", center=center, scale=scale)
    expected = normalized(maps, "p4", *pooled_statistics(maps, "p4"))
    assert relative_error(run(layer, maps, training=True), expected) < 1e-12
    assert len(layer.trainable_weights) == center + scale


@pytest.mark.parametrize(
    ("policy", "tolerance"),
    [("float16", 4e-3), ("bfloat16", 3e-2), ("mixed_float16", 4e-3), ("mixed_bfloat16", 3e-2)],
)
def test_half_precision_keeps_the_statistics_in_float32(policy, tolerance, rng):
    """Around 300 the squares overflow float16, and bfloat16 has no digits for the spread."""
    half = policy.removeprefix("mixed_")
    inputs = keras.ops.cast(300 + 8 * maps_for("p4", rng), half)
    maps = keras.ops.convert_to_numpy(keras.ops.cast(inputs, "float32")).astype("float64")
    outputs = make("p4", dtype=policy)(inputs, training=True)
    assert keras.backend.standardize_dtype(outputs.dtype) == half
    actual = keras.ops.convert_to_numpy(keras.ops.cast(outputs, "float32"))
    expected = normalized(maps, "p4", *pooled_statistics(maps, "p4"))
    assert relative_error(actual, expected) < tolerance


@pytest.mark.parametrize(
    "make_layer",
    [
        lambda **more: layers.GBatchNormalization("p4", **more),
        lambda **more: layers.GLayerNormalization("p4", **more),
        lambda **more: layers.GRMSNormalization("p4", center=True, **more),
        lambda **more: layers.GGroupNormalization(2, "p4", **more),
        lambda **more: layers.SteerableBatchNormalization({0: 8}, **more),
        lambda **more: layers.SteerableLayerNormalization({0: 8}, **more),
        lambda **more: layers.SteerableGroupNormalization({0: 8}, 2, **more),
    ],
)
def test_half_precision_does_not_round_scale_and_offset(make_layer):
    """Normalised numbers of 1 become 257/256 - 1; bfloat16 would round 257/256 to 1."""
    scale = keras.initializers.Constant(257 / 256)
    layer = make_layer(
        epsilon=0,
        gamma_initializer=scale,
        beta_initializer=keras.initializers.Constant(-1),
        dtype="mixed_bfloat16",
    )
    inputs = keras.Input((2, 1, 8))
    network = keras.Model(inputs, layer(inputs))  # which casts weights to bfloat16 itself
    maps = np.where(np.arange(16) % 2, -1.0, 1.0).reshape(1, 2, 1, 8)
    outputs = keras.ops.convert_to_numpy(keras.ops.cast(network(maps), "float32"))
    np.testing.assert_array_equal(outputs, np.where(maps > 0, 1 / 256, -2))


def test_renorm_is_refused():
    with pytest.raises(ValueError, match="no renorm"):
        GBatchNormalization(renorm=True)


def test_synchronized_works_as_in_keras(rng):
    if keras.backend.backend() != "tensorflow":
        with pytest.raises(ValueError, match="TensorFlow"):
            GBatchNormalization("p4", synchronized=True)
        return
    inputs = rng.normal(size=(4, 3, 3, 8)).astype("float32")
    alone = GBatchNormalization("p4")(inputs, training=True)
    together = GBatchNormalization("p4", synchronized=True)(inputs, training=True)
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(together), keras.ops.convert_to_numpy(alone), atol=1e-5
    )


@pytest.mark.thorough("jax", "tensorflow")
@pytest.mark.parametrize(
    ("make", "axis"),
    [
        (lambda axis: GBatchNormalization("p4", axis=axis), 3),
        (lambda axis: layers.GLayerNormalization("p4", axis=axis), 3),
        (lambda axis: layers.SteerableBatchNormalization({0: 4, 1: 2}, axis=axis), 3),
        (lambda axis: GBatchNormalization("p4", axis=axis), -3),
    ],
)
def test_the_axis_of_the_channels_by_its_other_number(make, axis, rng):
    """`axis=3` is the last one of maps: layers behind know it as channels last."""
    inputs = rng.normal(size=(4, 8, 8, 8))
    same = -1 if axis == 3 else 1
    layer, expected = make(axis), run(make(same), inputs, training=True)
    np.testing.assert_array_equal(run(layer, inputs, training=True), expected)
    assert layer.channel_axis == same
