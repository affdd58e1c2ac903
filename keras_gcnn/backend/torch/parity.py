"""Convolutions of equivariant kernels on a CPU, in a quarter or half of the multiplications.

`keras_gcnn/backend/common/parity.py` says how. Here the sums are written where the product of
matrices reads them, and the gradient, which consists of the same steps in reverse, computes them
again from the maps.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch.nn import functional

from keras_gcnn.backend.common import parity
from keras_gcnn.backend.common.parity import COLUMNS, MIRRORS, ROWS
from keras_gcnn.backend.torch.modes import is_batched, is_traced, is_transformed
from keras_gcnn.groups.parity import Channels

_SMALLEST = {MIRRORS: 768}


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
    if kernel.dtype not in (torch.float32, torch.float64) or is_traced() or is_transformed():
        return False
    return parity.pays(inputs, kernel, strides, data_format, dilation_rate, channels, _SMALLEST)


def convolve(
    inputs: torch.Tensor, kernel: torch.Tensor, padding: str, channels: Channels
) -> torch.Tensor:
    """Convolution of channels-last maps with an equivariant kernel."""
    reach = kernel.shape[0] // 2
    return _Convolution.apply(inputs, kernel, reach if padding == "same" else 0, channels)


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, inputs: torch.Tensor, kernel: torch.Tensor, zeros: int, channels: Channels
    ) -> torch.Tensor:
        ctx.save_for_backward(inputs, kernel)
        ctx.zeros, ctx.channels = zeros, channels
        columns, rows = _axes(kernel, zeros, channels)
        products = parity.products(kernel, channels)
        outputs = inputs.new_empty(_output_shape(inputs, kernel, zeros))
        for images, results in _in_tiles(inputs, outputs):
            rows.merge(_multiplied(columns.split(images), products), results)
        return outputs

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple:
        inputs, kernel = ctx.saved_tensors
        if torch.is_grad_enabled():  # this gradient is to be differentiated itself
            outputs = _by_pytorch(inputs, kernel, ctx.zeros)
            slopes = torch.autograd.grad(outputs, (inputs, kernel), gradient, create_graph=True)
            return *slopes, None, None
        if is_transformed() or is_batched(gradient):  # it cannot be written into memory
            with torch.enable_grad():
                maps, weights = (one.detach().requires_grad_() for one in (inputs, kernel))
                outputs = _by_pytorch(maps, weights, ctx.zeros)
            return *torch.autograd.grad(outputs, (maps, weights), gradient), None, None
        columns, rows = _axes(kernel, ctx.zeros, ctx.channels)
        with torch.enable_grad():
            weights = kernel.detach().requires_grad_()
            products = parity.products(weights, ctx.channels)
        transposed = products.detach().transpose(1, 2)
        of_products, of_inputs = torch.zeros_like(products), torch.empty_like(inputs)
        for images, slopes, results in _in_tiles(inputs, gradient, of_inputs):
            parts, of_parts = columns.split(images), rows.split(slopes)
            of_products.baddbmm_(_flat(parts).transpose(1, 2), _flat(of_parts))
            columns.merge(_multiplied(of_parts, transposed), results)
        (of_kernel,) = torch.autograd.grad(products, weights, of_products)
        return of_inputs, of_kernel, None, None


class _Axis(NamedTuple):
    """Parts of a map along one axis.

    Attributes:
        axis: of the maps, `ROWS` or `COLUMNS`.
        reach: of the kernel to either side of its centre.
        zeros: around the map on either side.
        parts: `parity.mixing` of the map.
    """

    axis: int
    reach: int
    zeros: int
    parts: torch.Tensor

    def odd(self, sums: torch.Tensor, part: int, v: int) -> torch.Tensor:
        """The differences of maps of one part at distance v."""
        return sums[part ^ parity.odd_bit(self.axis, len(sums)), ..., 2 * v, :]

    def split(self, maps: torch.Tensor) -> torch.Tensor:
        """Sums and differences: `(parts, images, rows, columns, sums, channels of a part)`."""
        padded = maps
        if self.zeros:
            shape = list(maps.shape)
            shape[self.axis] += 2 * self.zeros
            padded = maps.new_zeros(shape)
            padded.narrow(self.axis, self.zeros, maps.shape[self.axis]).copy_(maps)
        # One product for each part, so that the numbers of a part lie next to each other.
        number = len(self.parts)
        fields = padded.reshape(1, -1, self.parts.shape[1]).expand(number, -1, -1)
        fibres = (fields @ self.parts).view(number, *padded.shape[:3], -1)
        size = padded.shape[self.axis] - 2 * self.reach
        shape = list(fibres.shape)
        shape[1 + self.axis] = size
        sums = maps.new_empty(*shape[:4], 2 * self.reach + 1, shape[4])
        sums[..., 0, :].copy_(self._at(fibres, 0, size))
        for v in range(1, self.reach + 1):
            before, after = self._at(fibres, -v, size), self._at(fibres, v, size)
            torch.add(after, before, out=sums[..., 2 * v - 1, :])
            for part in range(number):
                torch.sub(after[part], before[part], out=self.odd(sums, part, v))
        return sums

    def _at(self, fibres: torch.Tensor, shift: int, size: int) -> torch.Tensor:
        return fibres.narrow(1 + self.axis, self.reach + shift, size)

    def merge(self, sums: torch.Tensor, maps: torch.Tensor) -> None:
        """The transpose of `split`, written into `maps`."""
        number = len(sums)
        fibres = maps.new_zeros(number, *maps.shape[:3], sums.shape[-1])
        self._add(fibres, sums[..., 0, :], 0)
        for v in range(1, self.reach + 1):
            even = sums[..., 2 * v - 1, :]
            self._add(fibres, even, v)
            self._add(fibres, even, -v)
            for part in range(number):
                odd = self.odd(sums, part, v)[None]
                self._add(fibres[part : part + 1], odd, v)
                self._add(fibres[part : part + 1], odd, -v, -1)
        mixed = self.parts.shape[1]
        of_fields = fibres.view(number, -1, mixed // number).transpose(0, 1).reshape(-1, mixed)
        basis = self.parts.transpose(1, 2).reshape(mixed, mixed)
        torch.mm(of_fields, basis, out=maps.view(-1, mixed))

    def _add(self, fibres: torch.Tensor, sums: torch.Tensor, shift: int, sign: int = 1) -> None:
        """Adds sums where their positions, shifted, lie inside the map."""
        axis, start = 1 + self.axis, self.reach + shift - self.zeros
        first = max(0, -start)
        last = min(sums.shape[axis], fibres.shape[axis] - start)
        if last > first:
            kept = sums.narrow(axis, first, last - first)
            fibres.narrow(axis, first + start, last - first).add_(kept, alpha=sign)


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


def _flat(parts: torch.Tensor) -> torch.Tensor:
    """One row for every position."""
    return parts.view(len(parts), math.prod(parts.shape[1:4]), -1)


def _multiplied(parts: torch.Tensor, products: torch.Tensor) -> torch.Tensor:
    sums = parts.shape[-2]
    return torch.bmm(_flat(parts), products).view(*parts.shape[:4], sums, -1)


def _output_shape(inputs: torch.Tensor, kernel: torch.Tensor, zeros: int) -> list[int]:
    lost = 2 * (kernel.shape[0] // 2 - zeros)
    images, rows, columns, _ = inputs.shape
    return [images, rows - lost, columns - lost, kernel.shape[3]]


def _by_pytorch(inputs: torch.Tensor, kernel: torch.Tensor, zeros: int) -> torch.Tensor:
    outputs = functional.conv2d(
        inputs.permute(0, 3, 1, 2), kernel.permute(3, 2, 0, 1), None, 1, zeros
    )
    return outputs.permute(0, 2, 3, 1)
