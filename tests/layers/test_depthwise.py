"""Depthwise convolutions: values, equivariance, numbers of weights, and Keras's own layer."""

import keras
import numpy as np
import pytest

from keras_gcnn.layers import GConv2D, GDepthwiseConv2D
from tests.helpers import reference
from tests.helpers.convolutions import check_together, in_parts, make, matrix, reference_window
from tests.helpers.covering import parametrize_covering
from tests.helpers.layers import DATA_FORMATS, relative_error, run

WINDOWS = [
    ("p4", 3, {"padding": "same"}),
    ("p4", 4, {"strides": 2, "padding": "same"}),
    ("p4m", 3, {"strides": 2}),
    ("p4m", 3, {"dilation_rate": 2, "padding": "same"}),
    ("pm", (2, 3), {"padding": "circular"}),
    ("p4m", 3, {"strides": 2, "padding": "reflect"}),
    ("p2", (3, 2), {"dilation_rate": (1, 2)}),
    ("z2", (3, 2), {"padding": "same"}),
]


@parametrize_covering(case=WINDOWS, depth_multiplier=[1, 3], data_format=DATA_FORMATS)
def test_values_are_the_formula(case, depth_multiplier, data_format, rng):
    group, size, window = case
    form = {"depth_multiplier": depth_multiplier, "data_format": data_format}
    layer = make(GDepthwiseConv2D, group, size, "ignore", **form, **window)
    inputs = rng.normal(size=(2, 6, 7, 2 * reference.order(group)))
    actual = run(layer, inputs)
    bias = keras.ops.convert_to_numpy(layer.bias)
    base = keras.ops.convert_to_numpy(layer.kernel).transpose(2, 3, 0, 1)
    assert np.abs(bias).min() > 0
    expected = reference.group_depthwise(inputs, base, bias, group, **reference_window(window))
    assert relative_error(actual, expected) < 1e-12
    np.testing.assert_array_equal(layer.base_kernel(), base)


CHOICES = {
    "layer_class": [GDepthwiseConv2D],
    "depth_multiplier": [1, 2],
    "data_format": DATA_FORMATS,
}
CASES = matrix(reference.is_exact, range(1, 8), [7, 8], group=["p4", "p4m"], **CHOICES)
WITHOUT_QUARTER_TURNS = matrix(
    reference.is_exact, [(3, 3), (2, 3)], [5, 6], group=["z2", "p2", "pm", "pmm"], **CHOICES
)


@pytest.mark.parametrize("cases", [*in_parts(CASES), *in_parts(WITHOUT_QUARTER_TURNS)])
def test_exact_or_reported(cases, rng):
    check_together(cases, rng)


@pytest.mark.parametrize("depth_multiplier", [1, 2])
def test_z2_is_the_stock_layer(depth_multiplier, rng):
    window = {"strides": 2, "padding": "same", "depth_multiplier": depth_multiplier}
    ours = make(GDepthwiseConv2D, "z2", (3, 2), "ignore", activation="relu", **window)
    stock = keras.layers.DepthwiseConv2D((3, 2), dtype="float64", activation="relu", **window)
    inputs = rng.normal(size=(2, 7, 8, 3))
    expected = run(ours, inputs)
    stock.build(inputs.shape)
    assert [weight.shape for weight in ours.weights] == [weight.shape for weight in stock.weights]
    stock.set_weights(ours.get_weights())
    assert expected.max() > 0
    assert relative_error(run(stock, inputs), expected) < 1e-12


@pytest.mark.parametrize("group", reference.ELEMENTS)
def test_numbers_of_weights(group):
    """1 / |G| of those of the stock layer on as many channels."""
    order = reference.order(group)
    ours = GDepthwiseConv2D(3, group, depth_multiplier=2)
    stock = keras.layers.DepthwiseConv2D(3, depth_multiplier=2)
    for layer in (ours, stock):
        layer.build((None, 8, 8, 5 * order))
    assert ours.count_params() * order == stock.count_params()
    assert ours.expanded_kernel().shape == stock.kernel.shape


def test_a_pointwise_and_a_depthwise_convolution_are_a_separable_one(rng):
    """By the product of their kernels, `W[o, i, h, u] = pointwise[o, i, h] depthwise[o, u]`."""
    inputs = rng.normal(size=(1, 6, 6, 16))
    pointwise = make(GConv2D, "p4m", 1, use_bias=False)
    depthwise = make(GDepthwiseConv2D, "p4m", 3, padding="same", use_bias=False)
    expected = run(depthwise, run(pointwise, inputs))
    product = make(GConv2D, "p4m", 3, padding="same", use_bias=False)
    product.build(inputs.shape)
    base = np.einsum(
        "oih,ouv->oihuv", pointwise.base_kernel()[..., 0, 0], depthwise.base_kernel()[:, 0]
    )
    product.kernel.assign(base.transpose(2, 3, 4, 1, 0))
    assert relative_error(run(product, inputs), expected) < 1e-12


def test_wrong_arguments():
    with pytest.raises(ValueError, match=r"strides=\(1, 2\) .*have to be equal.*strides=2"):
        GDepthwiseConv2D(3, "pm", strides=(1, 2))
    with pytest.raises(ValueError, match="depth_multiplier=0 has to be a positive integer"):
        GDepthwiseConv2D(3, depth_multiplier=0)
    with pytest.raises(ValueError, match=r"\(3, 5\) is not square"):
        GDepthwiseConv2D((3, 5))
    with pytest.raises(ValueError, match="multiple of 4"):
        GDepthwiseConv2D(3)(np.zeros((1, 8, 8, 6), "float32"))
