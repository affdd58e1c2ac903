"""Convolutions on JAX in forms that XLA computes faster.

A pointwise convolution is a product of matrices. The others concern a CPU, where by default XLA
gives convolutions in float32 to YNNPACK, which takes longer than Eigen, most of all for the
gradient of a kernel, and rounds more. XLA keeps Eigen where the output is larger than the input,
and in a gradient also where the operand that acts as the kernel is larger. So the output gets more
rows than the input, and the extra rows are dropped: Eigen then also computes both gradients of the
convolution, and the gradients of these.
"""

from __future__ import annotations

import math
import os
from typing import NamedTuple

import keras
from jax import lax
from jax import numpy as jnp
from keras import ops

from keras_gcnn.types import Tensor

# Where the extra rows pay, measured on two cores.
_FEWEST_CHANNELS = 17  # of the input and of the output
_FEWEST_PIXELS = 4096  # of all images
# Largest share of rows, the extra ones included, to the rows that are needed; lower when no
# gradient is taken, since the forward pass alone gains less.
_MOST_WORK = {True: 1.7, False: 1.15}
_WITHOUT_YNNPACK = "--xla_cpu_experimental_ynn_fusion_type="  # in XLA_FLAGS, followed by nothing
_AXES = ("NHWC", "HWIO", "NHWC")


class _Side(NamedTuple):
    """Sizes along one axis of the map."""

    size: int
    padding: tuple[int, int]
    output: int

    @property
    def extra(self) -> int:
        """Extra positions that make the output longer than the input."""
        return self.size - self.output + 1


def supports(
    inputs: Tensor,
    kernel: Tensor,
    strides: tuple[int, int],
    padding: str,
    data_format: str,
    dilation_rate: tuple[int, int],
    trained: bool = True,
) -> bool:
    """Whether `convolve` is faster than JAX's own convolution of tensors of these shapes."""
    in_groups = inputs.shape[-1] != kernel.shape[2]
    if data_format != "channels_last" or in_groups:
        return False
    return _is_pointwise(kernel, strides) or gains_by_extra_rows(
        inputs, kernel, strides, padding, dilation_rate, trained
    )


def convolve(
    inputs: Tensor,
    kernel: Tensor,
    strides: tuple[int, int],
    padding: str,
    data_format: str,
    dilation_rate: tuple[int, int],
    trained: bool = True,
) -> Tensor:
    """Convolution of channels-last data with a kernel of shape `(rows, columns, c_in, c_out)`."""
    del data_format, trained
    if not _is_pointwise(kernel, strides):
        return convolve_with_extra_rows(inputs, kernel, padding, dilation_rate)
    # On a CPU this takes a third of the time, forward and backward; with more axes than two the
    # gradient would take longer.
    flat = ops.matmul(ops.reshape(inputs, (-1, kernel.shape[2])), kernel[0, 0])
    return ops.reshape(flat, (*inputs.shape[:3], kernel.shape[3]))


def has_fast_depthwise() -> bool:
    """Whether a depthwise convolution is faster than one of all channels with all.

    On a CPU it is not: in a training step XLA's takes twice the time of a full convolution, and a
    sum of shifted maps still takes as long as that.
    """
    return not on_cpu()


def gains_by_extra_rows(
    inputs: Tensor,
    kernel: Tensor,
    strides: tuple[int, int],
    padding: str,
    dilation_rate: tuple[int, int],
    trained: bool = True,
) -> bool:
    """Whether `convolve_with_extra_rows` is faster; `trained=False`: in the forward pass alone."""
    if not on_cpu() or _WITHOUT_YNNPACK in os.environ.get("XLA_FLAGS", "").split():
        return False
    if not inputs.dtype == kernel.dtype == jnp.float32:
        return False
    if tuple(strides) != (1, 1) or min(kernel.shape[:2]) == 1:
        return False
    if not all(isinstance(size, int) for size in inputs.shape):  # a symbolic batch, in an export
        return False
    if min(kernel.shape[2:]) < _FEWEST_CHANNELS or math.prod(inputs.shape[:3]) < _FEWEST_PIXELS:
        return False
    sides = _sides(inputs, kernel, padding, dilation_rate)
    if min(side.output for side in sides) < 1:  # XLA reports this itself
        return False
    return max(sides).size + 1 <= _MOST_WORK[trained] * max(sides).output


def convolve_with_extra_rows(
    inputs: Tensor, kernel: Tensor, padding: str, dilation_rate: tuple[int, int]
) -> Tensor:
    """Convolution of channels-last data, computed with more rows or columns than needed."""
    sides = _sides(inputs, kernel, padding, dilation_rate)
    longer = sides.index(max(sides))
    before, after = sides[1 - longer].padding
    # In a gradient XLA takes the larger of two maps as the map and the smaller as the kernel. A
    # zero on the shorter side makes the input the larger one, in spite of the output's extra rows.
    zeros = min(1, after)
    pairs = [(0, 0)] * 4
    pairs[2 - longer] = (0, zeros)
    pads = [(before, after - zeros)] * 2
    before, after = sides[longer].padding
    pads[longer] = (before, after + sides[longer].extra)
    outputs = lax.conv_general_dilated(
        jnp.pad(inputs, pairs),
        kernel,
        (1, 1),
        pads,
        rhs_dilation=dilation_rate,
        dimension_numbers=_AXES,
    )
    return lax.slice_in_dim(outputs, 0, sides[longer].output, axis=1 + longer)


def _is_pointwise(kernel: Tensor, strides: tuple[int, int]) -> bool:
    return tuple(kernel.shape[:2]) == tuple(strides) == (1, 1)


def on_cpu() -> bool:
    """Whether JAX has no other device."""
    return all(device.startswith("cpu") for device in keras.distribution.list_devices())


def _sides(
    inputs: Tensor, kernel: Tensor, padding: str, dilation_rate: tuple[int, int]
) -> list[_Side]:
    """The axes of rows and of columns."""
    sides = []
    for size, length, dilation in zip(inputs.shape[1:3], kernel.shape, dilation_rate, strict=False):
        reach = (length - 1) * dilation
        total = reach if padding == "same" else 0
        sides.append(_Side(size, (total // 2, total - total // 2), size + total - reach))
    return sides
