"""Batch normalisation on PyTorch in as few passes over the map as its own takes.

Keras composes it of elementwise operations, each of which reads and writes the whole map; PyTorch's
own kernels have no statistics that channels share. Here its kernels do the work per channel, and
what is shared is small.
"""

from __future__ import annotations

from typing import Any

import torch


def can_fuse(inputs: torch.Tensor, axis: int) -> bool:
    """Whether the kernels take this tensor, on any axis; a compiler fuses better by itself."""
    del axis
    known = inputs.device.type in ("cpu", "cuda") and inputs.numel() > 0
    return known and not torch.compiler.is_compiling()


class _Moments(torch.autograd.Function):
    """Mean and variance per channel, with one pass over the map each way."""

    @staticmethod
    def forward(ctx: Any, inputs: torch.Tensor, axis: int):
        mean, variance = torch.batch_norm_update_stats(
            torch.movedim(inputs, axis, 1), None, None, 0.0
        )
        ctx.save_for_backward(inputs, mean)
        ctx.axis = axis
        return mean, variance

    @staticmethod
    def backward(ctx: Any, mean_gradient: torch.Tensor, variance_gradient: torch.Tensor):
        inputs, mean = ctx.saved_tensors
        number = inputs.numel() // mean.numel()
        shape = [1] * inputs.ndim
        shape[ctx.axis] = -1
        slope = 2 / number * variance_gradient
        offset = mean_gradient / number - slope * mean
        return torch.addcmul(offset.reshape(shape), inputs, slope.reshape(shape)), None


def moments(inputs: torch.Tensor, axis: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and variance of every channel, over all axes but the channels'."""
    return _Moments.apply(inputs, axis)


def batch_normalization(inputs, mean, variance, axis, offset=None, scale=None, epsilon=1e-3):
    """What `keras.ops.batch_normalization` does."""
    centre = mean.detach()  # that the map is moved by it has no gradient; the offset's term has
    scale = torch.rsqrt(variance + epsilon) * (1.0 if scale is None else scale)
    moved = (centre - mean) * scale
    offset = moved if offset is None else moved + offset
    outputs = torch.nn.functional.batch_norm(
        torch.movedim(inputs, axis, 1),
        centre,
        torch.ones_like(centre),
        scale,
        offset,
        training=False,
        eps=0.0,
    )
    return torch.movedim(outputs, 1, axis)
