"""Batch normalisation on PyTorch in as few passes over the map as its own takes.

Keras composes it of elementwise operations, each of which reads and writes the whole map; PyTorch's
own kernels have no statistics that channels share. Here its kernels do the work per channel, and
what is shared is small.
"""

from __future__ import annotations

from typing import Any

import torch

from keras_gcnn.backend.torch.modes import is_traced, is_transformed


def can_fuse(inputs: torch.Tensor, axis: int) -> bool:
    """Whether the kernels take this tensor, on any axis; a compiler fuses better by itself."""
    del axis
    known = inputs.device.type in ("cpu", "cuda") and inputs.numel() > 0
    return known and not torch.compiler.is_compiling()


class _Moments(torch.autograd.Function):
    """Mean and variance per channel, and the map itself, whose gradient comes back this way.

    What it and the moments contribute to the gradient is then one map from the start, instead of
    two of which the sum is a third.
    """

    @staticmethod
    def forward(ctx: Any, inputs: torch.Tensor, axis: int):
        mean, variance = torch.batch_norm_update_stats(
            torch.movedim(inputs, axis, 1), None, None, 0.0
        )
        ctx.save_for_backward(inputs, mean)
        ctx.axis = axis
        return inputs.view_as(inputs), mean, variance

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor, of_mean: torch.Tensor, of_variance):
        inputs, mean = ctx.saved_tensors
        number = inputs.numel() // mean.numel()
        shape = [1] * inputs.ndim
        shape[ctx.axis] = -1
        slope = 2 / number * of_variance
        offset = (of_mean / number - slope * mean).reshape(shape)
        slope = slope.reshape(shape)
        if torch.is_grad_enabled():  # it has a gradient itself
            return torch.addcmul(gradient, inputs, slope) + offset, None
        # Nothing else reads it: the normalisation's own, the only reader of the map, has made it.
        return gradient.addcmul_(inputs, slope).add_(offset), None


def moments(inputs: torch.Tensor, axis: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The map to normalise, and every channel's mean and variance, over all axes but theirs."""
    if is_traced() or is_transformed():
        others = [one for one in range(inputs.ndim) if one != axis]
        variance, mean = torch.var_mean(inputs, others, correction=0)
        return inputs, mean, variance
    return _Moments.apply(inputs, axis)


def batch_normalization(inputs, mean, variance, axis, offset=None, scale=None, epsilon=1e-3):
    """What `keras.ops.batch_normalization` does."""
    axis = axis % inputs.ndim  # a negative one makes transpositions that ONNX does not have
    centre = mean.detach()  # that the map is moved by it has no gradient; the offset's term has
    scale = torch.rsqrt(variance + epsilon) * (1.0 if scale is None else scale)
    moved = (centre - mean) * scale
    offset = moved if offset is None else moved + offset
    # The kernels read the memory as if it had one number for every channel; of a single number that
    # is repeated there may be one in all.
    centre, scale, offset = (one.contiguous() for one in (centre, scale, offset))
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
