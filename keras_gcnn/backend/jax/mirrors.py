"""Convolutions on groups with mirrors on a CPU, in a quarter of the multiplications."""

from __future__ import annotations

import jax
from jax import numpy as jnp

from keras_gcnn.backend.common import mirrors
from keras_gcnn.backend.common.mirrors import Channels
from keras_gcnn.backend.jax.convolution import on_cpu
from keras_gcnn.types import Tensor


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
    return mirrors.pays(inputs, kernel, strides, data_format, dilation_rate, channels)


def convolve(inputs: Tensor, kernel: Tensor, padding: str, channels: Channels) -> Tensor:
    """Convolution of channels-last maps with an equivariant kernel."""
    # The gradient computes the sums again: kept, they would take several times the map's memory.
    return mirrors.convolve(inputs, kernel, padding, channels, recomputed=jax.checkpoint)
