"""Convolution on JAX that XLA leaves to Eigen on a CPU.

By default XLA gives convolutions in float32 on a CPU to YNNPACK, which takes longer, most of all
for the gradient of a kernel, and rounds more. It does not where the output is larger than the
input, or what acts as the kernel in a gradient is. So here the output has more rows than the input,
and those that are too many are dropped: the same then holds for both gradients of the convolution,
and for theirs.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import NamedTuple

from jax import lax
from jax import numpy as jnp

# Where it is faster, measured on two cores.
_FEWEST_CHANNELS = 17  # of the input and of the output
_FEWEST_PIXELS = 4096  # of all images
# That the rows to be dropped may make of the convolution; it alone gains less than its gradients.
_MOST_WORK = {True: 1.7, False: 1.15}
_WITHOUT_YNNPACK = "--xla_cpu_experimental_ynn_fusion_type="  # in XLA_FLAGS, followed by nothing
_AXES = ("NHWC", "HWIO", "NHWC")


class _Side(NamedTuple):
    """An axis of the map, and what lies around it."""

    size: int
    padding: tuple[int, int]
    output: int

    @property
    def dropped(self) -> int:
        """Outputs with which there are more than inputs."""
        return self.size - self.output + 1


def is_faster(
    inputs, kernel, strides: Sequence[int], padding: str, dilation_rate, trained: bool = True
) -> bool:
    """Whether this convolution is to be taken on a CPU, for tensors of these shapes.

    It is without its gradients if it is not `trained`.
    """
    if _WITHOUT_YNNPACK in os.environ.get("XLA_FLAGS", "").split():
        return False
    if not inputs.dtype == kernel.dtype == jnp.float32:
        return False
    if tuple(strides) != (1, 1) or min(kernel.shape[:2]) == 1:
        return False
    if not all(isinstance(size, int) for size in inputs.shape):  # for any, in an export
        return False
    if min(kernel.shape[2:]) < _FEWEST_CHANNELS or math.prod(inputs.shape[:3]) < _FEWEST_PIXELS:
        return False
    sides = _sides(inputs, kernel, padding, dilation_rate)
    if min(side.output for side in sides) < 1:  # of which XLA tells the user
        return False
    return max(sides).size + 1 <= _MOST_WORK[trained] * max(sides).output


def convolve(inputs, kernel, padding: str, dilation_rate):
    """Convolution of channels-last data with a kernel `(rows, columns, c_in, c_out)`."""
    sides = _sides(inputs, kernel, padding, dilation_rate)
    longer = sides.index(max(sides))
    before, after = sides[1 - longer].padding
    # In a gradient the larger of two maps acts as the map and the smaller as the kernel. That it is
    # the input, in spite of the output's rows, a zero on its other side sees to.
    zeros = min(1, after)
    around = [(0, 0)] * 4
    around[2 - longer] = (0, zeros)
    pads = [(before, after - zeros)] * 2
    before, after = sides[longer].padding
    pads[longer] = (before, after + sides[longer].dropped)
    outputs = lax.conv_general_dilated(
        jnp.pad(inputs, around),
        kernel,
        (1, 1),
        pads,
        rhs_dilation=dilation_rate,
        dimension_numbers=_AXES,
    )
    return lax.slice_in_dim(outputs, 0, sides[longer].output, axis=1 + longer)


def _sides(inputs, kernel, padding: str, dilation_rate) -> list[_Side]:
    """Rows and columns."""
    found = []
    for size, length, dilation in zip(inputs.shape[1:3], kernel.shape, dilation_rate, strict=False):
        reach = (length - 1) * dilation
        total = reach if padding == "same" else 0
        found.append(_Side(size, (total // 2, total - total // 2), size + total - reach))
    return found
