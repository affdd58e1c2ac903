"""Batch normalisation of fields against sums over fields."""

import keras
import numpy as np
import pytest

from keras_gcnn.layers import SteerableBatchNormalization
from tests.helpers.layers import randomize, relative_error, run, to_format
from tests.helpers.steerable import FIELDS, channels, layout, turn, turn_fibres

EPSILON = 1e-3
NAMES = ("gamma", "beta", "moving_mean", "moving_variance")
SEVERAL = pytest.mark.parametrize(
    ("fields", "data_format"),
    [
        (FIELDS, "channels_last"),
        (FIELDS, "channels_first"),
        ({1: 2, 2: 1}, "channels_last"),
        ({0: 3}, "channels_first"),
    ],
    ids=str,
)


def make(fields, data_format="channels_last", dtype="float64", **more):
    axis = 1 if data_format == "channels_first" else -1
    return SteerableBatchNormalization(fields, axis, epsilon=EPSILON, dtype=dtype, **more)


def maps_for(fields, rng, batch=4, size=4):
    """Maps whose channels differ in mean and scale."""
    maps = rng.normal(size=(batch, size, size, channels(fields)))
    return maps * rng.uniform(0.5, 2, channels(fields)) + rng.normal(size=channels(fields))


def built(layer, maps, rng, data_format="channels_last"):
    layer.build(to_format(maps, data_format).shape)
    return randomize(layer, rng)


def numbers(layer):
    """Arrays by name; none for a weight that the layer does not have."""
    weights = {name: getattr(layer, name) for name in NAMES}
    return {
        name: np.zeros(0) if one is None else keras.ops.convert_to_numpy(one)
        for name, one in weights.items()
    }


def statistics(maps, fields):
    """Means of frequency 0, and of every field the mean of its channels' second moments."""
    means, squares = [], [[] for _ in range(max(fields.values()))]
    for (field, frequency), part in layout(fields).items():
        for values in np.moveaxis(maps[..., part], -1, 0):
            if frequency == 0:
                means.append(values.mean())
                values = values - values.mean()
            squares[field].append((values**2).mean())
    return np.array(means), np.array([np.mean(one) for one in squares])


def normalized(maps, fields, mean, variance, gamma, beta):
    outputs, means, offsets = np.empty_like(maps), iter(mean), iter(beta)
    for (field, frequency), part in layout(fields).items():
        values, offset = maps[..., part], 0
        if frequency == 0:
            values, offset = values - next(means), next(offsets)
        outputs[..., part] = values / np.sqrt(variance[field] + EPSILON) * gamma[field] + offset
    return outputs


@SEVERAL
def test_training_normalizes_by_the_statistics_of_fields(fields, data_format, rng):
    maps = maps_for(fields, rng)
    layer = built(make(fields, data_format, momentum=0.7), maps, rng, data_format)
    before = numbers(layer)
    actual = run(layer, maps, data_format, training=True)
    mean, variance = statistics(maps, fields)
    expected = normalized(maps, fields, mean, variance, before["gamma"], before["beta"])
    assert relative_error(actual, expected) < 1e-12
    after = numbers(layer)
    for name, value in (("moving_mean", mean), ("moving_variance", variance)):
        np.testing.assert_allclose(after[name], 0.7 * before[name] + 0.3 * value, rtol=1e-12)


@SEVERAL
def test_inference_uses_the_moving_statistics(fields, data_format, rng):
    maps = maps_for(fields, rng)
    layer = built(make(fields, data_format), maps, rng, data_format)
    given = numbers(layer)
    names = ("moving_mean", "moving_variance", "gamma", "beta")
    expected = normalized(maps, fields, *(given[name] for name in names))
    assert relative_error(run(layer, maps, data_format), expected) < 1e-12
    for name, value in numbers(layer).items():
        np.testing.assert_array_equal(value, given[name])


@pytest.mark.parametrize(("center", "scale"), [(True, False), (False, True)])
def test_without_offset_or_scale(center, scale, rng):
    maps = maps_for(FIELDS, rng)
    layer = make(FIELDS, center=center, scale=scale)
    expected = normalized(maps, FIELDS, *statistics(maps, FIELDS), np.ones(3), np.zeros(3))
    assert relative_error(run(layer, maps, training=True), expected) < 1e-12
    assert [weight.name for weight in layer.trainable_weights] == ["beta"] * center + [
        "gamma"
    ] * scale


def error_with_turned_images(layer, fields, rng, data_format="channels_last"):
    """Image q of the batch is turned by q quarters: relative error in training mode."""
    maps = maps_for(fields, rng)
    built(layer, maps, rng, data_format)

    def turn_each(batch):
        return np.concatenate([turn(batch[q : q + 1], fields, q) for q in range(len(batch))])

    upright = run(layer, maps, data_format, training=True)
    turned = run(layer, turn_each(maps), data_format, training=True)
    return relative_error(turned, turn_each(upright))


@SEVERAL
def test_training_commutes_with_turning_every_image_by_itself(fields, data_format, rng):
    layer = make(fields, data_format)
    assert error_with_turned_images(layer, fields, rng, data_format) < 1e-10


def test_the_stock_layer_does_not(rng):
    stock = keras.layers.BatchNormalization(epsilon=EPSILON, dtype="float64")
    assert error_with_turned_images(stock, FIELDS, rng) > 1e-3


def test_training_commutes_with_turning_every_fibre_by_its_own_angle(rng):
    fibres, angles = maps_for(FIELDS, rng), rng.uniform(0, 7, 4)

    def turn_each(batch):
        pairs = zip(batch, angles, strict=True)
        return np.stack([turn_fibres(one, FIELDS, angle) for one, angle in pairs])

    layer = built(make(FIELDS), fibres, rng)
    upright = run(layer, fibres, training=True)
    turned = run(layer, turn_each(fibres), training=True)
    assert relative_error(turned, turn_each(upright)) < 1e-10


def test_gradients_go_through_the_statistics(rng):
    """One step of gradient descent against finite differences of the formula."""
    inputs, targets = rng.normal(size=(8, 2)), rng.normal(size=(8, channels(FIELDS)))
    kernel = rng.normal(size=(2, channels(FIELDS)))

    def loss(kernel):
        maps = inputs @ kernel
        outputs = normalized(maps, FIELDS, *statistics(maps, FIELDS), np.ones(3), np.zeros(3))
        return ((outputs - targets) ** 2).mean()

    steps = 1e-5 * np.eye(kernel.size).reshape(-1, *kernel.shape)
    slopes = [(loss(kernel + step) - loss(kernel - step)) / 2e-5 for step in steps]
    dense = keras.layers.Dense(channels(FIELDS), use_bias=False)
    network = keras.Sequential([keras.Input((2,)), dense, make(FIELDS, dtype="float32")])
    dense.kernel.assign(kernel)
    network.compile(keras.optimizers.SGD(1.0), "mse", jit_compile=False)
    network.train_on_batch(inputs.astype("float32"), targets.astype("float32"))
    gradient = kernel - keras.ops.convert_to_numpy(dense.kernel)
    assert relative_error(gradient, np.reshape(slopes, kernel.shape)) < 1e-4


def test_masked_positions_do_not_count(rng):
    maps, mask = maps_for(FIELDS, rng), rng.random((4, 4, 4)) < 0.6
    expected = normalized(maps, FIELDS, *statistics(maps[mask], FIELDS), np.ones(3), np.zeros(3))
    maps[~mask] = np.nan
    actual = run(make(FIELDS), maps, training=True, mask=mask)
    # Keras divides by the number of places plus 1e-7, and so does the layer.
    assert relative_error(actual[mask], expected[mask]) < 1e-6


def test_on_channels_alone_it_is_the_stock_layer(rng):
    maps = maps_for({0: 5}, rng).astype("float32")
    layer = built(make({0: 5}, dtype="float32"), maps, rng)
    stock = keras.layers.BatchNormalization(epsilon=EPSILON)
    stock.build(maps.shape)
    stock.set_weights(layer.get_weights())
    for training in (True, False):
        actual, expected = (run(each, maps, training=training) for each in (layer, stock))
        assert relative_error(actual, expected) < 2e-6


@pytest.mark.parametrize("half", ["float16", "bfloat16"])
def test_half_precision_keeps_the_statistics_in_float32(half, rng):
    """Around 300 the squares overflow float16, and bfloat16 has no digits for the spread."""
    inputs = keras.ops.cast(300 + 8 * maps_for(FIELDS, rng), half)
    maps = keras.ops.convert_to_numpy(keras.ops.cast(inputs, "float32")).astype("float64")
    outputs = make(FIELDS, dtype=f"mixed_{half}")(inputs, training=True)
    assert keras.backend.standardize_dtype(outputs.dtype) == half
    actual = keras.ops.convert_to_numpy(keras.ops.cast(outputs, "float32"))
    expected = normalized(maps, FIELDS, *statistics(maps, FIELDS), np.ones(3), np.zeros(3))
    assert relative_error(actual, expected) < {"float16": 4e-3, "bfloat16": 3e-2}[half]


def test_numbers_of_weights():
    """Mean and offset per frequency 0, variance and scale per field."""
    for fields, expected in ((FIELDS, (3, 3)), ({1: 2, 2: 1}, (0, 2)), ({0: 1, 1: 4}, (1, 4))):
        layer = make(fields)
        layer.build((None, 4, 4, channels(fields)))
        shapes = {name: one.shape for name, one in numbers(layer).items()}
        means, variances = ((size,) for size in expected)
        assert shapes == dict(zip(NAMES, (variances, means, means, variances), strict=True))
