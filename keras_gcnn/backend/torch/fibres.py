"""Products of the fibres of channels-last maps with matrices on a CPU.

PyTorch's products of matrices call MKL, which on processors of other makers than Intel takes twice
the time of oneDNN in float32. A convolution of 1x1 calls oneDNN, and computes the same.
"""

from __future__ import annotations

import torch
from torch.nn import functional


def product(maps: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
    """Every fibre times a matrix.

    Args:
        maps: of shape `(images, rows, columns, n)`.
        matrix: of shape `(n, m)`.
    """
    if not _is_faster(maps):
        return maps @ matrix
    kernel = matrix.t()[..., None, None]
    return functional.conv2d(maps.permute(0, 3, 1, 2), kernel).permute(0, 2, 3, 1).contiguous()


def gradient(maps: torch.Tensor, slopes: torch.Tensor) -> torch.Tensor:
    """Gradient of the matrix of `product`, from the slopes of the outputs."""
    if not _is_faster(maps):
        return maps.flatten(0, 2).t() @ slopes.flatten(0, 2)
    first, second = (each.permute(0, 3, 1, 2) for each in (slopes, maps))
    kernel = maps.new_empty(slopes.shape[3], maps.shape[3], 1, 1)
    window = ([1, 1], [0, 0], [1, 1], False, [0, 0], 1)  # strides, padding, dilation, and so on
    wanted = [False, True, False]
    _, outputs, _ = torch.ops.aten.convolution_backward(
        first, second, kernel, None, *window, wanted
    )
    return outputs[..., 0, 0].t()


def _is_faster(maps: torch.Tensor) -> bool:
    return maps.dtype == torch.float32 and torch.backends.mkldnn.is_available()
