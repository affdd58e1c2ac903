"""Directions of vectors of every length, and their derivatives."""

import numpy as np
import pytest
from keras import ops

from keras_gcnn.distributions.direction import SHORTEST, unit, unit_or_zero
from tests.helpers.gradients import gradient, hessian

LENGTHS = np.array([1e-30, 1e-12, 1e-8, 1e-6, 1e-4, 0.99e-3, 1.01e-3, 0.03, 1.0, 30.0, 1e4, 1e30])


@pytest.mark.parametrize("dim", [2, 7])
@pytest.mark.parametrize(("dtype", "rounding"), [("float32", 2e-6), ("float64", 1e-13)])
def test_lengths_and_slopes(dim, dtype, rounding, rng):
    directions = rng.normal(size=(len(LENGTHS), dim))
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    vectors = (LENGTHS[:, None] * directions).astype(dtype)
    for function in (unit, unit_or_zero):
        found = ops.convert_to_numpy(function(ops.convert_to_tensor(vectors)))
        assert found.dtype == dtype
        np.testing.assert_allclose(found, directions, atol=rounding)
        np.testing.assert_allclose(np.linalg.norm(found, axis=-1), 1, atol=rounding)

    weights = rng.normal(size=dim)
    across = weights - directions @ weights[:, None] * directions
    # The derivative of v / |v|, and for short vectors |v|^2 / SHORTEST^2 of it.
    slopes = np.minimum(1 / LENGTHS, LENGTHS / SHORTEST**2)[:, None]
    for function in (unit, unit_or_zero):
        found = gradient(
            lambda v, f=function: f(v) * ops.convert_to_tensor(weights, dtype), vectors
        )
        np.testing.assert_allclose(found / slopes, across, atol=10 * rounding)
        assert np.abs(found).max() <= np.linalg.norm(weights) / SHORTEST


@pytest.mark.parametrize("function", [unit, unit_or_zero])
def test_zero_has_no_slope(function):
    zero = np.zeros((2, 3), "float32")
    expected = {unit: [[1, 0, 0]] * 2, unit_or_zero: zero}[function]
    found = ops.convert_to_numpy(function(ops.convert_to_tensor(zero)))
    np.testing.assert_array_equal(found, expected)
    weights = ops.convert_to_tensor(np.array([1.0, -2.0, 3.0], "float32"))
    np.testing.assert_array_equal(gradient(lambda v: function(v) * weights, zero), 0)


def test_second_derivatives(rng):
    """Of w.v / |v| they are `(3 (w.u) u u' - w u' - u w' - (w.u) I) / |v|^2`, with u = v / |v|."""
    vector, weights = rng.normal(size=(2, 4))
    length = np.linalg.norm(vector)
    u, inner = vector / length, weights @ vector / length
    expected = 3 * inner * np.outer(u, u) - np.outer(weights, u) - np.outer(u, weights)
    expected = (expected - inner * np.eye(4)) / length**2
    weights = ops.convert_to_tensor(weights)
    found = hessian(lambda v: ops.sum(unit(v) * weights), vector)
    np.testing.assert_allclose(found, expected, atol=1e-12)
