"""The convolution that JAX takes on a CPU: values, derivatives both ways, and who computes it."""

import re

import keras
import numpy as np
import pytest

if keras.backend.backend() != "jax":
    pytest.skip("only JAX has it", allow_module_level=True)

import jax
from jax import numpy as jnp
from keras import ops

from keras_gcnn.backend import ops as backend
from keras_gcnn.backend.jax import convolution as jax_convolution
from tests.helpers.covering import parametrize_covering


def _in_double_precision():
    """A scope; earlier versions of JAX have it in another place."""
    if hasattr(jax, "enable_x64"):
        return jax.enable_x64(True)
    return jax.experimental.enable_x64()


@parametrize_covering(
    size=[(9, 11), (11, 9), (10, 10)],
    kernel_size=[(3, 3), (2, 5), (4, 2)],
    dilation_rate=[(1, 1), (1, 2), (2, 1)],
    padding=["same", "valid"],
)
def test_derivatives(rng, padding, dilation_rate, kernel_size, size):
    with _in_double_precision():
        inputs = jnp.asarray(rng.normal(size=(2, *size, 3)))
        kernel = jnp.asarray(rng.normal(size=(*kernel_size, 3, 4)))

        def own(inputs, kernel):
            return jax_convolution.convolve_with_extra_rows(inputs, kernel, padding, dilation_rate)

        def stock(inputs, kernel):
            return ops.conv(inputs, kernel, 1, padding, "channels_last", dilation_rate)

        shape = jax.eval_shape(stock, inputs, kernel).shape
        weights = jnp.asarray(rng.normal(size=shape))

        def results(function):
            """Values, derivatives backwards and forwards, and second derivatives."""

            def slope(kernel):
                total = jax.grad(lambda k: jnp.sum(jnp.tanh(function(inputs, k))))
                return jnp.sum(jnp.sin(total(kernel)))

            values, backwards = jax.vjp(function, inputs, kernel)
            _, forwards = jax.jvp(function, (inputs, kernel), (inputs**2, kernel**2))
            return values, *backwards(weights), forwards, jax.grad(slope)(kernel)

        found, expected = jax.jit(lambda: (results(own), results(stock)))()
        tolerances = [(1e-10, 1e-12), *[(1e-10, 1e-10)] * 3, (1e-8, 1e-8)]
        for one, other, (rtol, atol) in zip(found, expected, tolerances, strict=True):
            np.testing.assert_allclose(one, other, rtol=rtol, atol=atol)


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("size", [(14, 14), (12, 16), (16, 12)])
def test_neither_it_nor_its_gradients_are_left_to_ynnpack(rng, padding, size):
    """Of the other convolution at least one is, or there would be no need for this one."""
    inputs = jnp.asarray(rng.normal(size=(32, *size, 24)), "float32")
    kernel = jnp.asarray(rng.normal(size=(3, 3, 24, 32)), "float32")

    def program(convolve):
        def both(inputs, kernel):
            outputs, back = jax.vjp(convolve, inputs, kernel)
            return outputs, *back(outputs)

        return jax.jit(both).lower(inputs, kernel).compile().as_text()

    def count(text):
        return len(re.findall(r"kind=kCustom.*ynn", text))

    own = program(lambda x, k: jax_convolution.convolve_with_extra_rows(x, k, padding, (1, 1)))
    stock = program(lambda x, k: ops.conv(x, k, 1, padding, "channels_last"))
    assert count(own) == 0
    # Nor are they turned around, which Eigen does not take and XLA then does by itself.
    assert own.count("convolution(") == 3
    assert "rhs_reversal" not in own
    if count(stock) == 0:
        pytest.skip("this XLA leaves no convolution to YNNPACK")


def test_it_is_taken_where_it_is_faster(monkeypatch):
    taken = []
    own = jax_convolution.convolve_with_extra_rows

    def recorded(*given):
        taken.append(given[0].shape)
        return own(*given)

    monkeypatch.setattr(jax_convolution, "convolve_with_extra_rows", recorded)

    def convolve(
        *shape, channels=24, kernel=(3, 3), padding="same", strides=(1, 1), dtype=None, trained=True
    ):
        inputs = jnp.zeros((*shape, channels), dtype or "float32")
        weights = jnp.zeros((*kernel, channels, 24), inputs.dtype)
        backend.convolve(
            inputs, weights, strides, padding, "channels_last", (1, 1), trained=trained
        )
        return bool(taken and taken.pop())

    assert convolve(32, 14, 14)
    assert convolve(32, 14, 14, padding="valid")
    assert convolve(32, 14, 14, trained=False)
    assert not convolve(32, 14, 14, padding="valid", trained=False)
    assert not convolve(1, 14, 14)
    assert not convolve(320, 4, 4, padding="valid")
    assert not convolve(32, 14, 14, channels=3)
    assert not convolve(32, 14, 14, kernel=(1, 3))
    assert not convolve(32, 14, 14, strides=(2, 2))
    assert not convolve(32, 14, 14, dtype="bfloat16")
    with pytest.raises(ValueError, match="empty output"):
        convolve(1, 5000, 1, padding="valid")
    monkeypatch.setenv("XLA_FLAGS", "--other --xla_cpu_experimental_ynn_fusion_type=")
    assert not convolve(32, 14, 14)


def test_a_size_that_is_left_open_is_none_of_a_number():
    """In an export a batch is a symbol, which no number can be compared with."""
    images = jax.export.symbolic_shape("b, 14, 14, 24")
    inputs = jax.ShapeDtypeStruct(images, "float32")
    kernel = jnp.zeros((3, 3, 24, 24), "float32")
    rest = (1, 1), "same", "channels_last", (1, 1)
    exported = jax.export.export(jax.jit(lambda x: backend.convolve(x, kernel, *rest)))(inputs)
    assert exported.call(jnp.zeros((5, 14, 14, 24), "float32")).shape == (5, 14, 14, 24)
