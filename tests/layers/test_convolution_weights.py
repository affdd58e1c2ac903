"""Initialisation, regularisation and constraints of the base kernel."""

import keras
import numpy as np
import pytest

from keras_gcnn.layers import GConv2D, LiftingConv2D
from tests.helpers.reference import order

CASES = [
    (layer_class, group) for layer_class in (LiftingConv2D, GConv2D) for group in ("p4", "p4m")
]


@pytest.mark.parametrize(("layer_class", "group"), CASES)
def test_he_normal_counts_all_input_orientations(layer_class, group):
    """The variance is `2 / (k k c_in |G_in|)`, within five standard errors of the sample."""
    orders = 1 if layer_class is LiftingConv2D else order(group)
    layer = layer_class(
        1200 // orders, 3, group, kernel_initializer=keras.initializers.HeNormal(seed=1)
    )
    layer.build((None, 8, 8, 2 * orders))
    kernel = layer.base_kernel()
    expected = 2 / (3 * 3 * 2 * orders)
    assert abs(kernel.var() / expected - 1) < 5 * np.sqrt(2 / kernel.size)


@pytest.mark.parametrize(("layer_class", "group"), CASES)
def test_glorot_uniform_is_the_default(layer_class, group):
    """The limit is `sqrt(6 / (fan_in + fan_out))`, where both count the kernel's positions."""
    orders = 1 if layer_class is LiftingConv2D else order(group)
    layer = layer_class(100, 3, group)
    layer.build((None, 8, 8, 2 * orders))
    limit = np.sqrt(6 / (3 * 3 * orders * (2 + 100)))
    assert 0.98 * limit < np.abs(layer.base_kernel()).max() <= limit * (1 + 1e-6)


@pytest.mark.parametrize("layer_class", [LiftingConv2D, GConv2D])
def test_regularizers_count_the_base_weights_once(layer_class):
    layer = layer_class(
        3,
        3,
        kernel_regularizer=keras.regularizers.L2(0.5),
        bias_regularizer=keras.regularizers.L1(0.25),
        bias_initializer="ones",
    )
    layer.build((None, 8, 8, 4))
    penalty = sum(float(loss) for loss in layer.losses)
    np.testing.assert_allclose(penalty, 0.5 * (layer.base_kernel() ** 2).sum() + 0.75, rtol=1e-5)


def test_activity_regularizer(rng):
    layer = LiftingConv2D(2, 3, activity_regularizer=keras.regularizers.L1(0.5))
    outputs = layer(rng.normal(size=(1, 5, 5, 2)).astype("float32"))
    expected = 0.5 * np.abs(keras.ops.convert_to_numpy(outputs)).sum()
    np.testing.assert_allclose(float(sum(layer.losses)), expected, rtol=1e-5)


@pytest.mark.parametrize("layer_class", [LiftingConv2D, GConv2D])
def test_constraints_hold_after_a_step(layer_class, rng):
    layer = layer_class(
        3,
        3,
        kernel_constraint=keras.constraints.UnitNorm(axis=(0, 1, 2, 3)),  # one norm per filter
        bias_constraint=keras.constraints.NonNeg(),
        bias_initializer=keras.initializers.Constant(-1.0),
    )
    model = keras.Sequential([keras.Input((5, 5, 4)), layer, keras.layers.GlobalMaxPooling2D()])
    model.compile("sgd", "mse", jit_compile=False)
    model.train_on_batch(
        rng.normal(size=(2, 5, 5, 4)).astype("float32"), np.zeros((2, 12), "float32")
    )
    norms = np.sqrt((layer.base_kernel() ** 2).sum(axis=(1, 2, 3, 4)))
    np.testing.assert_allclose(norms, 1, rtol=1e-4)
    assert keras.ops.convert_to_numpy(layer.bias).min() >= 0
