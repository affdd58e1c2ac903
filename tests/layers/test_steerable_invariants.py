"""Layers from fields to ordinary channels."""

import keras
import numpy as np
import pytest

from keras_gcnn.layers import InvariantMap, NormPooling
from tests.helpers.layers import DATA_FORMATS, randomize, relative_error, run
from tests.helpers.steerable import FIELDS, channels, layout

BOTH_FORMATS = pytest.mark.parametrize("data_format", DATA_FORMATS)
EPSILON = 1e-6


def scalars_of(maps, fields):
    return [maps[..., part] for (_, k), part in layout(fields).items() if k == 0]


@BOTH_FORMATS
@pytest.mark.parametrize("use_bias", [True, False])
def test_the_invariant_map_is_a_product_with_frequency_0(use_bias, data_format, rng):
    maps = rng.normal(size=(2, 3, 4, channels(FIELDS)))
    layer = InvariantMap(
        FIELDS, 5, activation="relu", use_bias=use_bias, data_format=data_format, dtype="float64"
    )
    run(layer, maps)
    kernel, *bias = map(keras.ops.convert_to_numpy, randomize(layer, rng).weights)
    assert kernel.shape == (3, 5)
    assert [one.shape for one in bias] == [(5,)] * use_bias
    expected = np.concatenate(scalars_of(maps, FIELDS), axis=-1) @ kernel + sum(bias)
    assert relative_error(run(layer, maps), np.maximum(expected, 0)) < 1e-12
    assert expected.min() < 0 < expected.max()


@BOTH_FORMATS
@pytest.mark.parametrize("fields", [FIELDS, {1: 2, 2: 1}, {0: 3}, {0: 1, 2: 2}], ids=str)
def test_norm_pooling_keeps_frequency_0_and_takes_lengths(fields, data_format, rng):
    maps = rng.normal(size=(2, 3, 4, channels(fields)))
    maps[0] = 0
    layer = NormPooling(fields, epsilon=EPSILON, data_format=data_format, dtype="float64")
    lengths = [
        np.sqrt((maps[..., part] ** 2).sum(-1, keepdims=True) + EPSILON)
        for (_, k), part in layout(fields).items()
        if k > 0
    ]
    expected = np.concatenate([*scalars_of(maps, fields), *lengths], axis=-1)
    assert expected.shape[-1] == sum(fields.values())
    assert relative_error(run(layer, maps), expected) < 1e-12


@pytest.mark.parametrize("layer_class", [InvariantMap, NormPooling])
def test_vectors(layer_class, rng):
    fibres = rng.normal(size=(6, channels(FIELDS)))
    more = {"filters": 5} if layer_class is InvariantMap else {}
    layers = [layer_class(FIELDS, data_format=one, dtype="float64", **more) for one in DATA_FORMATS]
    expected = run(layers[0], fibres[:, None, None], "channels_last")[:, 0, 0]
    run(layers[1], fibres)
    layers[1].set_weights(layers[0].get_weights())
    for layer in layers:
        assert relative_error(run(layer, fibres), expected) < 1e-12
        assert layer.compute_output_shape((None, 9)) == (None, expected.shape[1])
