"""Batch normalisation that leaves masked positions out of the statistics."""

import keras
import numpy as np
import pytest

from keras_gcnn.layers import (
    GBatchNormalization,
    GPooling,
    Restriction,
    SteerableBatchNormalization,
)
from tests.helpers import reference
from tests.helpers.gradients import gradient
from tests.helpers.layers import DATA_FORMATS, relative_error, run

EPSILON = 1e-3


def maps_and_mask(rng, channels, batch=3, size=4):
    maps = rng.normal(size=(batch, size, size, channels)) * rng.uniform(0.5, 2, channels)
    return maps + rng.normal(size=channels), rng.random((batch, size, size)) < 0.6


def make(group, data_format="channels_last", **kwargs):
    axis = 1 if data_format == "channels_first" else -1
    return GBatchNormalization(group, axis, epsilon=EPSILON, dtype="float64", **kwargs)


@pytest.mark.parametrize("data_format", DATA_FORMATS)
@pytest.mark.parametrize("group", ["z2", "pm", "p4m"])
def test_statistics_leave_masked_positions_out(group, data_format, rng):
    order = reference.order(group)
    maps, mask = maps_and_mask(rng, 2 * order)
    layer = make(group, data_format, momentum=0.0)
    actual = run(layer, maps, data_format, training=True, mask=mask)
    left = maps[mask].reshape(-1, 2, order)
    mean, variance = left.mean(axis=(0, 2)), left.var(axis=(0, 2))
    spread = np.sqrt(np.repeat(variance, order) + EPSILON)
    expected = (maps - np.repeat(mean, order)) / spread
    # Keras divides by the number of places plus 1e-7, and so does the layer.
    assert relative_error(actual, expected) < 1e-6
    moving = (layer.moving_mean, layer.moving_variance)
    for found, wanted in zip(moving, (mean, variance), strict=True):
        assert relative_error(keras.ops.convert_to_numpy(found), wanted) < 1e-6


@pytest.mark.parametrize("masked", ["some", "whole images"])
def test_on_z2_it_is_the_stock_layer(masked, rng):
    maps, mask = maps_and_mask(rng, 3)
    mask = {"some": mask, "whole images": mask[:, :1, :1]}[masked]
    maps = maps.astype("float32")
    layer, stock = GBatchNormalization("z2"), keras.layers.BatchNormalization()
    for _ in range(2):
        actual, expected = (run(each, maps, training=True, mask=mask) for each in (layer, stock))
        assert relative_error(actual, expected) < 2e-6
    for mine, theirs in zip(layer.get_weights(), stock.get_weights(), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=2e-6, atol=1e-6)


def test_inference_needs_no_mask(rng):
    maps, mask = maps_and_mask(rng, 8)
    layer = make("p4")
    np.testing.assert_array_equal(run(layer, maps, mask=mask), run(layer, maps))


def test_masked_positions_may_hold_nan(rng):
    maps, mask = maps_and_mask(rng, 8)
    expected = run(make("p4"), maps, training=True, mask=mask)[mask]
    maps[~mask] = np.nan
    np.testing.assert_array_equal(run(make("p4"), maps, training=True, mask=mask)[mask], expected)


def test_a_mask_that_a_layer_before_it_made(rng):
    """Keras hands the mask of a `Masking` layer on by itself."""
    steps = rng.normal(size=(3, 5, 8)).astype("float32")
    steps[:, 3:] = 0
    network = keras.Sequential([keras.layers.Masking(), GBatchNormalization("p4", momentum=0.0)])
    network(steps, training=True)
    mean = keras.ops.convert_to_numpy(network.layers[-1].moving_mean)
    np.testing.assert_allclose(
        mean, steps[:, :3].reshape(3, 3, 2, 4).mean(axis=(0, 1, 3)), atol=1e-6
    )


@pytest.mark.parametrize("case", ["no images", "no rows", "all masked", "no images, masked"])
@pytest.mark.parametrize(
    "make",
    [
        lambda: GBatchNormalization("p4"),
        lambda: GBatchNormalization("p4", axis=1),
        lambda: SteerableBatchNormalization({0: 2, 1: 1}),
    ],
    ids=["group", "channels first", "fields"],
)
def test_a_batch_in_which_nothing_counts_changes_nothing(make, case, rng):
    """Neither the moving statistics nor, by its gradients, the scale."""
    layer = make()
    maps = rng.normal(size=(2, 5, 5, 4)).astype("float32")
    if case == "no rows":
        maps = maps[:, :0]
    elif case != "all masked":
        maps = maps[:0]
    mask = keras.ops.zeros(maps.shape[:3], "bool") if "masked" in case else None
    maps = np.moveaxis(maps, -1, layer.axis)
    layer.build(maps.shape)
    for number, weight in enumerate(layer.weights):
        weight.assign(np.full(weight.shape, number + 0.7))
    before = layer.get_weights()
    outputs = run(layer, maps, "channels_last", training=True, mask=mask)
    assert outputs.shape == maps.shape
    assert np.isfinite(outputs).all()
    for one, other in zip(layer.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)

    def scaled(gamma):
        weights = [gamma, layer.beta.value]
        statistics = [weight.value for weight in layer.non_trainable_variables]
        inputs = keras.ops.convert_to_tensor(maps)
        return layer.stateless_call(weights, statistics, inputs, training=True, mask=mask)[0]

    assert np.isfinite(gradient(scaled, before[0])).all()


@pytest.mark.thorough("jax", "tensorflow")
@pytest.mark.parametrize(
    ("between", "group"), [(GPooling(group="p2"), "z2"), (Restriction("p4", "p2"), "p2")]
)
def test_layers_that_leave_positions_hand_a_mask_on(between, group, rng):
    steps = rng.normal(size=(3, 5, 8)).astype("float32")
    steps[:, 3:] = 0
    last = GBatchNormalization(group, momentum=0.0)
    network = keras.Sequential([keras.layers.Masking(), between, last])
    network(steps, training=True)
    left = keras.ops.convert_to_numpy(between(steps[:, :3])).reshape(
        3, 3, -1, reference.order(group)
    )
    mean = keras.ops.convert_to_numpy(last.moving_mean)
    np.testing.assert_allclose(mean, left.mean(axis=(0, 1, 3)), atol=1e-6)
