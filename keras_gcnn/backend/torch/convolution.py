"""Convolution on PyTorch without copies of its input.

Keras lays a map of channels-last data out twice before a convolution. Its memory is in the order
that PyTorch calls channels_last from the start.
"""

from __future__ import annotations

import keras
import torch
from torch.nn import functional

from keras_gcnn.backend.torch.modes import is_transformed

_IN_PLACE = {
    keras.activations.relu: torch.relu_,
    keras.activations.elu: functional.elu_,
    keras.activations.silu: lambda maps: functional.silu(maps, inplace=True),
}


def convolve(inputs, kernel, strides, padding, data_format, dilation_rate, bias=None):
    """Convolution with a kernel of shape `(rows, columns, c_in or 1, c_out)`.

    With 1 instead of c_in every channel has a filter of its own.
    """
    weights = kernel.permute(3, 2, 0, 1)
    if data_format == "channels_last":
        inputs = inputs.permute(0, 3, 1, 2)
        # With one output channel strides are ambiguous: `contiguous` leaves them as they are, and
        # the gradient on a CPU refuses them. `torch.vmap` has one order of memory only.
        order = torch.contiguous_format if is_transformed() else torch.channels_last
        weights = weights.clone(memory_format=order)
    around = (0, 0)
    if padding == "same":
        inputs, around = _same(inputs, kernel.shape[:2], strides, dilation_rate)
    groups = inputs.shape[1] // kernel.shape[2]
    outputs = functional.conv2d(inputs, weights, bias, strides, around, dilation_rate, groups)
    return outputs.permute(0, 2, 3, 1) if data_format == "channels_last" else outputs


def plain_strides(kernel):
    """A kernel `(rows, columns, c_out, c_in)` as the gradient of a transposed convolution takes it.

    With one channel the strides of its transpose are ambiguous, which the gradient on a CPU
    refuses.
    """
    weights = kernel.permute(3, 2, 0, 1).clone(memory_format=torch.contiguous_format)
    return weights.permute(2, 3, 1, 0)


def activate(maps, activation):
    """What an activation makes of maps that nothing else reads."""
    if activation in _IN_PLACE and not torch.is_grad_enabled():  # new memory takes longer
        return _IN_PLACE[activation](maps)
    return maps if activation is None else activation(maps)


def _same(inputs, sizes, strides, dilation_rate):
    """The input, with zeros around it where both sides differ, and the zeros still to add."""
    pairs = []
    for number, size, stride, dilation in zip(
        inputs.shape[2:], sizes, strides, dilation_rate, strict=True
    ):
        reach = (size - 1) * dilation + 1
        total = max((-(-number // stride) - 1) * stride + reach - number, 0)
        pairs.append((total // 2, total - total // 2))
    if all(before == after for before, after in pairs):
        return inputs, tuple(before for before, _ in pairs)
    (top, bottom), (left, right) = pairs
    return functional.pad(inputs, (left, right, top, bottom)), (0, 0)
