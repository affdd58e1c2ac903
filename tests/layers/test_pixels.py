"""Images of integers give the same outputs as the same images in floats."""

import keras
import numpy as np
import pytest

from keras_gcnn import layers
from tests.helpers.layers import run

LAYERS = [
    lambda **more: layers.LiftingConv2D(2, 3, "p4", activation="relu", **more),
    lambda **more: layers.GConv2D(2, 3, "p4", **more),
    lambda **more: layers.GSeparableConv2D(2, 3, "p4", **more),
    lambda **more: layers.GDepthwiseConv2D(3, "p4", **more),
    lambda **more: layers.GConv2DTranspose(2, 3, "p4", **more),
    layers.GMaxPooling2D,
    layers.GAveragePooling2D,
    lambda **more: layers.SteerableConv2D({0: 4}, {0: 1, 1: 1}, 3, **more),
    layers.SteerableAveragePooling2D,
    layers.DiscMask,
    lambda **more: layers.GPooling("max", "p4", **more),
    lambda **more: layers.GPooling("mean", "p4", **more),
    lambda **more: layers.GGlobalPooling("max", "p4", **more),
    lambda **more: layers.GOrientation("p4", **more),
    lambda **more: layers.Restriction("p4", "p2", **more),
    lambda **more: layers.GDropout(0.5, "p4", **more),
    lambda **more: layers.SteerableDropout(0.5, {0: 4}, **more),
]
every_layer = pytest.mark.parametrize("make", LAYERS)


@every_layer
@pytest.mark.parametrize("dtype", ["uint8", "int32", "bool"])
def test_integers_are_cast(make, dtype, rng):
    pixels = rng.integers(0, 256, (2, 6, 6, 4)).astype(dtype)
    layer = make()
    expected = run(layer, pixels.astype("float32"))
    np.testing.assert_array_equal(run(layer, pixels), expected)
    assert expected.dtype == "float32"


def test_integers_in_training(rng):
    pixels = rng.integers(1, 256, (2, 6, 6, 4), dtype="uint8")
    dropped = run(layers.GDropout(0.5, "p4"), pixels, training=True)
    np.testing.assert_array_equal(dropped, np.where(dropped > 0, 2.0 * pixels, 0))
    assert 0 < (dropped > 0).mean() < 1


@every_layer
def test_in_a_model_of_integers(make, rng):
    pixels = rng.integers(0, 256, (2, 6, 6, 4), dtype="uint8")
    inputs = keras.Input((6, 6, 4), dtype="uint8")
    network = keras.Model(inputs, make(dtype="mixed_bfloat16")(inputs))
    outputs = network(pixels)
    for tensor in (outputs, network.output):
        assert keras.backend.standardize_dtype(tensor.dtype) == "bfloat16"
