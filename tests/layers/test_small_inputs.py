"""An input smaller than the window raises the same error on every backend."""

import keras
import numpy as np
import pytest

from keras_gcnn import layers
from tests.helpers.layers import DATA_FORMATS, to_format

# A layer, and rows and columns; one of them is too small for it.
TOO_SMALL = {
    "lifting": (lambda **more: layers.LiftingConv2D(2, 3, "p4", **more), (2, 5)),
    "dilated": (lambda **more: layers.GConv2D(2, 3, "p4", dilation_rate=2, **more), (5, 4)),
    "separable": (lambda **more: layers.GSeparableConv2D(2, 4, "p4", **more), (5, 3)),
    "depthwise": (lambda **more: layers.GDepthwiseConv2D(4, "p4", **more), (3, 5)),
    "circular": (lambda **more: layers.GConv2D(2, 5, padding="circular", **more), (6, 1)),
    "reflect": (
        lambda **more: layers.GSeparableConv2D(2, 3, padding="reflect", dilation_rate=2, **more),
        (2, 6),
    ),
    "steerable": (lambda **more: layers.SteerableConv2D({0: 8}, {0: 1}, 3, **more), (2, 5)),
    "max": (lambda **more: layers.GMaxPooling2D(**more), (1, 1)),
    "average": (lambda **more: layers.GAveragePooling2D(strides=3, **more), (2, 4)),
    "pool_size": (lambda **more: layers.GMaxPooling2D(4, 2, **more), (3, 4)),
}
every_layer = pytest.mark.parametrize(("make", "sizes"), TOO_SMALL.values(), ids=TOO_SMALL)
SAYS = r"needs at least \d rows and \d columns(, from which .*)?; the input has shape"


def images(sizes, data_format="channels_last"):
    return to_format(np.zeros((2, *sizes, 8), "float32"), data_format)


@every_layer
@pytest.mark.parametrize("data_format", DATA_FORMATS)
def test_it_is_refused_wherever_its_size_is_seen(make, sizes, data_format):
    small = images(sizes, data_format)
    with pytest.raises(ValueError, match=SAYS):
        make(data_format=data_format)(small)
    with pytest.raises(ValueError, match=SAYS):
        make(data_format=data_format)(keras.Input(small.shape[1:]))
    with pytest.raises(ValueError, match=SAYS):
        make(data_format=data_format).build(small.shape)
    with pytest.raises(ValueError, match=SAYS):
        make(data_format=data_format).compute_output_shape(small.shape)


@every_layer
def test_it_is_refused_by_a_layer_that_was_built_for_another_size(make, sizes):
    layer = make(equivariance="ignore")
    layer(images((12, 12)))
    for _ in range(2):
        with pytest.raises(ValueError, match=SAYS):
            layer(images(sizes))


@pytest.mark.parametrize("size", [0, 1])
def test_a_map_of_nothing_is_no_input(size):
    with pytest.raises(ValueError, match=SAYS):
        layers.GMaxPooling2D()(keras.Input((size, size, 4)))
    if not size:
        with pytest.raises(ValueError, match=SAYS):
            layers.GConv2DTranspose(2, 3)(keras.Input((0, 0, 4)))


def test_the_smallest_that_fits_is_accepted():
    assert layers.LiftingConv2D(2, 3)(images((3, 3))).shape == (2, 1, 1, 8)
    assert layers.GConv2D(2, 3, dilation_rate=2)(images((5, 5))).shape == (2, 1, 1, 8)
    assert layers.GConv2D(2, 5, padding="circular")(images((2, 3))).shape == (2, 2, 3, 8)
    assert layers.GConv2D(2, 5, padding="reflect")(images((3, 4))).shape == (2, 3, 4, 8)
    for size in (2, 3):
        assert layers.GMaxPooling2D()(images((size, size))).shape == (2, 1, 1, 8)


def test_padded_every_size_fits():
    same = {"padding": "same"}
    assert layers.LiftingConv2D(2, 5, **same)(images((1, 2))).shape == (2, 1, 2, 8)
    pool = layers.GMaxPooling2D(3, 1, **same)
    assert pool(images((1, 2))).shape == (2, 1, 2, 8)


def test_unknown_sizes_are_looked_at_once_they_are_known():
    inputs = keras.Input((None, None, 8))
    network = keras.Model(inputs, layers.GConv2D(2, 3)(inputs))
    with pytest.raises(ValueError, match=SAYS):
        network(images((2, 3)))
