"""Transposed convolutions: values, equivariance, output sizes."""

import collections

import keras
import numpy as np
import pytest

from keras_gcnn.layers import EquivarianceWarning, GConv2D, GConv2DTranspose
from tests.helpers import reference
from tests.helpers.convolutions import check, check_together, in_parts, make, matrix
from tests.helpers.layers import DATA_FORMATS, relative_error, run

WINDOWS = [
    ("p4", 3, {}),
    ("p4", 3, {"strides": 2, "padding": "same"}),
    ("p4", 2, {"strides": 3, "padding": "same"}),
    ("p4", 3, {"strides": 3, "output_padding": (1, 0)}),
    ("p4m", 4, {"strides": 2, "padding": "same"}),
    ("p4m", 5, {"strides": (1, 2), "padding": "same", "output_padding": (0, 1)}),
    ("p4m", 3, {"dilation_rate": (2, 1), "padding": "same"}),
    ("p2", (3, 2), {"strides": (1, 2)}),
    ("pm", (2, 1), {"strides": 2}),
    ("z2", (2, 3), {"dilation_rate": (1, 2)}),
]
NAMES = {"strides": "strides", "dilation_rate": "dilation", "output_padding": "output_padding"}


def reference_window(window):
    """Keras's arguments as the reference takes them."""
    pairs = {NAMES[key]: np.broadcast_to(value, 2) for key, value in window.items() if key in NAMES}
    return {"padding": window.get("padding", "valid"), **pairs}


@pytest.mark.parametrize("data_format", DATA_FORMATS)
@pytest.mark.parametrize(("group", "size", "window"), WINDOWS, ids=str)
def test_values_are_the_formula(group, size, window, data_format, rng):
    layer = make(GConv2DTranspose, group, size, "ignore", data_format=data_format, **window)
    inputs = rng.normal(size=(2, 4, 5, 3 * reference.order(group)))
    actual = run(layer, inputs)
    expected = reference.group_transpose_correlate(
        inputs,
        layer.base_kernel(),
        keras.ops.convert_to_numpy(layer.bias),
        group,
        **reference_window(window),
    )
    assert relative_error(actual, expected) < 1e-12
    shape = (None, *actual.shape[1:])
    if data_format == "channels_last":
        assert layer.compute_output_shape((None, *inputs.shape[1:])) == shape
        unknown = layer.compute_output_shape((None, None, 5, inputs.shape[3]))
        assert unknown == (None, None, *shape[2:])


@pytest.mark.parametrize(("group", "size", "window"), WINDOWS[::2], ids=str)
def test_expanded_kernel_serves_a_stock_layer(group, size, window, rng):
    layer = make(GConv2DTranspose, group, size, "ignore", **window)
    inputs = rng.normal(size=(2, 4, 5, 3 * reference.order(group)))
    actual = run(layer, inputs)
    kernel = layer.expanded_kernel()
    if "dilation_rate" in window:  # which stock Keras cannot compute in float64 everywhere
        expected = reference.transpose_correlate(inputs, kernel, **reference_window(window))
    else:
        stock = keras.layers.Conv2DTranspose(
            kernel.shape[2], size, dtype="float64", use_bias=False, **window
        )
        stock.build(inputs.shape)
        stock.set_weights([kernel])
        expected = run(stock, inputs)
    bias = np.repeat(keras.ops.convert_to_numpy(layer.bias), reference.order(group))
    assert relative_error(expected + bias, actual) < 1e-12


@pytest.mark.parametrize("group", ["p4", "p4m"])
def test_it_is_the_adjoint_of_a_group_convolution(group, rng):
    """`<conv(x), y> = <x, transpose(y)>` if base kernels correspond as `W'[o, i, k^-1, k^-1 u]`."""
    order = reference.order(group)
    forward = make(GConv2D, group, 3, strides=2, use_bias=False)
    backward = make(GConv2DTranspose, group, 3, strides=2, use_bias=False)
    x, y = rng.normal(size=(1, 9, 9, 2 * order)), rng.normal(size=(1, 4, 4, 2 * order))
    mapped = run(forward, x)
    backward.build(y.shape)
    base = forward.base_kernel()
    twin = np.empty_like(base).swapaxes(0, 1)
    for k, element in enumerate(reference.ELEMENTS[group]):
        inverse = reference.left_division(group)[k, 0]
        twin[:, :, k] = reference.move(base[:, :, inverse], element, (2, 3)).swapaxes(0, 1)
    backward.kernel.assign(twin.transpose(2, 3, 4, 1, 0))
    np.testing.assert_allclose((mapped * y).sum(), (x * run(backward, y)).sum(), rtol=1e-10)


CHOICES = {"layer_class": [GConv2DTranspose], "data_format": DATA_FORMATS}
CASES = matrix(reference.is_exact_transposed, range(1, 8), [4, 5], group=["p4", "p4m"], **CHOICES)
WITHOUT_QUARTER_TURNS = matrix(
    reference.is_exact_transposed,
    [(3, 3), (2, 3), (1, 2)],
    [4],
    group=["z2", "p2", "pm", "pmm"],
    **CHOICES,
)


@pytest.mark.parametrize("cases", [*in_parts(CASES), *in_parts(WITHOUT_QUARTER_TURNS)])
def test_exact_or_reported(cases, rng):
    check_together(cases, rng)


@pytest.mark.parametrize(
    ("kernel", "window"),
    [
        (5, {"strides": 3, "padding": "same", "output_padding": 2}),
        (4, {"strides": 3, "padding": "same", "output_padding": 2}),
        (3, {"strides": 2, "output_padding": 0}),
        (3, {"strides": 2, "output_padding": 1}),
        (3, {"strides": 2, "padding": "same", "output_padding": 1}),
    ],
    ids=str,
)
def test_output_padding_is_exact_or_reported(kernel, window, rng):
    exact = reference.is_exact_transposed(
        4, kernel, window["strides"], window.get("padding", "valid"), window["output_padding"]
    )
    check(GConv2DTranspose, "p4m", kernel, 4, exact, rng, **window)


def test_the_matrix_holds_exact_and_broken_cases():
    answers = collections.defaultdict(set)
    for *_, exact, window in CASES:
        answers[window["strides"], window["padding"]].add(exact)
    assert answers.pop((1, "valid")) == {True}
    assert set(map(frozenset, answers.values())) == {frozenset({True, False})}


@pytest.mark.parametrize(
    ("group", "window"),
    [
        ("p4", {"strides": (1, 2)}),
        ("p4m", {"dilation_rate": (1, 2)}),
        ("p4m", {"output_padding": (0, 1)}),
    ],
    ids=str,
)
def test_rows_and_columns_treated_differently_are_reported(group, window, rng):
    more = {"strides": 2} if "output_padding" in window else {}
    check(GConv2DTranspose, group, 3, 4, False, rng, **more, **window)


@pytest.mark.parametrize(
    ("kernel", "window", "fixed"),
    [
        (3, {"strides": 2, "padding": "same"}, {"kernel_size": 4}),
        (1, {"strides": 2, "padding": "same"}, {"kernel_size": 2}),
        (1, {"strides": 2}, {"kernel_size": 2}),
        (2, {"padding": "same"}, {"kernel_size": 3}),
        (2, {"dilation_rate": 3, "padding": "same"}, {"kernel_size": 3}),
        (4, {"strides": 2, "output_padding": 1}, {"output_padding": None}),
    ],
    ids=str,
)
def test_the_fix_that_the_warning_names_works(kernel, window, fixed):
    shape = (None, 4, 4, 8)
    says = f"use kernel_size={fixed['kernel_size']}" if "kernel_size" in fixed else "leave output_p"
    with pytest.warns(EquivarianceWarning, match=f"To fix: {says}"):
        GConv2DTranspose(2, kernel, "p4", **window).build(shape)
    arguments = {"kernel_size": kernel, **window, **fixed}
    GConv2DTranspose(2, group="p4", equivariance="strict", **arguments).build(shape)


@pytest.mark.parametrize("group", reference.ELEMENTS)
def test_numbers_of_weights(group):
    order = reference.order(group)
    layer = GConv2DTranspose(5, 3, group)
    layer.build((None, 4, 4, 3 * order))
    assert layer.count_params() == 5 * 3 * order * 9 + 5
    assert layer.base_kernel().shape == (5, 3, order, 3, 3)
    assert layer.expanded_kernel().shape == (3, 3, 5 * order, 3 * order)
