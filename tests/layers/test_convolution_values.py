"""Convolutions against the loop reference and against stock Keras, in float64."""

import keras
import numpy as np
import pytest

from keras_gcnn.layers import GConv2D, LiftingConv2D
from tests.helpers import reference
from tests.helpers.covering import parametrize_covering
from tests.helpers.layers import (
    DATA_FORMATS,
    random_initializer,
    randomize,
    relative_error,
    run,
    to_format,
)

WINDOWS = [
    ("p4", 3, {}),
    ("p4", 2, {"padding": "same"}),
    ("p4", 3, {"strides": 2, "padding": "same"}),
    ("p4", 4, {"strides": (1, 2)}),
    ("p4", 3, {"dilation_rate": 2}),
    ("p4m", 3, {"padding": "same", "dilation_rate": (1, 2)}),
    ("p4m", 4, {"padding": "same"}),
    ("p4m", 3, {"strides": 2}),
    ("p4m", 1, {"strides": 3}),
    ("p4m", 5, {"strides": 2, "padding": "same"}),
    ("p4", 4, {"padding": "circular"}),
    ("p4m", 3, {"padding": "reflect", "strides": (1, 2)}),
    ("z2", (2, 3), {"padding": "same"}),
    ("p2", (3, 2), {"strides": 2}),
    ("p2", (4, 1), {"padding": "circular", "strides": (3, 2)}),
    ("pm", (2, 3), {"padding": "reflect", "dilation_rate": (3, 2)}),
    ("pmm", (1, 4), {"strides": (2, 1), "padding": "same"}),
]


def make(layer_class, group, size, seed=1, **window):
    return layer_class(
        2,
        size,
        group,
        dtype="float64",
        equivariance="ignore",
        kernel_initializer=random_initializer(seed),
        bias_initializer=random_initializer(seed + 1),
        **window,
    )


def inputs_for(layer_class, group, rng, fields=3):
    channels = fields if layer_class is LiftingConv2D else fields * reference.order(group)
    return rng.normal(size=(2, 7, 9, channels))


def pairs(window):
    """Keras's arguments as the reference takes them."""
    names = {"strides": "strides", "dilation_rate": "dilation"}
    both = {
        names[key]: (value, value) if isinstance(value, int) else value
        for key, value in window.items()
        if key in names
    }
    return {"padding": window.get("padding", "valid"), **both}


@parametrize_covering(case=WINDOWS, layer_class=[LiftingConv2D, GConv2D], data_format=DATA_FORMATS)
def test_values_are_the_formula(case, layer_class, data_format, rng):
    group, size, window = case
    layer = make(layer_class, group, size, data_format=data_format, **window)
    inputs = inputs_for(layer_class, group, rng)
    actual = run(layer, inputs)
    expected = reference.group_correlate(
        inputs,
        layer.base_kernel(),
        keras.ops.convert_to_numpy(layer.bias),
        group,
        lifting=layer_class is LiftingConv2D,
        **pairs(window),
    )
    assert relative_error(actual, expected) < 1e-12


@pytest.mark.parametrize("layer_class", [LiftingConv2D, GConv2D])
@pytest.mark.parametrize("group", ["p4", "p4m", "pm"])
def test_without_bias_and_with_an_activation(layer_class, group, rng):
    layer = make(layer_class, group, 3, use_bias=False, activation="relu")
    inputs = inputs_for(layer_class, group, rng)
    actual = run(layer, inputs)
    assert [weight.name for weight in layer.weights] == ["kernel"]
    expected = reference.group_correlate(
        inputs, layer.base_kernel(), np.zeros(2), group, layer_class is LiftingConv2D
    )
    assert expected.min() < -1  # so the activation has something to do
    assert relative_error(actual, np.maximum(expected, 0)) < 1e-12


@pytest.mark.parametrize("layer_class", [LiftingConv2D, GConv2D])
@pytest.mark.parametrize(("group", "size", "window"), [WINDOWS[0], WINDOWS[2], WINDOWS[6]], ids=str)
def test_expanded_kernel_serves_a_stock_convolution(layer_class, group, size, window, rng):
    layer = make(layer_class, group, size, **window)
    inputs = inputs_for(layer_class, group, rng)
    actual = run(layer, inputs)
    kernel = layer.expanded_kernel()
    stock = keras.layers.Conv2D(kernel.shape[-1], size, dtype="float64", **window)
    stock.build(inputs.shape)
    stock.set_weights([kernel, np.repeat(layer.get_weights()[1], reference.order(group))])
    assert relative_error(run(stock, inputs), actual) < 1e-12


@pytest.mark.parametrize("data_format", DATA_FORMATS)
@pytest.mark.parametrize(("layer_class", "size"), [(LiftingConv2D, 3), (GConv2D, 1), (GConv2D, 3)])
def test_groups_of_channels_are_convolved_by_themselves(layer_class, size, data_format, rng):
    layer = layer_class(
        4, size, "p4", groups=2, padding="same", data_format=data_format, dtype="float64"
    )
    inputs = inputs_for(layer_class, "p4", rng, fields=6)
    layer.build(to_format(inputs, data_format).shape)
    randomize(layer, rng)
    parts = [
        reference.group_correlate(
            half, filters, bias, "p4", layer_class is LiftingConv2D, padding="same"
        )
        for half, filters, bias in zip(
            np.split(inputs, 2, axis=-1),
            np.split(layer.base_kernel(), 2),
            np.split(keras.ops.convert_to_numpy(layer.bias), 2),
            strict=True,
        )
    ]
    assert relative_error(run(layer, inputs), np.concatenate(parts, axis=-1)) < 1e-12
    with pytest.raises(ValueError, match="filters=4 is no multiple of groups=3"):
        layer_class(4, 3, groups=3)
    with pytest.raises(ValueError, match="no multiple of groups=4"):
        layer_class(4, 3, groups=4, data_format=data_format).build(
            to_format(inputs, data_format).shape
        )


@pytest.mark.parametrize("layer_class", [LiftingConv2D, GConv2D])
@pytest.mark.parametrize("window", [{}, {"strides": 2, "padding": "same"}], ids=str)
def test_z2_is_the_stock_convolution(layer_class, window, rng):
    layer = make(layer_class, "z2", (3, 2), **window)
    inputs = inputs_for(layer_class, "z2", rng)
    actual = run(layer, inputs)
    stock = keras.layers.Conv2D(2, (3, 2), dtype="float64", **window)
    stock.build(inputs.shape)
    kernel, bias = layer.get_weights()
    stock.set_weights([kernel[0], bias])
    assert relative_error(run(stock, inputs), actual) < 1e-12


@pytest.mark.parametrize("group", reference.ELEMENTS)
def test_shapes_of_the_kernels(group):
    """The base kernel is `(c_out, c_in, |G_in|, rows, columns)`; the bias one number per field."""
    order = reference.order(group)
    size = (5, 5) if group in ("p4", "p4m") else (5, 3)
    for layer_class, orders in ((LiftingConv2D, 1), (GConv2D, order)):
        layer = make(layer_class, group, size)
        layer.build((None, 8, 8, 3 * orders))
        assert layer.base_kernel().shape == (2, 3, orders, *size)
        assert layer.expanded_kernel().shape == (*size, 3 * orders, 2 * order)
        assert tuple(layer.bias.shape) == (2,)
        assert layer.count_params() == 2 * 3 * orders * size[0] * size[1] + 2
