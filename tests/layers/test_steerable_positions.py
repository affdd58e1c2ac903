"""Blurred pooling and the disc around the centre, position by position."""

import itertools

import keras
import numpy as np
import pytest

from keras_gcnn.backend.ops import compiled
from keras_gcnn.layers import DiscMask, SteerableAveragePooling2D
from tests.helpers.layers import DATA_FORMATS, relative_error, run

BOTH_FORMATS = pytest.mark.parametrize("data_format", DATA_FORMATS)


def averages(size, stride, sigma):
    """Row i: the Gaussian weights, up to 3.1 sigma, around the i-th of centres that lie evenly."""
    count = int(np.ceil(size / stride))
    matrix = np.zeros((count, size))
    for i, p in itertools.product(range(count), range(size)):
        distance = (p - (size - 1) / 2) - (i - (count - 1) / 2) * stride
        if abs(distance) <= 3.1 * sigma:
            matrix[i, p] = np.exp(-(distance**2) / (2 * sigma**2))
    return matrix / matrix.sum(axis=1, keepdims=True)


@BOTH_FORMATS
@pytest.mark.parametrize(
    ("sizes", "stride", "sigma"),
    [((8, 9), 2, None), ((7, 10), 3, None), ((8, 9), 2, 1.5), ((8, 9), 1, 0.8), ((2, 1), 4, None)],
    ids=str,
)
def test_pooling_is_the_formula(sizes, stride, sigma, data_format, rng):
    maps = rng.normal(size=(2, *sizes, 3))
    layer = SteerableAveragePooling2D(
        strides=stride, sigma=sigma, data_format=data_format, dtype="float64"
    )
    rows, columns = (averages(size, stride, sigma or 0.33 * stride) for size in sizes)
    expected = np.einsum("ip,jq,bpqc->bijc", rows, columns, maps)
    assert relative_error(run(layer, maps), expected) < 1e-12


@pytest.mark.parametrize("size", [1, 2, 5, 6])
@pytest.mark.parametrize("sigma", [None, 0.05])
def test_a_constant_stays_as_it_is(size, sigma):
    """However narrow the Gaussian is: between two positions it is the mean of both."""
    layer = SteerableAveragePooling2D({0: 2}, sigma=sigma, dtype="float64")
    outputs = run(layer, np.ones((1, size, size, 2)))
    np.testing.assert_allclose(outputs, np.ones((1, (size + 1) // 2, (size + 1) // 2, 2)))


def test_a_narrow_gaussian_between_two_positions():
    outputs = run(SteerableAveragePooling2D(sigma=0.05), np.arange(6.0).reshape(1, 6, 1, 1))
    np.testing.assert_allclose(outputs[0, :, 0, 0], [0.5, 2.5, 4.5])


def test_pooling_removes_what_the_smaller_grid_cannot_show():
    """Of a wave of two pixels less than a quarter; every second position alone would keep all."""
    wave = (-1.0) ** np.arange(24)
    layer = SteerableAveragePooling2D(dtype="float64")
    for size in (23, 24):
        left = run(layer, np.tile(wave[:size], (1, size, 1))[..., None])
        assert np.abs(left[0, 2:-2, 2:-2]).max() < 0.25


@BOTH_FORMATS
@pytest.mark.parametrize(("sizes", "margin"), [((8, 8), 1.0), ((9, 9), 2.0), ((6, 9), 1.0)])
def test_the_mask_falls_from_one_to_zero_around_the_disc(sizes, margin, data_format, rng):
    maps = rng.normal(size=(2, *sizes, 3))
    expected = np.empty_like(maps)
    for i, j in itertools.product(*map(range, sizes)):
        radius = np.hypot(i - (sizes[0] - 1) / 2, j - (sizes[1] - 1) / 2)
        share = 0.5 + (min(sizes) / 2 - radius) / margin
        expected[:, i, j] = maps[:, i, j] * min(max(share, 0), 1)
    layer = DiscMask(margin=margin, data_format=data_format, dtype="float64")
    assert relative_error(run(layer, maps), expected) < 1e-12
    assert (expected[:, 0, 0] == 0).all()


@pytest.mark.parametrize("layer_class", [DiscMask, SteerableAveragePooling2D])
def test_a_layer_is_called_on_another_size(layer_class):
    layer = layer_class(dtype="float64")
    for size in (5, 8):
        inputs = np.ones((1, size, size, 2))
        np.testing.assert_array_equal(run(layer, inputs), run(layer_class(dtype="float64"), inputs))


@BOTH_FORMATS
@pytest.mark.parametrize(
    "arguments", [{}, {"strides": 3, "sigma": 0.2}, {"strides": 4}, {"strides": 1, "sigma": 1.5}]
)
def test_pooling_of_sizes_that_are_known_at_call_time_only(arguments, data_format, rng):
    """By operations that need no sizes, against the ways of known sizes, which are tested above."""
    layer = SteerableAveragePooling2D(**arguments, data_format=data_format, dtype="float64")
    check_open_size(layer, layer.blur_open_size, data_format, rng)


@BOTH_FORMATS
@pytest.mark.parametrize("margin", [1.0, 2.0])
def test_mask_of_sizes_that_are_known_at_call_time_only(margin, data_format, rng):
    layer = DiscMask(margin=margin, data_format=data_format, dtype="float64")
    check_open_size(layer, layer.mask_open_size, data_format, rng)


def check_open_size(layer, function, data_format, rng):
    for sizes in ((7, 8), (6, 9), (5, 5), (4, 11)):
        maps = rng.normal(size=(2, *sizes, 3))
        found = run(compiled(lambda x: function(keras.ops.convert_to_tensor(x))), maps, data_format)
        assert relative_error(found, run(layer, maps)) < 1e-12
