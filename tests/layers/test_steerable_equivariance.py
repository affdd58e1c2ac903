"""Steerable layers, alone and together, under quarter turns of square maps and turns of fibres."""

import keras
import numpy as np
import pytest

from keras_gcnn import layers
from keras_gcnn.layers import Fields
from tests.helpers.layers import randomize, relative_error, run
from tests.helpers.steerable import FIELDS, channels, quarter_turn_error, turn_fibres

INVARIANTS = {0: 6}
# How a layer is made, and the fields that it gives.
POINTWISE = {
    "norm": (lambda **how: layers.NormActivation(FIELDS, "elu", **how), FIELDS),
    "gated": (lambda **how: layers.GatedActivation(FIELDS, **how), FIELDS),
    "invariants": (lambda **how: layers.InvariantMap(FIELDS, 6, **how), INVARIANTS),
    "lengths": (lambda **how: layers.NormPooling(FIELDS, **how), INVARIANTS),
    "normalization": (
        lambda data_format="channels_last", **how: layers.SteerableBatchNormalization(
            FIELDS, 1 if data_format == "channels_first" else -1, **how
        ),
        FIELDS,
    ),
}
FOURIER = {"fourier": (lambda **how: layers.FourierActivation(FIELDS, samples=8, **how), FIELDS)}
POSITIONS = {
    "pooling": (lambda **how: layers.SteerableAveragePooling2D(FIELDS, **how), FIELDS),
    "pooling by 3": (lambda **how: layers.SteerableAveragePooling2D(FIELDS, 3, **how), FIELDS),
    "mask": (lambda **how: layers.DiscMask(FIELDS, **how), FIELDS),
}


def ready(make, maps, rng, **how):
    """The layer with random weights, as a function."""
    layer = make(**how)
    run(layer, maps, how.get("data_format"))
    randomize(layer, rng)
    return lambda inputs: run(layer, inputs, how.get("data_format"))


@pytest.mark.parametrize(
    ("name", "size", "data_format"),
    [
        *((name, 5, "channels_first") for name in {**POINTWISE, **FOURIER}),
        *((name, 5, "channels_last") for name in POSITIONS),
        *((name, 6, "channels_first") for name in POSITIONS),
    ],
)
def test_quarter_turns(name, size, data_format, rng):
    make, fields_out = {**POINTWISE, **FOURIER, **POSITIONS}[name]
    maps = rng.normal(size=(1, size, size, channels(FIELDS)))
    function = ready(make, maps, rng, data_format=data_format, dtype="float64")
    assert quarter_turn_error(function, maps, FIELDS, fields_out) < 1e-10


@pytest.mark.parametrize("name", POINTWISE)
def test_fibres_turn_by_every_angle(name, rng):
    make, fields_out = POINTWISE[name]
    fibres = rng.normal(size=(30, channels(FIELDS)))
    function = ready(make, fibres, rng, dtype="float64")
    upright = function(fibres)
    for angle in rng.uniform(0, 2 * np.pi, 5):
        turned = function(turn_fibres(fibres, FIELDS, angle))
        assert relative_error(turned, turn_fibres(upright, fields_out, angle)) < 1e-10


def test_the_stock_activation_does_not(rng):
    maps = rng.normal(size=(1, 5, 5, channels(FIELDS)))
    stock = keras.layers.ELU(dtype="float64")
    assert quarter_turn_error(lambda maps: run(stock, maps), maps, FIELDS, FIELDS) > 0.1


def test_a_network_is_invariant(rng):
    """Images to vectors that no quarter turn changes, in float32."""
    fields = Fields.regular(2, max_frequency=3)
    images = keras.Input((9, 9, 2))
    maps = layers.DiscMask()(images)
    maps = layers.SteerableConv2D({0: 2}, fields, 5, padding="same")(maps)
    maps = layers.SteerableBatchNormalization(fields)(maps)
    maps = layers.FourierActivation(fields, samples=8)(maps)
    maps = layers.SteerableAveragePooling2D(fields)(maps)
    maps = layers.SteerableConv2DTranspose(fields, FIELDS, 4, strides=2)(maps)
    maps = layers.GatedActivation(FIELDS)(maps)
    maps = layers.SteerableConv2D(FIELDS, FIELDS, 2)(maps)
    maps = layers.NormActivation(FIELDS)(maps)
    sides = [layers.InvariantMap(FIELDS, 4)(maps), layers.NormPooling(FIELDS)(maps)]
    pooled = [keras.layers.GlobalAveragePooling2D()(side) for side in sides]
    network = randomize(keras.Model(images, keras.layers.Concatenate()(pooled)), rng)
    arrays = rng.normal(size=(3, 9, 9, 2)).astype("float32")
    moved = [np.rot90(arrays, quarters, (1, 2)) for quarters in range(4)]
    outputs = np.split(network.predict(np.concatenate(moved), verbose=0), 4)
    assert outputs[0].std(axis=0).min() > 1e-3
    for turned in outputs[1:]:
        assert relative_error(turned, outputs[0]) < 1e-5
