"""Convolution on a group with mirrors in a quarter of the multiplications.

In the parts of `even_and_odd` a kernel is even or odd along rows and along columns, so that its
values on one side of the centre are those of the other side, or their negatives. With

    p(v, +-)[x] = f[x + v] +- f[x - v]                 along columns of the input, and
    y[x] = z(0)[x] + sum_u z(u, +-)[x - u] +- z(u, +-)[x + u]     along rows of the output,

the convolution is one product of matrices from p to z for each of four combinations of parts, with
k/4 times the channels on either side. The rest are additions of shifted maps. They read and write
far more numbers than they compute, so that only wide maps gain, and the images are taken a few at a
time, whose maps the processor's cache holds. The steps along rows are the transpose of those along
columns; the gradients consist of the same steps.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch.nn import functional

from keras_gcnn.backend.torch.modes import is_traced, is_transformed
from keras_gcnn.groups.fields import Fields
from keras_gcnn.groups.group import Group
from keras_gcnn.groups.mirrors import PARTS, even_and_odd

Channels = tuple[Group | Fields, Group | Fields]  # of the input and of the output

# Where it pays, measured on two cores.
_SMALLEST_SIDE = 640  # rows of the kernel times channels, orientations included
_FEWEST_POSITIONS = 3136  # of all images together; with fewer, laying out the matrices costs more
_MIXED = 64  # channels that one product of matrices takes to parts: of fields next to each other
_NUMBERS_AT_A_TIME = 400_000
_REFUSED = os.environ.get("KERAS_GCNN_FEWER_PRODUCTS") == "0"


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
    if data_format != "channels_last" or tuple(strides) != (1, 1) or tuple(dilation_rate) != (1, 1):
        return False
    rows, columns, channels_in, channels_out = kernel.shape
    if rows != columns or rows % 2 == 0 or channels_in != inputs.shape[-1]:
        return False
    if min(inputs.shape[1:3]) < rows:
        return False
    if rows * min(channels_in, channels_out) < _SMALLEST_SIDE:
        return False
    if math.prod(inputs.shape[:3]) < _FEWEST_POSITIONS:
        return False
    if inputs.device.type != "cpu" or inputs.dtype != kernel.dtype:
        return False
    if _REFUSED or kernel.dtype not in (torch.float32, torch.float64):
        return False
    if any(even_and_odd(each) is None for each in channels):
        return False
    return not (is_traced() or is_transformed())


def convolve(
    inputs: torch.Tensor, kernel: torch.Tensor, padding: str, channels: Channels
) -> torch.Tensor:
    """Convolution of channels-last maps with an equivariant kernel.

    Args:
        inputs: the maps.
        kernel: of shape `(k, k, c_in, c_out)`, with an odd k.
        padding: `"same"` or `"valid"`.
        channels: what the channels of input and output are.
    """
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
        products = _products(kernel, columns.basis, rows.basis)
        outputs = inputs.new_empty(_output_shape(inputs, kernel, zeros))
        for images, results in _in_tiles(inputs, outputs):
            rows.merge(_multiplied(columns.split(images), products), results)
        return outputs

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple:
        inputs, kernel = ctx.saved_tensors
        if torch.is_grad_enabled():  # this gradient is to be differentiated itself
            outputs = _by_pytorch(inputs, kernel, ctx.zeros)
            found = torch.autograd.grad(outputs, (inputs, kernel), gradient, create_graph=True)
            return *found, None, None
        columns, rows = _axes(kernel, ctx.zeros, ctx.channels)
        with torch.enable_grad():
            weights = kernel.detach().requires_grad_()
            products = _products(weights, columns.basis, rows.basis)
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
        axis: of the maps, 1 or 2.
        bit: the bit of a part that an odd sum along this axis changes.
        reach: of the kernel to either side of its centre.
        zeros: around the map on either side.
        basis: `_mixing`, from the channels of some fields to their parts.
    """

    axis: int
    bit: int
    reach: int
    zeros: int
    basis: torch.Tensor

    def split(self, maps: torch.Tensor) -> torch.Tensor:
        """Sums and differences: `(4, images, rows, columns, sums, channels of a part)`."""
        padded = maps
        if self.zeros:
            shape = list(maps.shape)
            shape[self.axis] += 2 * self.zeros
            padded = maps.new_zeros(shape)
            padded.narrow(self.axis, self.zeros, maps.shape[self.axis]).copy_(maps)
        # One product for each part, so that the numbers of a part lie next to each other.
        fibres = padded.reshape(1, -1, len(self.basis)).expand(4, -1, -1) @ self.basis_of_parts
        fibres = fibres.view(4, *padded.shape[:3], -1)
        size = padded.shape[self.axis] - 2 * self.reach
        shape = list(fibres.shape)
        shape[1 + self.axis] = size
        parts = maps.new_empty(*shape[:4], 2 * self.reach + 1, shape[4])
        parts[..., 0, :].copy_(self._at(fibres, 0, size))
        for v in range(1, self.reach + 1):
            before, after = self._at(fibres, -v, size), self._at(fibres, v, size)
            torch.add(after, before, out=parts[..., 2 * v - 1, :])
            for part in range(4):
                torch.sub(after[part], before[part], out=parts[part ^ self.bit, ..., 2 * v, :])
        return parts

    @property
    def basis_of_parts(self) -> torch.Tensor:
        """The basis of each part: `(4, channels, channels of the part)`."""
        return self.basis.view(len(self.basis), 4, -1).transpose(0, 1)

    def _at(self, fibres: torch.Tensor, shift: int, size: int) -> torch.Tensor:
        return fibres.narrow(1 + self.axis, self.reach + shift, size)

    def merge(self, parts: torch.Tensor, maps: torch.Tensor) -> None:
        """The transpose of `split`, written into `maps`."""
        fibres = maps.new_zeros(4, *maps.shape[:3], parts.shape[-1])
        self._add(fibres, parts[..., 0, :], 0)
        for v in range(1, self.reach + 1):
            even = parts[..., 2 * v - 1, :]
            self._add(fibres, even, v)
            self._add(fibres, even, -v)
            for part in range(4):
                odd = parts[part ^ self.bit, ..., 2 * v, :]
                self._add(fibres[part : part + 1], odd[None], v)
                self._add(fibres[part : part + 1], odd[None], -v, -1)
        mixed = len(self.basis)
        fields = fibres.view(4, -1, mixed // 4).transpose(0, 1).reshape(-1, mixed)
        torch.mm(fields, self.basis.T, out=maps.view(-1, mixed))

    def _add(self, fibres: torch.Tensor, part: torch.Tensor, shift: int, sign: int = 1) -> None:
        """Adds a part where its positions, shifted, lie inside the map."""
        axis, start = 1 + self.axis, self.reach + shift - self.zeros
        first = max(0, -start)
        last = min(part.shape[axis], fibres.shape[axis] - start)
        if last > first:
            kept = part.narrow(axis, first, last - first)
            fibres.narrow(axis, first + start, last - first).add_(kept, alpha=sign)


@lru_cache(maxsize=64)
def _mixing(of: Group | Fields, number: int, dtype: torch.dtype) -> torch.Tensor:
    """Matrix from the channels of a few fields, next to each other, to their four parts."""
    parts = even_and_odd(of)
    if parts is None:
        raise ValueError(f"The channels of {of!r} have no even and odd parts of equal size.")
    size = parts.shape[1]
    most = max(1, _MIXED // size)
    together = max(n for n in range(1, most + 1) if number // size % n == 0)
    mixing = torch.zeros(together, size, PARTS, size // PARTS, together, dtype=dtype)
    for field in range(together):
        mixing[field, :, :, :, field] = torch.tensor(parts).permute(1, 0, 2)
    return mixing.view(together * size, -1)


def _axes(kernel: torch.Tensor, zeros: int, channels: Channels) -> tuple[_Axis, _Axis]:
    """Columns, along which the input is split, and rows, along which the output is merged."""
    basis_in, basis_out = (
        _mixing(of, number, kernel.dtype)
        for of, number in zip(channels, kernel.shape[2:], strict=True)
    )
    reach = kernel.shape[0] // 2
    return _Axis(2, 1, reach, zeros, basis_in), _Axis(1, 2, reach, 2 * reach - zeros, basis_out)


def _products(
    kernel: torch.Tensor, basis_in: torch.Tensor, basis_out: torch.Tensor
) -> torch.Tensor:
    """The matrices from the parts of the input to those of the output, one per combination."""
    reach = kernel.shape[0] // 2
    quarter = kernel[reach:, reach:]  # the rest has the same values or their negatives
    rows, columns, channels_in, channels_out = quarter.shape
    mixed_in, mixed_out = len(basis_in), len(basis_out)
    quarter = quarter.reshape(rows, columns, -1, mixed_in, channels_out).transpose(3, 4)
    quarter = (quarter @ basis_in).reshape(rows, columns, -1, channels_out, 4, mixed_in // 4)
    quarter = quarter.permute(0, 1, 2, 4, 5, 3).unflatten(-1, (-1, mixed_out)) @ basis_out
    quarter = quarter.unflatten(-1, (4, mixed_out // 4))
    # From: rows, columns, group in, part in, channel in, group out, part out, channel out.
    quarter = quarter.permute(3, 6, 0, 1, 2, 4, 5, 7)
    quarter = quarter.reshape(4, 4, rows, columns, channels_in // 4, channels_out // 4)
    sums = [(0, 0), *((v, odd) for v in range(1, reach + 1) for odd in (0, 1))]
    return torch.stack(
        [
            torch.cat(
                [
                    torch.cat(
                        [
                            # The transpose in `merge` changes the sign of an odd sum.
                            (-1) ** other * quarter[product ^ odd, product ^ 2 * other, u, v]
                            for u, other in sums
                        ],
                        dim=1,
                    )
                    for v, odd in sums
                ]
            )
            for product in range(4)
        ]
    )


def _in_tiles(*batches: torch.Tensor) -> Iterator[tuple[torch.Tensor, ...]]:
    """Corresponding images of the batches, a few at a time."""
    images = max(1, _NUMBERS_AT_A_TIME // math.prod(batches[0].shape[1:]))
    return zip(*(batch.split(images) for batch in batches), strict=True)


def _flat(parts: torch.Tensor) -> torch.Tensor:
    """One row for every position."""
    return parts.view(4, math.prod(parts.shape[1:4]), -1)


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
