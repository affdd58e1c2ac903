"""Steerable convolutions: values, weights, and when quarter turns are exact."""

import functools
import itertools

import keras
import numpy as np
import pytest

from keras_gcnn.groups.point_group import Irrep, point_group
from keras_gcnn.groups.steerable_basis import kernel_basis
from keras_gcnn.layers import (
    EquivarianceWarning,
    Fields,
    SteerableAveragePooling2D,
    SteerableConv2D,
    SteerableConv2DTranspose,
)
from tests.helpers import reference
from tests.helpers.convolutions import Experiment, check_experiments
from tests.helpers.layers import DATA_FORMATS, random_initializer, relative_error, run
from tests.helpers.levels import COMPILING, thoroughly
from tests.helpers.steerable import (
    FIELDS,
    QUARTERS,
    blocks,
    channels,
    layout,
    quarter_turn_error,
    turn,
)

OUT = {0: 1, 1: 2, 2: 1}  # blocks (0, 1, 2) and (1)
ONE, OTHER = {0: 2, 1: 2}, {0: 1, 1: 1, 2: 1}  # of one block each: quick
WINDOWS = [
    (3, {}),
    (1, {"strides": 3}),
    (2, {"padding": "same"}),
    (3, {"strides": 2, "padding": "same"}),
    (4, {"strides": (1, 2), "padding": "circular"}),
    (2, {"padding": "reflect", "dilation_rate": 3}),
    (3, {"dilation_rate": 2}),
    (3, {"padding": "same", "band_limit": "escnn"}),
]
TRANSPOSED_WINDOWS = [
    (3, {}),
    (4, {"strides": 2, "padding": "same"}),
    (3, {"strides": (1, 2), "band_limit": 0.3}),
    (3, {"strides": 3, "output_padding": (1, 0)}),
    (2, {"dilation_rate": 2, "padding": "same"}),
]
NAMES = {"strides": "strides", "dilation_rate": "dilation", "output_padding": "output_padding"}

SO2 = point_group("so2")


def make(layer_class, kernel_size, fields_in=FIELDS, fields_out=OUT, **more):
    settings = {
        "kernel_initializer": random_initializer(1),
        "bias_initializer": random_initializer(2),
        "dtype": "float64",
        "equivariance": "ignore",
    }
    return layer_class(fields_in, fields_out, kernel_size, **{**settings, **more})


def expected_kernel(layer, fields_in=FIELDS, fields_out=OUT):
    """`K = sum_e w[e, i, c] B_e`, for every field i, c and every frequency m, n of theirs."""
    size, window = layer.kernel_size[0], (layer.dilation_rate[0], layer.band_limit)
    weights = {weight.name: keras.ops.convert_to_numpy(weight) for weight in layer.weights}
    rows, columns = layout(fields_in), layout(fields_out)
    kernel = np.zeros((size, size, channels(fields_in), channels(fields_out)))
    for b_out, (outs, frequencies_out) in enumerate(blocks(fields_out)):
        for b_in, (ins, frequencies_in) in enumerate(blocks(fields_in)):
            name = "kernel" if b_in == b_out == 0 else f"kernel_{b_in}_{b_out}"
            element = 0
            for n in frequencies_out:
                for m in frequencies_in:
                    for basis in kernel_basis(SO2, Irrep(m), Irrep(n), size, *window):
                        for i, field_in in enumerate(ins):
                            for c, field_out in enumerate(outs):
                                part = weights[name][element, i, c] * basis.transpose(2, 3, 1, 0)
                                kernel[:, :, rows[field_in, m], columns[field_out, n]] += part
                        element += 1
            assert element == (len(weights[name]) if name in weights else 0)
    return kernel


def expected_bias(layer, fields_out=OUT):
    """One number per field that has a frequency 0, and nothing for other frequencies."""
    bias, numbers = np.zeros(channels(fields_out)), iter(keras.ops.convert_to_numpy(layer.bias))
    for (_, frequency), part in layout(fields_out).items():
        if frequency == 0:
            bias[part] = next(numbers)
    return bias


def reference_window(window):
    """Keras's arguments as the reference takes them."""
    pairs = {NAMES[key]: np.broadcast_to(value, 2) for key, value in window.items() if key in NAMES}
    return {"padding": window.get("padding", "valid"), **pairs}


@pytest.mark.parametrize("data_format", DATA_FORMATS)
@pytest.mark.parametrize(("size", "window"), WINDOWS, ids=str)
def test_values_are_the_formula(size, window, data_format, rng):
    layer = make(SteerableConv2D, size, data_format=data_format, **window)
    inputs = rng.normal(size=(2, 7, 9, channels(FIELDS)))
    actual = run(layer, inputs)
    kernel = expected_kernel(layer)
    expected = reference.correlate(inputs, kernel, **reference_window(window))
    assert relative_error(actual, expected + expected_bias(layer)) < 1e-12
    np.testing.assert_allclose(layer.expanded_kernel(), kernel, atol=1e-13)


@pytest.mark.parametrize("data_format", DATA_FORMATS)
@pytest.mark.parametrize(("size", "window"), TRANSPOSED_WINDOWS, ids=str)
def test_transposed_values_are_the_formula(size, window, data_format, rng):
    layer = make(SteerableConv2DTranspose, size, data_format=data_format, **window)
    inputs = rng.normal(size=(2, 4, 5, channels(FIELDS)))
    actual = run(layer, inputs)
    # The reference takes the kernel of the convolution that it transposes.
    kernel = expected_kernel(layer).swapaxes(2, 3)
    expected = reference.transpose_correlate(inputs, kernel, **reference_window(window))
    assert relative_error(actual, expected + expected_bias(layer)) < 1e-12
    np.testing.assert_allclose(layer.expanded_kernel(), kernel, atol=1e-13)
    if data_format == "channels_last":
        unknown = layer.compute_output_shape((None, None, 5, inputs.shape[3]))
        assert unknown == (None, None, *actual.shape[2:])


def test_a_stock_convolution_has_room_for_it(rng):
    layer = make(SteerableConv2D, 3, strides=2, padding="same")
    inputs = rng.normal(size=(2, 7, 9, channels(FIELDS)))
    actual = run(layer, inputs)
    stock = keras.layers.Conv2D(channels(OUT), 3, strides=2, padding="same", dtype="float64")
    stock.build(inputs.shape)
    stock.set_weights([layer.expanded_kernel(), expected_bias(layer)])
    assert relative_error(run(stock, inputs), actual) < 1e-12


@pytest.mark.parametrize("kernel", [3, 2, *thoroughly(1, 4, 5, 6, 7, on=COMPILING)])
@pytest.mark.parametrize(
    ("layer_class", "rule", "sizes"),
    [
        (SteerableConv2D, reference.is_exact, (8, 9)),
        (SteerableConv2DTranspose, reference.is_exact_transposed, (4, 5)),
    ],
)
def test_exact_or_reported(layer_class, rule, sizes, kernel, rng):
    windows = itertools.product(sizes, [1, 2], ["valid", "same"])
    check_experiments(
        [
            experiment(
                layer_class,
                kernel,
                size,
                rule(size, kernel, strides, padding),
                rng,
                strides=strides,
                padding=padding,
                data_format=DATA_FORMATS[(number + number // 2 + number // 4 + kernel) % 2],
            )
            for number, (size, strides, padding) in enumerate(windows)
        ]
    )


def test_other_windows_exact_or_reported(rng):
    same, plain, transposed = {"padding": "same"}, SteerableConv2D, SteerableConv2DTranspose
    cases = [
        (plain, 3, True, {"dilation_rate": 2, **same}),
        (plain, 2, True, {"dilation_rate": 2, **same}),
        (plain, 3, True, {"band_limit": "escnn", **same}),
        (plain, 3, False, {"strides": (1, 2)}),
        (transposed, 3, True, {"strides": 2}),
        (transposed, 3, False, {"strides": 2, "output_padding": 1}),
        (transposed, 3, False, {"strides": (1, 2)}),
    ]
    check_experiments(
        [
            experiment(layer_class, kernel, 8, exact, rng, **window)
            for layer_class, kernel, exact, window in cases
        ]
    )


def experiment(layer_class, kernel, size, exact, rng, **window):
    return Experiment(
        functools.partial(make, layer_class, kernel, ONE, OTHER, **window),
        exact,
        rng.normal(size=(1, size, size, channels(ONE))),
        QUARTERS,
        lambda maps, quarters: turn(maps, ONE, quarters),
        lambda maps, quarters: turn(maps, OTHER, quarters),
    )


@pytest.mark.parametrize(("size", "kernel"), [(8, 3), (9, 4)])
def test_the_fix_that_the_warning_names_works(size, kernel, rng):
    with pytest.warns(EquivarianceWarning, match=r"strides=1 followed by SteerableAverageP.*es=2"):
        make(SteerableConv2D, kernel, equivariance="warn", strides=2, padding="same").build(
            (None, size, size, channels(FIELDS))
        )
    convolution = make(SteerableConv2D, 3, equivariance="strict", padding="same")
    pooling = SteerableAveragePooling2D(OUT, strides=2, dtype="float64")
    maps = rng.normal(size=(1, size, size, channels(FIELDS)))
    error = quarter_turn_error(lambda maps: run(pooling, run(convolution, maps)), maps, FIELDS, OUT)
    assert error < 1e-10


def test_the_experiment_sees_a_broken_layer(rng):
    stock = keras.layers.Conv2D(
        channels(OUT), 3, dtype="float64", kernel_initializer=random_initializer(1)
    )
    maps = rng.normal(size=(1, 8, 8, channels(FIELDS)))
    assert quarter_turn_error(lambda maps: run(stock, maps), maps, FIELDS, OUT) > 0.1


@pytest.mark.parametrize("band_limit", [0.1, "escnn"])
def test_numbers_of_weights(band_limit):
    """Per pair of fields of frequencies 0 to 5; the bias belongs to frequency 0."""
    elements = {0.1: {3: 60, 5: 139}, "escnn": {3: 60, 5: 109}}[band_limit]
    fields_in, fields_out = Fields.regular(2, max_frequency=5), Fields.regular(3, max_frequency=5)
    for kernel_size, number in elements.items():
        layer = SteerableConv2D(fields_in, fields_out, kernel_size, band_limit=band_limit)
        layer.build((None, 8, 8, 22))
        assert tuple(layer.kernel.shape) == (number, 2, 3)
        assert layer.count_params() == number * 2 * 3 + 3


def test_without_frequency_0_there_is_no_bias():
    for layer in (
        make(SteerableConv2D, 3, ONE, {1: 2}),
        make(SteerableConv2D, 3, ONE, OTHER, use_bias=False),
    ):
        layer.build((None, 8, 8, channels(ONE)))
        assert layer.bias is None
        assert all("kernel" in weight.name for weight in layer.weights)


@pytest.mark.parametrize(
    ("kernel_size", "expected"),
    # With a kernel of 3 there is no way from 3 to 0.
    [(3, [[1 / 2, 1 / 2, 0], [1 / 3, 1 / 3, 1 / 3]]), (5, [[1 / 3, 1 / 3, 1 / 3]] * 2)],
)
def test_the_default_initialisation_keeps_the_size(kernel_size, expected):
    """On white noise outputs have variance 1, to which every frequency that can adds as much."""
    fields_in, fields_out = {0: 3, 1: 2, 3: 1}, {0: 200, 2: 200}
    layer = SteerableConv2D(fields_in, fields_out, kernel_size)
    layer.build((None, 8, 8, channels(fields_in)))
    power = (layer.expanded_kernel() ** 2).sum(axis=(0, 1))
    of_in, of_out = (Fields(one).channel_frequencies for one in (fields_in, fields_out))
    shares = np.array(
        [
            [power[of_in == m][:, of_out == n].sum() / (of_out == n).sum() for m in fields_in]
            for n in fields_out
        ]
    )
    np.testing.assert_allclose(shares, expected, rtol=0.2)
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=0.1)


def test_regularizers_and_constraints_see_every_weight():
    layer = make(
        SteerableConv2D,
        3,
        dtype="float32",
        kernel_regularizer=keras.regularizers.L2(0.5),
        bias_regularizer=keras.regularizers.L1(0.25),
        kernel_constraint="non_neg",
        bias_initializer="ones",
    )
    layer.build((None, 8, 8, channels(FIELDS)))
    kernels = [weight for weight in layer.weights if weight is not layer.bias]
    assert len(kernels) == 6
    squares = sum((keras.ops.convert_to_numpy(weight) ** 2).sum() for weight in kernels)
    penalty = sum(float(keras.ops.convert_to_numpy(loss)) for loss in layer.losses)
    np.testing.assert_allclose(penalty, 0.5 * squares + 0.25, rtol=1e-5)
    assert all(isinstance(one.constraint, keras.constraints.NonNeg) for one in kernels)
