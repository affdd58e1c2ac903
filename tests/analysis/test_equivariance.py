import keras
import numpy as np
import pytest

from keras_gcnn import analysis, layers


def test_a_group_convolution_commutes_and_says_so_per_element():
    errors = analysis.equivariance_error(layers.GConv2D(2, 3, "p4m"), input_shape=(7, 7, 16))
    assert list(errors) == ["e", "r", "r2", "r3", "m", "mr", "mr2", "mr3"]
    assert max(errors.values()) < 1e-5


def test_the_error_is_relative_to_the_largest_value():
    def shifts_a_corner(x):
        y = np.array(x) * 0 + 10.0
        y[:, 0, 0] += 1.0
        return y

    errors = analysis.equivariance_error(shifts_a_corner, "p4", input_shape=(4, 4, 1))
    assert errors["e"] == 0
    assert errors["r"] == pytest.approx(1 / 11)


@pytest.mark.parametrize(
    "layer",
    [
        keras.layers.Conv2D(3, 3),
        keras.layers.Flatten(),
        layers.LiftingConv2D(2, 3, "p4", strides=2, padding="same", equivariance="ignore"),
    ],
)
def test_what_is_broken_is_refused(layer):
    with pytest.raises(AssertionError, match="does not commute with element"):
        analysis.assert_equivariant(layer, "p4", input_shape=(8, 8, 4))


def test_nan_is_refused():
    with pytest.raises(AssertionError):
        analysis.assert_equivariant(lambda x: x * np.nan, "p4", input_shape=(4, 4, 1))


def test_batch_statistics_are_tried_on_images_turned_independently():
    shape = {"input_shape": (5, 5, 8), "training": True}
    ours = analysis.equivariance_error(layers.GBatchNormalization("p4"), **shape)
    assert max(ours.values()) < 1e-5
    stock = analysis.equivariance_error(
        keras.layers.BatchNormalization(), "p4", input_type="regular", **shape
    )
    assert stock["r"] < 1e-5 < 1e-2 < stock["mixed"]


def test_the_state_is_left_as_it_was():
    layer = layers.GBatchNormalization("p4")
    layer.build((None, 5, 5, 8))
    before = layer.get_weights()
    analysis.equivariance_error(layer, input_shape=(5, 5, 8), training=True)
    for old, new in zip(before, layer.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_images_need_not_be_square():
    layer = layers.LiftingConv2D(2, 3, "p4", padding="same")
    assert max(analysis.equivariance_error(layer, input_shape=(5, 8, 1)).values()) < 1e-5


def test_channels_first():
    layer = layers.GConv2D(2, 3, "p4", data_format="channels_first")
    analysis.assert_equivariant(layer, input_shape=(8, 6, 6))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"input_shape": (5, 5, 1)}, "which group"),
        ({"group": "p4"}, "input_shape"),
        ({"group": "p4", "input_shape": (5, 5, 1), "input_type": "vector"}, "trivial, regular"),
        ({"group": "p4", "input_shape": (5, 5, 3), "output_type": "regular"}, "no multiple of 4"),
    ],
)
def test_a_mistake_is_explained(arguments, message):
    with pytest.raises(ValueError, match=message):
        analysis.equivariance_error(keras.layers.ReLU(), **arguments)
