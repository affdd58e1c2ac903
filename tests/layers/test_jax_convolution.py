"""The convolution that JAX takes on a CPU: values, and derivatives both ways."""

import itertools

import keras
import numpy as np
import pytest

if keras.backend.backend() != "jax":
    pytest.skip("only JAX has it", allow_module_level=True)

import jax
from jax import numpy as jnp
from keras import ops

from keras_gcnn.layers import backend, jax_convolution

WINDOWS = [
    jax_convolution.Window((stride, 1), padding, (1, dilation))
    for stride, padding, dilation in itertools.product((1, 2), ("same", "valid"), (1, 2))
    if stride == dilation == 1 or stride != dilation
]


@pytest.mark.parametrize("window", WINDOWS, ids=str)
@pytest.mark.parametrize("size", [(3, 3), (2, 5), (1, 4)])
def test_derivatives(rng, window, size):
    with jax.enable_x64(True):
        inputs = jnp.asarray(rng.normal(size=(2, 7, 9, 3)))
        kernel = jnp.asarray(rng.normal(size=(*size, 3, 4)))

        def own(inputs, kernel):
            return jax_convolution.convolve(inputs, kernel, window)

        def stock(inputs, kernel):
            return ops.conv(inputs, kernel, data_format="channels_last", **window._asdict())

        expected = stock(inputs, kernel)
        np.testing.assert_allclose(own(inputs, kernel), expected, rtol=1e-12)
        weights = jnp.asarray(rng.normal(size=expected.shape))
        for one, other in zip(
            jax.vjp(own, inputs, kernel)[1](weights),
            jax.vjp(stock, inputs, kernel)[1](weights),
            strict=True,
        ):
            np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-10)
        forward = [
            jax.jvp(function, (inputs, kernel), (inputs**2, kernel**2))[1]
            for function in (own, stock)
        ]
        np.testing.assert_allclose(*forward, rtol=1e-10, atol=1e-10)

        def slope(function, kernel):
            total = jax.grad(lambda k: jnp.sum(jnp.tanh(function(inputs, k))))
            return jnp.sum(jnp.sin(total(kernel)))

        found, wanted = (jax.grad(lambda k, f=f: slope(f, k))(kernel) for f in (own, stock))
        np.testing.assert_allclose(found, wanted, rtol=1e-8, atol=1e-8)


def test_it_is_taken_where_it_is_faster(rng, monkeypatch):
    taken = []
    own = jax_convolution.convolve
    monkeypatch.setattr(
        jax_convolution, "convolve", lambda *given: taken.append(given[1].shape) or own(*given)
    )
    rest = (1, 1), "same", "channels_last", (1, 1)
    kernels = [(3, 3, 79, 2), (3, 3, 80, 2), (5, 5, 80, 2)]
    for shape in kernels:
        backend.convolve(jnp.zeros((1, 5, 5, shape[2])), jnp.zeros(shape), *rest)
    assert taken == kernels[1:2]
    monkeypatch.setenv("XLA_FLAGS", "--other --xla_cpu_experimental_ynn_fusion_type=")
    backend.convolve(jnp.zeros((1, 5, 5, 80)), jnp.zeros(kernels[1]), *rest)
    assert taken == kernels[1:2]
