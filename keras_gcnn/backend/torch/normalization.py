"""Normalisation on PyTorch in as few passes over the map as its own layer takes.

Keras composes it of elementwise operations, each of which reads and writes the whole map, and the
kernels of PyTorch have no statistics that channels share. Here these kernels do the work per
channel, and the layers share the results, which are small.
"""

from __future__ import annotations

from typing import Any

import torch

from keras_gcnn.backend.torch.modes import is_traced, is_transformed

_DEVICES = ("cpu", "cuda")  # that have the kernels


def supports(inputs: torch.Tensor, axis: int) -> bool:
    """Whether `batch_normalization` takes this map; left to itself, a compiler fuses better."""
    del axis
    known = inputs.device.type in _DEVICES and inputs.numel() > 0
    return known and not torch.compiler.is_compiling()


def supports_moments(inputs: torch.Tensor, axis: int) -> bool:
    """Whether `moments` takes this map. Keras's lose a variance beside a large mean."""
    del axis
    return inputs.numel() > 0


class _Moments(torch.autograd.Function):
    """Mean and variance per channel, and the map itself, whose gradient comes back this way.

    The gradients through the map and through its moments are then one map from the start, instead
    of two maps whose sum is a third.
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
    def backward(
        ctx: Any, gradient: torch.Tensor, of_mean: torch.Tensor, of_variance: torch.Tensor
    ) -> tuple:
        inputs, mean = ctx.saved_tensors
        number = inputs.numel() // mean.numel()
        shape = [1] * inputs.ndim
        shape[ctx.axis] = -1
        slope = 2 / number * of_variance
        offset = (of_mean / number - slope * mean).reshape(shape)
        slope = slope.reshape(shape)
        if torch.is_grad_enabled():  # this gradient is to be differentiated itself
            return torch.addcmul(gradient, inputs, slope) + offset, None
        # It can be overwritten: the normalisation, the only reader of the map, has just made it.
        return gradient.addcmul_(inputs, slope).add_(offset), None


def moments(inputs: torch.Tensor, axis: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The map to normalise, and the mean and variance of every channel over all other axes."""
    axis %= inputs.ndim  # a negative one makes transpositions that ONNX does not have
    if is_traced() or is_transformed() or inputs.device.type not in _DEVICES:
        others = [i for i in range(inputs.ndim) if i != axis]
        variance, mean = torch.var_mean(inputs, others, correction=0)
        return inputs, mean, variance
    return _Moments.apply(inputs, axis)


def batch_normalization(
    inputs: torch.Tensor,
    mean: torch.Tensor,
    variance: torch.Tensor,
    axis: int,
    offset: torch.Tensor | None = None,
    scale: torch.Tensor | None = None,
    epsilon: float = 1e-3,
) -> torch.Tensor:
    """Computes `keras.ops.batch_normalization`."""
    axis %= inputs.ndim  # as in `moments`
    centre = mean.detach()  # the gradient in the mean goes through the offset instead
    scale = torch.rsqrt(variance + epsilon) * (1.0 if scale is None else scale)
    moved = (centre - mean) * scale
    offset = moved if offset is None else moved + offset
    # The kernels read one number for every channel from memory, where a broadcast tensor may hold
    # a single number in all.
    centre, scale, offset = (values.contiguous() for values in (centre, scale, offset))
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


def supports_layer(inputs: torch.Tensor, axis: int) -> bool:
    """Whether `layer_normalization` takes this map: the channels are its last axis."""
    return axis in (-1, inputs.ndim - 1)


def layer_normalization(
    inputs: torch.Tensor,
    channels: int,
    scale: torch.Tensor | None,
    offset: torch.Tensor | None,
    epsilon: float,
) -> torch.Tensor:
    """Normalises along the last axis, in the precision of the map: PyTorch's own operation."""
    # The number comes from the layer: read from the map, it would be a tensor in a trace for ONNX.
    return torch.nn.functional.layer_norm(inputs, (channels,), scale, offset, epsilon)
