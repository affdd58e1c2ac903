"""Convolutions that TensorFlow computes on a CPU only in another form.

On a CPU its channels-first kernels do not cover float64, neither forward nor in gradients. So the
maps are transposed to channels last, and the outputs back. Dilated transposed convolutions exist in
float32 only, so zeros are put into the kernel instead.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from keras_gcnn.types import Size2D, Tensor


def supports(
    inputs: Tensor,
    kernel: Tensor,
    strides: tuple[int, int],
    padding: str,
    data_format: str,
    dilation_rate: tuple[int, int],
) -> bool:
    """Whether a convolution, depthwise or not, has to be computed on channels-last maps."""
    del inputs, kernel, strides, padding, dilation_rate
    return _needs_channels_last(data_format)


def convolve(
    inputs: Tensor,
    kernel: Tensor,
    strides: tuple[int, int],
    padding: str,
    data_format: str,
    dilation_rate: tuple[int, int],
) -> Tensor:
    """`keras.ops.conv` of a channels-first map."""
    del data_format
    return _on_channels_last(ops.conv, inputs, kernel, strides, padding, dilation_rate)


def convolve_depthwise(
    inputs: Tensor,
    kernel: Tensor,
    strides: tuple[int, int],
    padding: str,
    data_format: str,
    dilation_rate: tuple[int, int],
) -> Tensor:
    """`keras.ops.depthwise_conv` of a channels-first map."""
    del data_format
    return _on_channels_last(ops.depthwise_conv, inputs, kernel, strides, padding, dilation_rate)


def supports_transposed(
    inputs: Tensor,
    kernel: Tensor,
    strides: tuple[int, int],
    padding: str,
    output_padding: Size2D | None,
    data_format: str,
    dilation_rate: tuple[int, int],
) -> bool:
    """Whether `convolve_transposed` has to be used instead of Keras's."""
    del inputs, kernel, strides, padding, output_padding
    return max(dilation_rate) > 1 or _needs_channels_last(data_format)


def convolve_transposed(
    inputs: Tensor,
    kernel: Tensor,
    strides: tuple[int, int],
    padding: str,
    output_padding: Size2D | None,
    data_format: str,
    dilation_rate: tuple[int, int],
) -> Tensor:
    """`keras.ops.conv_transpose` with a kernel of shape `(rows, columns, c_out, c_in)`."""
    if max(dilation_rate) > 1:
        kernel = _dilated(kernel, dilation_rate)
    window = (strides, padding, output_padding)
    if _needs_channels_last(data_format):
        return _on_channels_last(ops.conv_transpose, inputs, kernel, *window, 1)
    return ops.conv_transpose(inputs, kernel, *window, data_format, 1)


def _needs_channels_last(data_format: str) -> bool:
    return data_format == "channels_first" and not keras.distribution.list_devices("gpu")


def _on_channels_last(
    operation: Callable[..., Tensor], inputs: Tensor, kernel: Tensor, *window: Any
) -> Tensor:
    """Transposes a channels-first map for an operation, and its output back."""
    inputs = ops.transpose(inputs, (0, 2, 3, 1))
    outputs = operation(inputs, kernel, *window[:-1], "channels_last", window[-1])
    return ops.transpose(outputs, (0, 3, 1, 2))


def _dilated(kernel: Tensor, dilation_rate: tuple[int, int]) -> Tensor:
    """Puts zeros between the positions of a kernel."""
    rows, columns, *channels = kernel.shape
    spread = ops.reshape(kernel, (rows, 1, columns, 1, *channels))
    zeros = [(0, 0), (0, dilation_rate[0] - 1), (0, 0), (0, dilation_rate[1] - 1), (0, 0), (0, 0)]
    shape = (rows * dilation_rate[0], columns * dilation_rate[1], *channels)
    spread = ops.reshape(ops.pad(spread, zeros), shape)
    return spread[: shape[0] - dilation_rate[0] + 1, : shape[1] - dilation_rate[1] + 1]
