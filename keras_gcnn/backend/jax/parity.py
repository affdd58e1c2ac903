"""Convolutions of equivariant kernels on a CPU, in a quarter or half of the multiplications."""

from __future__ import annotations

import jax
from jax import numpy as jnp

from keras_gcnn.backend.common import parity
from keras_gcnn.backend.common.parity import HALF_TURN, MIRRORS
from keras_gcnn.backend.jax.convolution import on_cpu
from keras_gcnn.groups.parity import Channels
from keras_gcnn.types import Tensor

# Measured on two cores of an AMD EPYC. An Intel Xeon gains too, measured from 640 on for mirrors.
_SMALLEST = {MIRRORS: 512, HALF_TURN: 768}


def supports(
    inputs: Tensor,
    kernel: Tensor,
    strides: tuple[int, int],
    padding: str,
    data_format: str,
    dilation_rate: tuple[int, int],
    channels: Channels,
) -> bool:
    """Whether `convolve` is faster than the convolution of tensors of these shapes."""
    del padding
    if not on_cpu() or inputs.dtype != kernel.dtype:
        return False
    if kernel.dtype not in (jnp.float32, jnp.float64):
        return False
    return parity.pays(inputs, kernel, strides, data_format, dilation_rate, channels, _SMALLEST)


def convolve(
    inputs: Tensor, kernel: Tensor, padding: str, channels: Channels, bias: Tensor | None = None
) -> Tensor:
    """Convolution of channels-last maps with an equivariant kernel."""
    # The gradient computes the sums again: kept, they would take several times the map's memory.
    outputs = parity.convolve(inputs, kernel, padding, channels, recomputed=jax.checkpoint)
    return outputs if bias is None else outputs + bias
