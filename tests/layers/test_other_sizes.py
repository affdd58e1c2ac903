"""A layer that was built for a size on which it is exact, called on one on which it is not."""

import warnings

import numpy as np
import pytest

from keras_gcnn.layers import EquivarianceWarning, GMaxPooling2D, LiftingConv2D, SteerableConv2D

SIZE_DEPENDENT = [
    lambda **more: LiftingConv2D(2, 3, "p4", strides=2, **more),
    lambda **more: GMaxPooling2D(3, 2, **more),
    lambda **more: SteerableConv2D({0: 1}, {0: 1}, 3, strides=2, **more),
]


def images(size):
    return np.zeros((1, size, size, 1), "float32")


@pytest.mark.parametrize("make", SIZE_DEPENDENT)
def test_it_says_so_when_it_is_called(make):
    layer = make()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        layer(images(9))
        layer(images(11))
    with pytest.warns(EquivarianceWarning, match="8 rows"):
        layer(images(8))


@pytest.mark.parametrize("make", SIZE_DEPENDENT)
def test_strictly_it_refuses(make):
    layer = make(equivariance="strict")
    layer(images(9))
    for _ in range(2):  # a second try is no better
        with pytest.raises(ValueError, match="not equivariant"):
            layer(images(8))
