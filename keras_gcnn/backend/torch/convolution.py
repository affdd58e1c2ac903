"""Convolution on PyTorch without copies of its input.

Keras copies a map of channels-last data twice before a convolution. Its memory has the order that
PyTorch calls channels_last from the start.
"""

from __future__ import annotations

from typing import Any

import keras
import torch
from torch.nn import functional

from keras_gcnn.backend.torch.modes import is_transformed
from keras_gcnn.groups import border_widths
from keras_gcnn.types import Size2D

_IN_PLACE = {
    keras.activations.relu: torch.relu_,
    keras.activations.elu: functional.elu_,
    keras.activations.silu: lambda maps: functional.silu(maps, inplace=True),
}


def supports(
    inputs: torch.Tensor,
    kernel: torch.Tensor,
    strides: tuple[int, int],
    padding: str,
    data_format: str,
    dilation_rate: tuple[int, int],
    bias: torch.Tensor | None = None,
) -> bool:
    """True: `convolve` takes every convolution."""
    del inputs, kernel, strides, padding, data_format, dilation_rate, bias
    return True


def convolve(
    inputs: torch.Tensor,
    kernel: torch.Tensor,
    strides: tuple[int, int],
    padding: str,
    data_format: str,
    dilation_rate: tuple[int, int],
    bias: torch.Tensor | None = None,
) -> torch.Tensor:
    """Convolution with a kernel of shape `(rows, columns, c_in or 1, c_out)`.

    With 1 instead of c_in every channel has its own filter.
    """
    weights = kernel.permute(3, 2, 0, 1)
    if data_format == "channels_last":
        inputs = inputs.permute(0, 3, 1, 2)
        # With one output channel strides are ambiguous: `contiguous` leaves them unchanged, and the
        # gradient on a CPU refuses them. `torch.vmap` has one order of memory only.
        order = torch.contiguous_format if is_transformed() else torch.channels_last
        weights = weights.clone(memory_format=order)
    zeros = (0, 0)
    if padding == "same":
        inputs, zeros = _same(inputs, kernel.shape[:2], strides, dilation_rate)
    groups = inputs.shape[1] // kernel.shape[2]
    outputs = functional.conv2d(inputs, weights, bias, strides, zeros, dilation_rate, groups)
    return outputs.permute(0, 2, 3, 1) if data_format == "channels_last" else outputs


def supports_transposed(
    inputs: torch.Tensor,
    kernel: torch.Tensor,
    strides: tuple[int, int],
    padding: str,
    output_padding: Size2D | None,
    data_format: str,
    dilation_rate: tuple[int, int],
) -> bool:
    """True: `convolve_transposed` takes every transposed convolution."""
    del inputs, kernel, strides, padding, output_padding, data_format, dilation_rate
    return True


def convolve_transposed(
    inputs: torch.Tensor,
    kernel: torch.Tensor,
    strides: tuple[int, int],
    padding: str,
    output_padding: Size2D | None,
    data_format: str,
    dilation_rate: tuple[int, int],
) -> torch.Tensor:
    """`keras.ops.conv_transpose` with a kernel of shape `(rows, columns, c_out, c_in)`.

    With one channel the strides of the transposed kernel are ambiguous, and the gradient on a CPU
    refuses them; a copy has definite ones.
    """
    weights = kernel.permute(3, 2, 0, 1).clone(memory_format=torch.contiguous_format)
    kernel = weights.permute(2, 3, 1, 0)
    window = (strides, padding, output_padding, data_format, dilation_rate)
    return keras.ops.conv_transpose(inputs, kernel, *window)


def supports_in_place(maps: torch.Tensor, activation: Any) -> bool:
    """Whether `activate_in_place` has the activation, and no gradient needs the maps."""
    del maps
    return activation in _IN_PLACE and not torch.is_grad_enabled()


def activate_in_place(maps: torch.Tensor, activation: Any) -> torch.Tensor:
    """Overwrites maps that nothing else reads, since new memory would take longer."""
    return _IN_PLACE[activation](maps)


def _same(
    inputs: torch.Tensor, sizes: Any, strides: tuple[int, int], dilation_rate: tuple[int, int]
) -> tuple[torch.Tensor, tuple[int, int]]:
    """The input, padded if the two sides of an axis differ, and the zeros still to be added."""
    pairs = []
    for length, size, stride, dilation in zip(
        inputs.shape[2:], sizes, strides, dilation_rate, strict=True
    ):
        pairs.append(border_widths(length, (size - 1) * dilation + 1, stride))
    (top, bottom), (left, right) = pairs
    if top == bottom and left == right:
        return inputs, (top, left)
    return functional.pad(inputs, (left, right, top, bottom)), (0, 0)
