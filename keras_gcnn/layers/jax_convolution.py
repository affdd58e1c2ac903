"""Convolution on JAX whose kernel has a gradient of matrix products.

On a CPU XLA's own gradient of a small kernel with many channels takes longer than both other
convolutions of a training step, where it leaves convolutions to YNNPACK, as it does by default.
"""

from __future__ import annotations

import os
from functools import partial
from itertools import product
from typing import NamedTuple

import jax
from jax import lax
from jax import numpy as jnp
from keras import ops

# Where it is faster, measured on two cores: half of the time for 3x3 of 176 channels.
_FEWEST_CHANNELS = 80  # of the input
_MOST_POSITIONS = 9  # of the kernel
_WITHOUT_YNNPACK = "--xla_cpu_experimental_ynn_fusion_type="  # in XLA_FLAGS, followed by nothing


class Window(NamedTuple):
    """What a convolution has beside its kernel."""

    strides: tuple[int, int]
    padding: str
    dilation_rate: tuple[int, int]


def is_faster(kernel) -> bool:
    """Whether this convolution is to be taken on a CPU, for a kernel of that shape."""
    rows, columns, channels, _ = kernel.shape
    if _WITHOUT_YNNPACK in os.environ.get("XLA_FLAGS", "").split():
        return False
    return channels >= _FEWEST_CHANNELS and rows * columns <= _MOST_POSITIONS


@partial(jax.custom_jvp, nondiff_argnums=(2,))
def convolve(inputs, kernel, window: Window):
    """Convolution of channels-last data with a kernel `(rows, columns, c_in, c_out)`."""
    return ops.conv(inputs, kernel, data_format="channels_last", **window._asdict())


@convolve.defjvp
def _slope(window: Window, values, tangents):
    inputs, kernel = values
    of_inputs, of_kernel = tangents
    slope = convolve(of_inputs, kernel, window) + _by_products(inputs, of_kernel, window)
    return convolve(inputs, kernel, window), slope


def _by_products(inputs, kernel, window: Window):
    """The same, as a product of matrices for every position of the kernel."""
    reach = [
        (size - 1) * dilation + 1
        for size, dilation in zip(kernel.shape, window.dilation_rate, strict=False)
    ]
    sizes = inputs.shape[1:3]
    pads = lax.padtype_to_pads(sizes, reach, window.strides, window.padding.upper())
    padded = jnp.pad(inputs, ((0, 0), *pads, (0, 0)))
    spans = [  # of a slice that has a number for every output
        (size + sum(pad) - span) // stride * stride + 1
        for size, pad, span, stride in zip(sizes, pads, reach, window.strides, strict=True)
    ]
    extent = (len(inputs), *spans, inputs.shape[-1])
    rows, columns = window.strides

    @jax.checkpoint  # the parts are not kept for the gradient
    def add(total, position):
        corner, weights = position
        part = lax.dynamic_slice(padded, (0, *corner, 0), extent)
        return total + part[:, ::rows, ::columns] @ weights, None

    # One after the other: XLA would make all the parts at once.
    corners = jnp.array([*product(*map(range, kernel.shape[:2]))]) * jnp.array(window.dilation_rate)
    sizes = [(span - 1) // stride + 1 for span, stride in zip(spans, window.strides, strict=True)]
    nothing = jnp.zeros((len(inputs), *sizes, kernel.shape[-1]), inputs.dtype)
    positions = corners, jnp.reshape(kernel, (-1, *kernel.shape[2:]))
    return lax.scan(add, nothing, positions)[0]
