"""Convolutions of equivariant kernels on a CPU, in a quarter or half of the multiplications.

`keras_gcnn/backend/common/parity.py` says how. Here the sums are written where the product of
matrices reads them, and the gradient, which consists of the same steps in reverse, computes them
again from the maps.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import compress
from typing import Any

import torch
from torch.nn import functional

from keras_gcnn.backend.common import parity
from keras_gcnn.backend.common.parity import COLUMNS, HALF_TURN, MIRRORS, ROWS
from keras_gcnn.backend.torch import fibres
from keras_gcnn.backend.torch.modes import is_batched, is_traced, is_transformed
from keras_gcnn.groups.parity import Channels

# Measured on two cores of an AMD EPYC. In large batches laying out the matrices counts for less.
_SMALLEST, _SMALLEST_OF_MANY = {MIRRORS: 768, HALF_TURN: 1280}, {MIRRORS: 640, HALF_TURN: 1280}
_MANY_POSITIONS = 40_000


def supports(
    inputs: torch.Tensor,
    kernel: torch.Tensor,
    strides: tuple[int, int],
    padding: str,
    data_format: str,
    dilation_rate: tuple[int, int],
    channels: Channels,
) -> bool:
    """Whether `convolve` is faster than PyTorch's convolution of tensors of these shapes."""
    del padding
    if inputs.device.type != "cpu" or inputs.dtype != kernel.dtype:
        return False
    if torch.is_autocast_enabled("cpu"):  # its convolutions are in half precision
        return False
    if kernel.dtype not in (torch.float32, torch.float64) or is_traced() or is_transformed():
        return False
    many = math.prod(inputs.shape[:3]) >= _MANY_POSITIONS
    smallest = _SMALLEST_OF_MANY if many else _SMALLEST
    return parity.pays(inputs, kernel, strides, data_format, dilation_rate, channels, smallest)


def convolve(
    inputs: torch.Tensor,
    kernel: torch.Tensor,
    padding: str,
    channels: Channels,
    bias: torch.Tensor | None = None,
) -> torch.Tensor:
    """Convolution of channels-last maps with an equivariant kernel."""
    zeros = kernel.shape[0] // 2 if padding == "same" else 0
    return _Convolution.apply(inputs, kernel, bias, zeros, channels)


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        inputs: torch.Tensor,
        kernel: torch.Tensor,
        bias: torch.Tensor | None,
        zeros: int,
        channels: Channels,
    ) -> torch.Tensor:
        ctx.save_for_backward(inputs, kernel)
        ctx.zeros, ctx.channels = zeros, channels
        columns, rows = _axes(kernel, zeros, channels)
        matrices = parity.products(kernel, channels)
        outputs = inputs.new_empty(_output_shape(inputs, kernel, zeros))
        for images, results in _in_tiles(inputs, outputs):
            rows.merge(_products(columns.split(images), matrices), results, bias)
        return outputs

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple:
        wants_inputs, wants_kernel, wants_bias = ctx.needs_input_grad[:3]
        of_bias = gradient.sum((0, 1, 2)) if wants_bias else None
        if not (wants_inputs or wants_kernel):
            return None, None, of_bias, None, None
        inputs, kernel = ctx.saved_tensors
        again = torch.is_grad_enabled()  # this gradient is to be differentiated itself
        if again or is_transformed() or is_batched(gradient):  # it cannot be written into memory
            with torch.enable_grad():
                maps, weights = (
                    one if again else one.detach().requires_grad_() for one in (inputs, kernel)
                )
                outputs = _by_pytorch(maps, weights, ctx.zeros)
            wanted = wants_inputs, wants_kernel
            chosen = list(compress((maps, weights), wanted))
            slopes = iter(torch.autograd.grad(outputs, chosen, gradient, create_graph=again))
            return *(next(slopes) if want else None for want in wanted), of_bias, None, None
        columns, rows = _axes(kernel, ctx.zeros, ctx.channels)
        with torch.enable_grad():
            weights = kernel.detach().requires_grad_()
            matrices = parity.products(weights, ctx.channels)
        transposed = matrices.detach().transpose(1, 2)
        of_matrices, of_inputs = torch.zeros_like(matrices), torch.empty_like(inputs)
        for images, slopes, results in _in_tiles(inputs, gradient, of_inputs):
            of_parts = rows.split(slopes)
            if wants_kernel:
                parts = columns.split(images)
                for total, part, of_part in zip(of_matrices, parts, of_parts, strict=True):
                    total += fibres.gradient(part.flatten(3), of_part.flatten(3))
            if wants_inputs:
                columns.merge(_products(of_parts, transposed), results)
        of_kernel = None
        if wants_kernel:
            (of_kernel,) = torch.autograd.grad(matrices, weights, of_matrices)
        return of_inputs if wants_inputs else None, of_kernel, of_bias, None, None


@dataclass(frozen=True)
class _Axis:
    """Parts of a map along one axis.

    The sums of one tile are written over those of the tile before it: new memory would take longer
    to allocate than to fill.

    Attributes:
        axis: of the maps, `ROWS` or `COLUMNS`.
        reach: of the kernel to either side of its centre.
        zeros: around the map on either side.
        parts: `parity.mixing` of the map.
        memory: what was allocated, by its shape.
    """

    axis: int
    reach: int
    zeros: int
    parts: torch.Tensor
    memory: dict[tuple, torch.Tensor] = field(default_factory=dict)

    def _empty(self, *shape: int) -> torch.Tensor:
        if shape not in self.memory:
            self.memory[shape] = self.parts.new_empty(shape)
        return self.memory[shape]

    def _turned(self, part: int) -> int:
        """The product that has the differences of maps of a part."""
        return part ^ parity.odd_bit(self.axis, len(self.parts))

    def split(self, maps: torch.Tensor) -> Sequence[torch.Tensor]:
        """Sums and differences for every product: `(images, rows, columns, sums, channels)`."""
        padded = maps
        if self.zeros:
            shape = list(maps.shape)
            shape[self.axis] += 2 * self.zeros
            padded = self._empty(*shape).zero_()
            padded.narrow(self.axis, self.zeros, maps.shape[self.axis]).copy_(maps)
        size = padded.shape[self.axis] - 2 * self.reach
        shape = [*padded.shape[:3], 2 * self.reach + 1, maps.shape[3] // len(self.parts)]
        shape[self.axis] = size
        sums = self._empty(len(self.parts), *shape).unbind()
        fields = padded.reshape(1, 1, -1, self.parts.shape[1])
        for part, basis in enumerate(self.parts):
            mixed = fibres.product(fields, basis).view(*padded.shape[:3], -1)
            at = partial(self._at, mixed, size=size)
            sums[part][..., 0, :] = at(0)
            for v in range(1, self.reach + 1):
                torch.add(at(v), at(-v), out=sums[part][..., 2 * v - 1, :])
                torch.sub(at(v), at(-v), out=sums[self._turned(part)][..., 2 * v, :])
        return sums

    def _at(self, maps: torch.Tensor, shift: int, size: int) -> torch.Tensor:
        return maps.narrow(self.axis, self.reach + shift, size)

    def merge(
        self, sums: Sequence[torch.Tensor], maps: torch.Tensor, bias: torch.Tensor | None = None
    ) -> None:
        """The transpose of `split`, and the bias, written into `maps`."""
        mixed = self.parts.shape[1]
        fields = self._empty(*maps.shape[:3], maps.shape[3] // mixed, mixed).zero_()
        for part, piece in enumerate(fields.chunk(len(sums), dim=-1)):
            even, odd = (
                sums[each].unflatten(-1, (-1, piece.shape[-1]))
                for each in (part, self._turned(part))
            )
            self._add(piece, even[..., 0, :, :], 0)
            for v in range(1, self.reach + 1):
                self._add(piece, even[..., 2 * v - 1, :, :], v)
                self._add(piece, even[..., 2 * v - 1, :, :], -v)
                self._add(piece, odd[..., 2 * v, :, :], v)
                self._add(piece, odd[..., 2 * v, :, :], -v, -1)
        basis = self.parts.transpose(1, 2).reshape(mixed, mixed)
        outputs = fibres.product(fields.view(1, 1, -1, mixed), basis).view(maps.shape)
        if bias is None:
            maps.copy_(outputs)
        else:
            torch.add(outputs, bias, out=maps)

    def _add(self, maps: torch.Tensor, sums: torch.Tensor, shift: int, sign: int = 1) -> None:
        """Adds sums where their positions, shifted, lie inside the map."""
        start = self.reach + shift - self.zeros
        first = max(0, -start)
        last = min(sums.shape[self.axis], maps.shape[self.axis] - start)
        if last > first:
            kept = sums.narrow(self.axis, first, last - first)
            maps.narrow(self.axis, first + start, last - first).add_(kept, alpha=sign)


def _axes(kernel: torch.Tensor, zeros: int, channels: Channels) -> tuple[_Axis, _Axis]:
    """Columns, along which the input is split, and rows, along which the output is merged."""
    parts_in, parts_out = (
        torch.tensor(parts, dtype=kernel.dtype)
        for parts in parity.mixing(channels, tuple(kernel.shape[2:]))
    )
    reach = kernel.shape[0] // 2
    return (
        _Axis(COLUMNS, reach, zeros, parts_in),
        _Axis(ROWS, reach, 2 * reach - zeros, parts_out),
    )


def _in_tiles(inputs: torch.Tensor, *others: torch.Tensor) -> Iterator[tuple[torch.Tensor, ...]]:
    """Corresponding images of the batches, a few at a time."""
    images = parity.images_at_a_time(inputs)
    return zip(*(batch.split(images) for batch in (inputs, *others)), strict=True)


def _products(parts: Sequence[torch.Tensor], matrices: torch.Tensor) -> list[torch.Tensor]:
    sums = parts[0].shape[3]
    return [
        fibres.product(part.flatten(3), matrix).unflatten(3, (sums, -1))
        for part, matrix in zip(parts, matrices, strict=True)
    ]


def _output_shape(inputs: torch.Tensor, kernel: torch.Tensor, zeros: int) -> list[int]:
    lost = 2 * (kernel.shape[0] // 2 - zeros)
    images, rows, columns, _ = inputs.shape
    return [images, rows - lost, columns - lost, kernel.shape[3]]


def _by_pytorch(inputs: torch.Tensor, kernel: torch.Tensor, zeros: int) -> torch.Tensor:
    outputs = functional.conv2d(
        inputs.permute(0, 3, 1, 2), kernel.permute(3, 2, 0, 1), None, 1, zeros
    )
    return outputs.permute(0, 2, 3, 1)
