"""Activation of fields as functions of the angle on PyTorch, a part of the fields at a time.

The samples of all fields take more memory than the map, and most of the time goes into moving them.
Here they are made, used and dropped while they are in the cache, and made again for the gradient,
so that nothing of their size is ever kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import keras
import torch

from keras_gcnn.backend.torch.modes import is_batched, is_traced, is_transformed
from keras_gcnn.types import Tensor

_Function: TypeAlias = Callable[[torch.Tensor], torch.Tensor]

# Samples in a part: they fit a CPU's cache. On another device few, large parts are faster.
_AT_ONCE = {"cpu": 2**18}
_AT_ONCE_ELSEWHERE = 2**26


def supports(
    inputs: Tensor, to_samples: Tensor, to_field: Tensor, activation: _Function, last: bool
) -> bool:
    """Whether `activate` takes the activation, and nothing records or transforms its steps.

    An activation of Keras has no weights, so that its gradient is in the input alone.
    """
    del inputs, to_samples, to_field, last
    stock = getattr(keras.activations, getattr(activation, "__name__", ""), None)
    return stock is activation and not is_traced() and not is_transformed()


def activate(
    inputs: torch.Tensor,
    to_samples: torch.Tensor,
    to_field: torch.Tensor,
    activation: _Function,
    last: bool,
) -> torch.Tensor:
    """Computes `to_field activation(to_samples inputs)`, with matrices that have no gradient.

    Args:
        inputs: of shape `(fields, size)` if `last`, else `(fields, size, positions)`.
        to_samples: of shape `(samples, size)`.
        to_field: of shape `(size, samples)`.
        activation: callable.
        last: bool, which axis the matrices act on.
    """
    device = inputs.device.type
    if torch.is_autocast_enabled(device) and inputs.dtype != torch.float64:
        dtype = torch.get_autocast_dtype(device)  # which autocast uses for products of matrices
        inputs, to_samples, to_field = (
            tensor.to(dtype) for tensor in (inputs, to_samples, to_field)
        )
    with torch.autocast(device, enabled=False):
        return _Activation.apply(inputs, to_samples, to_field, activation, last)


class _Activation(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        inputs: torch.Tensor,
        to_samples: torch.Tensor,
        to_field: torch.Tensor,
        activation: Any,
        last: bool,
    ) -> torch.Tensor:
        ctx.save_for_backward(inputs, to_samples, to_field)
        ctx.activation, ctx.last = activation, last
        outputs = torch.empty_like(inputs, memory_format=torch.contiguous_format)
        for part, out in _parts(to_samples, last, inputs, outputs):
            samples = activation(_times(to_samples, part, last))
            _times(to_field, samples, last, out=out)
        return outputs

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        inputs, to_samples, to_field = ctx.saved_tensors
        with torch.autocast(gradient.device.type, enabled=False):
            slope = _slope(gradient, inputs, to_samples, to_field, ctx.activation, ctx.last)
        return slope, None, None, None, None


def _slope(
    gradient: torch.Tensor,
    inputs: torch.Tensor,
    to_samples: torch.Tensor,
    to_field: torch.Tensor,
    activation: _Function,
    last: bool,
) -> torch.Tensor:
    """The gradient in the inputs, for a gradient in the outputs."""
    if torch.is_grad_enabled() or is_transformed() or is_batched(gradient):

        def activated(fields: torch.Tensor) -> torch.Tensor:
            return _times(to_field, activation(_times(to_samples, fields, last)), last)

        _, pull_back = torch.func.vjp(activated, inputs)
        return pull_back(gradient)[0]
    slopes = torch.empty_like(inputs, memory_format=torch.contiguous_format)
    for part, slope, out in _parts(to_samples, last, inputs, gradient, slopes):
        samples = _times(to_samples, part, last).requires_grad_()
        with torch.enable_grad():
            values = activation(samples)
        slope = _times(to_field.T, slope, last)
        _times(to_samples.T, torch.autograd.grad(values, samples, slope)[0], last, out=out)
    return slopes


def _times(
    matrix: torch.Tensor, fields: torch.Tensor, last: bool, out: torch.Tensor | None = None
) -> torch.Tensor:
    """The matrix times every field, along the last axis or the one before it."""
    left, right = (fields, matrix.T) if last else (matrix, fields)
    return torch.matmul(left, right, out=out)


def _parts(
    to_samples: torch.Tensor, last: bool, *tensors: torch.Tensor
) -> Iterator[tuple[torch.Tensor, ...]]:
    """Splits tensors along their first axis, into tuples of parts with the same fields."""
    most = _AT_ONCE.get(tensors[0].device.type, _AT_ONCE_ELSEWHERE)
    positions = 1 if last else tensors[0].shape[-1]
    fields = max(1, most // (len(to_samples) * max(1, positions)))
    return zip(*(tensor.split(fields) for tensor in tensors), strict=True)
