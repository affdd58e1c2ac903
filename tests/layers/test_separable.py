"""Separable convolutions: values, equivariance, numbers of weights, initialisation."""

import keras
import numpy as np
import pytest

from keras_gcnn.backend import ops as backend
from keras_gcnn.layers import GConv2D, GSeparableConv2D
from keras_gcnn.layers.group import separable
from tests.helpers import reference
from tests.helpers.convolutions import check_together, in_parts, make, matrix, reference_window
from tests.helpers.covering import parametrize_covering
from tests.helpers.layers import DATA_FORMATS, relative_error, run
from tests.helpers.levels import COMPILING, thoroughly

VARIANTS = pytest.mark.parametrize("variant", ["gc", "g"])
WINDOWS = [
    ("p4", 3, {"padding": "same"}),
    ("p4", 4, {"strides": 2, "padding": "same"}),
    ("p4m", 3, {"strides": 2}),
    ("p4m", 1, {"strides": 2}),
    ("p4m", 3, {"dilation_rate": 2, "padding": "same"}),
    ("pm", (2, 3), {"strides": (1, 2), "padding": "reflect"}),
    ("p4", 3, {"strides": 2, "padding": "circular"}),
    ("p2", (3, 2), {"dilation_rate": (1, 2)}),
    ("z2", (3, 2), {"padding": "same"}),
]


def base_kernel(layer):
    """`W[o, i, h, u, v]` by the formulas of the two variants, from the weights."""
    weights = {weight.name: keras.ops.convert_to_numpy(weight) for weight in layer.weights}
    pointwise = weights["pointwise_kernel"][:, 0, 0]  # h, i, o
    depthwise = weights["depthwise_kernel"][:, :, 0]  # u, v, and o or i * filters + o
    if layer.variant == "gc":
        return np.einsum("hio,uvo->oihuv", pointwise, depthwise)
    depthwise = depthwise.reshape(*depthwise.shape[:2], pointwise.shape[1], -1)
    return np.einsum("hio,uvio->oihuv", pointwise, depthwise)


@parametrize_covering(
    case=WINDOWS,
    variant=["gc", "g"],
    data_format=DATA_FORMATS,
    two_steps=[True, False],
)
def test_values_are_the_formula(case, variant, data_format, two_steps, rng, monkeypatch):
    monkeypatch.setattr(separable, "has_fast_depthwise", lambda: two_steps)
    group, size, window = case
    layer = make(
        GSeparableConv2D, group, size, "ignore", variant=variant, data_format=data_format, **window
    )
    inputs = rng.normal(size=(2, 6, 7, 3 * reference.order(group)))
    actual = run(layer, inputs)
    base = base_kernel(layer)
    bias = keras.ops.convert_to_numpy(layer.bias)
    assert np.abs(bias).min() > 0
    expected = reference.group_correlate(
        inputs, base, bias, group, False, **reference_window(window)
    )
    assert relative_error(actual, expected) < 1e-12
    assert relative_error(layer.base_kernel(), base) < 1e-12


@parametrize_covering(
    case=[("p4", {"padding": "same"}), ("p4m", {"strides": 2})],
    variant=["gc", "g"],
    two_steps=[True, False],
)
def test_a_stock_convolution_with_the_expanded_kernel(case, variant, two_steps, rng, monkeypatch):
    """In float32, where the two ways to compute it differ by the rounding."""
    monkeypatch.setattr(separable, "has_fast_depthwise", lambda: two_steps)
    group, window = case
    layer = GSeparableConv2D(4, 3, group, variant=variant, use_bias=False, **window)
    inputs = rng.normal(size=(2, 9, 9, 3 * reference.order(group))).astype("float32")
    actual = run(layer, inputs)
    kernel = layer.expanded_kernel()
    assert kernel.shape == (3, 3, 3 * reference.order(group), 4 * reference.order(group))
    stock = keras.layers.Conv2D(kernel.shape[-1], 3, use_bias=False, **window)
    stock.build(inputs.shape)
    stock.set_weights([kernel])
    assert relative_error(run(stock, inputs), actual) < 1e-5


CHOICES = {
    "layer_class": [GSeparableConv2D],
    "variant": ["gc", "g"],
    "data_format": DATA_FORMATS,
}
CASES = matrix(reference.is_exact, range(1, 8), [7, 8], group=["p4", "p4m"], **CHOICES)
WITHOUT_QUARTER_TURNS = matrix(
    reference.is_exact, [(3, 3), (2, 3)], [5, 6], group=["flip", "p2", "pm", "pmm"], **CHOICES
)


@pytest.mark.parametrize("cases", in_parts(CASES))
def test_exact_or_reported(cases, rng, monkeypatch):
    monkeypatch.setattr(separable, "has_fast_depthwise", lambda: True)
    check_together(cases, rng)


@pytest.mark.parametrize("cases", in_parts(WITHOUT_QUARTER_TURNS))
def test_exact_or_reported_without_quarter_turns(cases, rng):
    check_together(cases, rng)


@pytest.mark.parametrize("group", reference.ELEMENTS)
def test_numbers_of_weights(group):
    fields, filters, area, order = 3, 5, 9, reference.order(group)
    expected = {
        ("g", True): filters * fields * (area + order),
        ("gc", False): filters * (area + fields * order),
    }
    for (variant, use_bias), count in expected.items():
        layer = GSeparableConv2D(filters, 3, group, variant=variant, use_bias=use_bias)
        layer.build((None, 8, 8, fields * order))
        assert layer.count_params() == count + filters * use_bias


@parametrize_covering(variant=["gc", "g"], initializer=["glorot_uniform", "he_normal"], size=[3, 5])
def test_the_kernel_varies_like_that_of_the_full_layer(variant, initializer, size):
    kernels = []
    for layer in (
        GSeparableConv2D(300, size, "p4m", variant=variant, pointwise_initializer=initializer),
        GConv2D(300, size, "p4m", kernel_initializer=initializer),
    ):
        layer.build((None, 8, 8, 64))
        kernels.append(layer.base_kernel())
    product, full = kernels
    # A field's filter has a random energy of its own, so the product has fewer independent parts.
    assert abs(product.var() / full.var() - 1) < 0.15
    assert abs(product.mean()) < 0.02 * full.std()


@VARIANTS
def test_outputs_vary_like_those_of_the_full_layer(variant, rng):
    """On maps after a ReLU, whose mean is not zero. Chance changes the ratio by a twentieth."""
    inputs = np.maximum(rng.normal(size=(2, 6, 6, 64)), 0).astype("float32")
    product = GSeparableConv2D(
        1000,
        3,
        "p4m",
        variant=variant,
        depthwise_initializer=keras.initializers.LecunUniform(seed=1),
        pointwise_initializer=keras.initializers.HeNormal(seed=2),
    )
    full = GConv2D(1000, 3, "p4m", kernel_initializer=keras.initializers.HeNormal(seed=3))
    ours, theirs = (np.square(run(layer, inputs)).mean() for layer in (product, full))
    assert 0.5 < ours / theirs < 2


@pytest.mark.parametrize("part", ["depthwise", *thoroughly("pointwise", on=COMPILING)])
def test_settings_of_the_two_parts(part, rng):
    settings = {
        f"{part}_regularizer": keras.regularizers.L2(0.5),
        f"{part}_constraint": keras.constraints.UnitNorm(axis=(0, 1, 2)),
        f"{part}_initializer": "ones",
    }
    layer = GSeparableConv2D(2, 3, "p4", **settings)
    model = keras.Sequential([keras.Input((5, 5, 4)), layer, keras.layers.GlobalMaxPooling2D()])
    kernel = getattr(layer, f"{part}_kernel")
    np.testing.assert_allclose(float(sum(layer.losses)), 0.5 * np.prod(kernel.shape), rtol=1e-5)
    model.compile("sgd", "mse", jit_compile=False)
    inputs = rng.normal(size=(2, 5, 5, 4)).astype("float32")
    model.train_on_batch(inputs, np.zeros((2, 8), "float32"))
    norms = np.sqrt(np.square(keras.ops.convert_to_numpy(kernel)).sum(axis=(0, 1, 2)))
    np.testing.assert_allclose(norms, 1, rtol=1e-4)


def test_two_steps_where_they_are_faster():
    cpu_of_jax = keras.backend.backend() == "jax"  # the tests run without an accelerator
    assert backend.has_fast_depthwise() is not cpu_of_jax
