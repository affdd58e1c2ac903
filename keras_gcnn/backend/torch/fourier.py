"""Activation of fields as functions of the angle on PyTorch, a part of the fields at a time.

The samples of all fields take more memory than the map, and most of the time is spent on moving
them. Here they are made, used and dropped while they are in the cache, and made again for the
gradient, so that nothing of their size is ever kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import torch

from keras_gcnn.backend.torch.modes import is_batched, is_traced, is_transformed

# Samples of a part: in a CPU's cache; on another device there are to be few parts.
_AT_ONCE = {"cpu": 2**18}
_AT_ONCE_ELSEWHERE = 2**26


def supports(inputs, to_samples, to_field, activation, last: bool) -> bool:
    """Whether Keras has the activation, which then has no weights, and nothing needs the steps."""
    del inputs, to_samples, to_field, last
    stock = getattr(keras.activations, getattr(activation, "__name__", ""), None)
    return stock is activation and not is_traced() and not is_transformed()


def activate(
    inputs: torch.Tensor,
    to_samples: torch.Tensor,
    to_field: torch.Tensor,
    activation: Callable[[torch.Tensor], torch.Tensor],
    last: bool,
) -> torch.Tensor:
    """`to_field activation(to_samples inputs)`, with matrices that have no gradient.

    Args:
        inputs: of shape `(fields, size)` if `last`, else `(fields, size, positions)`.
        to_samples: of shape `(samples, size)`.
        to_field: of shape `(size, samples)`.
        activation: callable.
        last: bool, which axis the matrices act on.
    """
    kind = inputs.device.type
    if torch.is_autocast_enabled(kind) and inputs.dtype != torch.float64:
        dtype = torch.get_autocast_dtype(kind)  # as it is for products of matrices
        inputs, to_samples, to_field = (one.to(dtype) for one in (inputs, to_samples, to_field))
    with torch.autocast(kind, enabled=False):
        return _Activation.apply(inputs, to_samples, to_field, activation, last)


class _Activation(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, inputs, to_samples, to_field, activation, last):
        ctx.save_for_backward(inputs, to_samples, to_field)
        ctx.activation, ctx.last = activation, last
        outputs = torch.empty_like(inputs, memory_format=torch.contiguous_format)
        for part, out in _parts(to_samples, last, inputs, outputs):
            samples = activation(_times(to_samples, part, last))
            _times(to_field, samples, last, out=out)
        return outputs

    @staticmethod
    def backward(ctx: Any, gradient):
        with torch.autocast(gradient.device.type, enabled=False):
            return _slope(gradient, *ctx.saved_tensors, ctx.activation, ctx.last), *(None,) * 4


def _slope(gradient, inputs, to_samples, to_field, activation, last):
    """The gradient in the inputs, for a gradient in the outputs."""
    if torch.is_grad_enabled() or is_transformed() or is_batched(gradient):

        def activated(fields):
            return _times(to_field, activation(_times(to_samples, fields, last)), last)

        _, pull_back = torch.func.vjp(activated, inputs)
        return pull_back(gradient)[0]
    found = torch.empty_like(inputs, memory_format=torch.contiguous_format)
    for part, slope, out in _parts(to_samples, last, inputs, gradient, found):
        samples = _times(to_samples, part, last).requires_grad_()
        with torch.enable_grad():
            values = activation(samples)
        slope = _times(to_field.T, slope, last)
        _times(to_samples.T, torch.autograd.grad(values, samples, slope)[0], last, out=out)
    return found


def _times(matrix, fields, last: bool, out=None):
    left, right = (fields, matrix.T) if last else (matrix, fields)
    return torch.matmul(left, right, out=out)


def _parts(to_samples, last: bool, *tensors):
    """Tuples of equal parts of tensors, along their first axis."""
    most = _AT_ONCE.get(tensors[0].device.type, _AT_ONCE_ELSEWHERE)
    positions = 1 if last else tensors[0].shape[-1]
    fields = max(1, most // (len(to_samples) * max(1, positions)))
    return zip(*(tensor.split(fields) for tensor in tensors), strict=True)
