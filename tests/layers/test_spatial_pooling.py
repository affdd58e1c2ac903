"""Pooling over positions: the default window fits every size."""

import warnings

import keras
import numpy as np
import pytest

from keras_gcnn.layers import EquivarianceWarning, GAveragePooling2D, GMaxPooling2D
from tests.helpers import reference
from tests.helpers.covering import parametrize_covering
from tests.helpers.layers import DATA_FORMATS, equivariance_error, relative_error, run

REDUCE = {GMaxPooling2D: np.max, GAveragePooling2D: np.mean}
BOTH = pytest.mark.parametrize("layer_class", REDUCE)


def error_of(layer, size, rng):
    """Against all elements of P4M; the channels stay in place, so any group's maps follow."""
    return equivariance_error(
        lambda images: run(layer, images),
        rng.normal(size=(1, size, size, 2)),
        8,
        lambda images, g: reference.move_images(images, "p4m", g),
        lambda images, g: reference.move_images(images, "p4m", g),
    )


@parametrize_covering(size=range(5, 13), stride=[2, 3], layer_class=list(REDUCE))
def test_exact_at_every_size(layer_class, size, stride, rng):
    layer = layer_class(strides=stride, equivariance="strict", dtype="float64")
    assert error_of(layer, size, rng) < 1e-10
    images = rng.normal(size=(8, size, size, 2))
    # The smallest window, from the stride up, whose last visit ends at the border.
    window = next(w for w in range(stride, size + 1) if (size - w) % stride == 0)
    expected = reference.window_pool(images, REDUCE[layer_class], (window,) * 2, (stride,) * 2)
    assert expected.shape[1] == size // stride
    assert relative_error(run(layer, images), expected) < 1e-12


@BOTH
@pytest.mark.parametrize("data_format", DATA_FORMATS)
def test_rows_and_columns_have_their_own_windows(layer_class, data_format, rng):
    images = rng.normal(size=(2, 8, 9, 3))
    layer = layer_class(data_format=data_format, equivariance="strict", dtype="float64")
    actual = run(layer, images)
    expected = reference.window_pool(images, REDUCE[layer_class], (2, 3), (2, 2))
    assert relative_error(actual, expected) < 1e-12
    turned = run(layer, np.rot90(images, 1, (1, 2)))
    assert relative_error(turned, np.rot90(actual, 1, (1, 2))) < 1e-12


@BOTH
@pytest.mark.parametrize(
    "arguments",
    [
        {"pool_size": 2},
        {"pool_size": 2, "padding": "same"},
        {"pool_size": 3, "strides": 2, "padding": "same"},
        {"pool_size": (2, 3), "strides": (1, 2)},
    ],
    ids=str,
)
def test_an_explicit_window_is_the_stock_layer(layer_class, arguments, rng):
    stock = {
        GMaxPooling2D: keras.layers.MaxPooling2D,
        GAveragePooling2D: keras.layers.AveragePooling2D,
    }[layer_class](**arguments, dtype="float64")
    layer = layer_class(**arguments, equivariance="ignore", dtype="float64")
    images = rng.normal(size=(2, 9, 8, 3))
    assert relative_error(run(layer, images), run(stock, images)) < 1e-12


BROKEN = [
    (9, {"pool_size": 2}),
    (8, {"pool_size": 3, "strides": 2}),
    (9, {"pool_size": 2, "padding": "same"}),
    (8, {"pool_size": 3, "strides": 2, "padding": "same"}),
    (9, {"strides": (1, 2)}),
    (9, {"pool_size": (1, 3), "strides": 1}),  # a turned image would need a turned window
    (9, {"pool_size": (1, 3), "strides": 1, "padding": "same"}),
]


@BOTH
@pytest.mark.parametrize(("size", "arguments"), BROKEN, ids=str)
def test_a_broken_window_is_reported(layer_class, size, arguments, rng):
    shape = (None, size, size, 2)
    says = rf"{layer_class.__name__} .* is not equivariant: .+ To fix: \w+"
    with pytest.raises(ValueError, match=says):
        layer_class(**arguments, equivariance="strict").build(shape)
    layer = layer_class(**arguments, dtype="float64")
    with pytest.warns(EquivarianceWarning, match=says):
        layer.build(shape)
    assert error_of(layer, size, rng) > 1e-3


@BOTH
@pytest.mark.parametrize(
    ("size", "arguments"),
    [
        (8, {"pool_size": 2}),
        (9, {"pool_size": 3, "strides": 2}),
        (9, {"pool_size": 3, "strides": 2, "padding": "same"}),
        (8, {"pool_size": 3, "strides": 1, "padding": "same"}),
    ],
    ids=str,
)
def test_an_exact_window_is_accepted(layer_class, size, arguments, rng):
    layer = layer_class(**arguments, equivariance="strict", dtype="float64")
    assert error_of(layer, size, rng) < 1e-10


@BOTH
def test_ignore_is_silent(layer_class, recwarn):
    layer_class(2, equivariance="ignore").build((None, 9, 9, 2))
    assert not [w for w in recwarn if issubclass(w.category, EquivarianceWarning)]


@parametrize_covering(layer_class=list(REDUCE), stride=[2, 3], data_format=DATA_FORMATS)
def test_sizes_that_are_known_at_call_time_only(layer_class, stride, data_format, rng):
    """By operations that need no sizes, as a graph of TensorFlow or an exported one has them."""
    layer = layer_class(strides=stride, data_format=data_format, dtype="float64")
    first = data_format == "channels_first"
    inputs = keras.Input((2, None, 8) if first else (None, 8, 2))
    assert layer(inputs).shape == (
        (None, 2, None, 8 // stride) if first else (None, None, 8 // stride, 2)
    )
    for sizes in ((6, 7), (8, 5), (4, 3)):
        images = rng.normal(size=(2, *sizes, 2))
        window = tuple(stride + size % stride for size in sizes)
        expected = reference.window_pool(images, REDUCE[layer_class], window, (stride,) * 2)

        def open_size(maps):
            maps = keras.ops.convert_to_tensor(maps)

            def pool(part, pair):
                return layer._pool(part, pair, pair, data_format=data_format)

            return layer.pool_open_size(maps, pool)

        assert relative_error(run(open_size, images, data_format), expected) < 1e-12


@BOTH
def test_at_an_open_size_nothing_has_to_be_given_and_nothing_is_wrong_yet(layer_class):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for layer in (layer_class(), layer_class(2), layer_class(3, 2)):
            layer(keras.Input((None, None, 2)))
    with pytest.warns(EquivarianceWarning, match="4 or 2 rows and columns, or leave pool_size out"):
        layer_class(2)(np.ones((1, 3, 3, 2), "float32"))
    with pytest.warns(EquivarianceWarning, match="differently.*same value for rows and columns"):
        layer_class(strides=(2, 3))(keras.Input((None, None, 2)))


@pytest.mark.parametrize(
    ("layer_class", "size", "arguments"),
    [
        (GMaxPooling2D, 3, {"strides": (2, 3)}),
        (GAveragePooling2D, 3, {"strides": (2, 3)}),
        (GMaxPooling2D, 2, {"pool_size": (2, 3), "padding": "same"}),
        (GAveragePooling2D, 3, {"pool_size": 5, "padding": "same"}),
    ],
)
def test_one_window_that_covers_all_is_exact(layer_class, size, arguments, rng):
    layer = layer_class(**arguments, equivariance="strict", dtype="float64")
    assert error_of(layer, size, rng) < 1e-10


def test_an_average_with_uneven_padding_is_reported():
    """On PyTorch Keras repeats the border there; on the other backends one window is exact."""
    with pytest.warns(EquivarianceWarning, match="pads 0 before and 1 after"):
        GAveragePooling2D(3, padding="same")(np.ones((1, 2, 2, 1), "float32"))


@BOTH
def test_default_strides(layer_class):
    assert layer_class().strides == (2, 2)
    assert layer_class(3).strides == (3, 3)
    assert layer_class(3, 1).strides == (1, 1)


@BOTH
def test_same_padding_needs_a_pool_size(layer_class):
    with pytest.raises(ValueError, match=r"needs a pool_size\. Leave padding out"):
        layer_class(padding="same")
