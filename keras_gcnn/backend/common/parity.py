"""Convolutions of equivariant kernels, in a quarter or half of the multiplications.

In the parts of `keras_gcnn.groups.parity` a kernel of a group with mirrors is even or odd along
rows and along columns: its values on one side of the centre are those of the other side, or their
negatives. With

    p(v, +-)[x] = f[x + v] +- f[x - v]                            along columns of the input, and
    y[x] = z(0)[x] + sum_u z(u, +-)[x - u] +- z(u, +-)[x + u]     along rows of the output,

the convolution is one product of matrices from p to z for each of four combinations of parts, with
k/4 times the channels on either side. On a group with a half turn alone a kernel is even or odd in
both axes together. Its even and odd parts along columns are then even or odd along rows too, and
there are two products with k/2 times the channels on either side.

The rest are additions of shifted maps. They read and write far more numbers than they compute, so
that only wide maps gain, and images are taken a few at a time, whose maps a processor's cache
holds.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from keras import ops

from keras_gcnn.groups.parity import Channels, parts_of
from keras_gcnn.types import Tensor

MIRRORS, HALF_TURN = 4, 2
"""Numbers of parts."""

ROWS, COLUMNS = 1, 2
"""Axes of a map."""

# The matrices have to be laid out for every call, which needs positions enough.
_FEWEST_POSITIONS = 3136
_FEWEST_POINTWISE = 1024  # channels of a kernel of one row, whose other side is not there to save
_REFUSED = os.environ.get("KERAS_GCNN_FEWER_PRODUCTS") == "0"
_MIXED = 64  # channels that one product of matrices takes to parts: of fields next to each other
_NUMBERS_AT_A_TIME = 450_000


def odd_bit(axis: int, parts: int) -> int:
    """Returns the bit of a part that an odd sum along an axis changes."""
    return 2 if parts == MIRRORS and axis == ROWS else 1


def pays(
    inputs: Tensor,
    kernel: Tensor,
    strides: tuple[int, int],
    data_format: str,
    dilation_rate: tuple[int, int],
    channels: Channels,
    smallest: Mapping[int, int],
) -> bool:
    """Whether maps and kernel are wide enough, and the channels know mirrors or a half turn.

    By number of parts, `smallest` has the least rows of a kernel times channels, orientations
    included, from which the backend gains. Without an entry it never does.
    """
    if _REFUSED or data_format != "channels_last":
        return False
    if tuple(strides) != (1, 1) or tuple(dilation_rate) != (1, 1):
        return False
    shape = tuple(inputs.shape)
    if not all(isinstance(size, int) for size in shape):  # a symbolic batch, in an export
        return False
    rows, columns, channels_in, channels_out = kernel.shape
    if rows != columns or rows % 2 == 0:
        return False
    if channels_in != shape[3] or min(shape[1:3]) < rows:
        return False
    side = rows * min(channels_in, channels_out)
    if rows == 1 and side < _FEWEST_POINTWISE:
        return False
    if side < min(smallest.values()) or math.prod(shape[:3]) < _FEWEST_POSITIONS:
        return False
    parts = parts_of(channels)
    return parts is not None and side >= smallest.get(len(parts[0]), math.inf)


def images_at_a_time(inputs: Tensor) -> int:
    """How many images of a batch to take together."""
    return max(1, _NUMBERS_AT_A_TIME // math.prod(inputs.shape[1:]))


def has_parity(kernel: np.ndarray, channels: Channels) -> bool:
    """Whether the parts of a kernel are even or odd, so that `convolve` can compute with them.

    Args:
        kernel: array of shape `(k, k, c_in, c_out)`.
        channels: what the channels of input and output are.
    """
    if parts_of(channels) is None:
        return False
    mixed = ops.convert_to_numpy(_between_parts(ops.convert_to_tensor(kernel), channels))
    parts = len(mixed)
    changed = np.arange(parts)[:, None] ^ np.arange(parts)
    flips = [(1, (3,)), (2, (2,))] if parts == MIRRORS else [(1, (2, 3))]
    for bit, axes in flips:
        signs = np.where(changed & bit, -1, 1).reshape(parts, parts, 1, 1, 1, 1)
        if abs(mixed - signs * np.flip(mixed, axes)).max() > 1e-5 * abs(mixed).max():
            return False
    return True


@lru_cache(maxsize=64)
def mixing(channels: Channels, numbers: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Returns the parts of a few fields next to each other, of the input and of the output.

    Args:
        channels: what the channels are.
        numbers: how many channels the maps have.

    Returns:
        Orthonormal arrays of shape `(parts, channels of some fields, channels of their part)`.

    Raises:
        ValueError: if the fields have no such parts.
    """
    both = parts_of(channels)
    if both is None:
        raise ValueError(f"The channels of {channels!r} have no even and odd parts of equal size.")
    of_input, of_output = (
        _repeated(parts, number) for parts, number in zip(both, numbers, strict=True)
    )
    return of_input, of_output


def filled(channels: Channels, numbers: tuple[int, int]) -> tuple[int, int]:
    """Returns how many channels to take in place of `numbers`, so that parts of many fit together.

    A prime number of fields would have to be mixed one by one. One more field costs less.
    """

    def rounded(number: int, size: int) -> int:
        fields, most = number // size, max(1, _MIXED // size)
        return size * min(-(-fields // n) * n for n in range(-(-min(most, fields) // 2), most + 1))

    both = parts_of(channels) or ()
    of_input, of_output = (
        rounded(number, parts.shape[1]) for parts, number in zip(both, numbers, strict=True)
    )
    return of_input, of_output


def _repeated(parts: np.ndarray, number: int) -> np.ndarray:
    fields = number // parts.shape[1]
    together = max(n for n in range(1, max(1, _MIXED // parts.shape[1]) + 1) if fields % n == 0)
    return np.stack([np.kron(np.eye(together), part) for part in parts])


def _between_parts(kernel: Tensor, channels: Channels) -> Any:
    """From each part to each: `(parts, parts, rows, columns, c_in / parts, c_out / parts)`."""
    rows, columns, channels_in, channels_out = kernel.shape
    of_input, of_output = (
        ops.cast(each, kernel.dtype) for each in mixing(channels, (channels_in, channels_out))
    )
    parts = len(of_input)
    positions = rows * columns
    mixed = ops.reshape(kernel, (positions, -1, of_input.shape[1], channels_out))
    mixed = ops.einsum("sfio,pij->psfjo", mixed, of_input)
    mixed = ops.reshape(mixed, (parts, positions * channels_in // parts, -1, of_output.shape[1]))
    mixed = ops.einsum("pnfo,qoj->pqnfj", mixed, of_output)
    shape = (parts, parts, rows, columns, channels_in // parts, channels_out // parts)
    return ops.reshape(mixed, shape)


def sums(kernel_size: int) -> list[tuple[int, int]]:
    """Returns the distance of the two maps of every sum, and 1 for a difference."""
    return [(0, 0), *((v, odd) for v in range(1, kernel_size // 2 + 1) for odd in (0, 1))]


def products(kernel: Tensor, channels: Channels) -> Tensor:
    """Returns the matrices from the parts of the input to those of the output; differentiable.

    Args:
        kernel: of an equivariant convolution, of shape `(k, k, c_in, c_out)`.
        channels: what the channels of input and output are.

    Returns:
        Tensor of shape `(parts, k c_in / parts, k c_out / parts)`: for every combination of parts,
        from all sums along columns of the input to all sums along rows of the output.
    """
    size, reach = kernel.shape[0], kernel.shape[0] // 2
    parts = len(mixing(channels, tuple(kernel.shape[2:]))[0])
    below = kernel[reach:]
    right = below[:, reach:]  # the rest of the kernel has the values of these, or their negatives
    if parts == MIRRORS:
        by_parity = [_between_parts(right, channels)] * 2
    else:
        left = ops.flip(below[:, : reach + 1], axis=1)
        halves = (right + left) / 2, (right - left) / 2
        by_parity = [_between_parts(each, channels) for each in halves]
    of_columns, of_rows = odd_bit(COLUMNS, parts), odd_bit(ROWS, parts)
    matrices = []
    for product in range(parts):
        rows = []
        for v, odd in sums(size):
            # The transpose in `merge` changes the sign of an odd sum.
            row = [
                (-1) ** other
                * by_parity[odd][product ^ (of_columns * odd), product ^ (of_rows * other), u, v]
                for u, other in sums(size)
            ]
            rows.append(ops.concatenate(row, axis=1))
        matrices.append(ops.concatenate(rows, axis=0))
    return ops.stack(matrices)


def convolve(
    inputs: Tensor,
    kernel: Tensor,
    padding: str,
    channels: Channels,
    recomputed: Callable[[Callable], Callable],
) -> Tensor:
    """Convolution of channels-last maps with an equivariant kernel, by operations of Keras.

    Args:
        inputs: the maps.
        kernel: of shape `(k, k, c_in, c_out)`.
        padding: `"same"` or `"valid"`.
        channels: what the channels of input and output are.
        recomputed: what is done to the function of a few images, such as `jax.checkpoint`.
    """
    size, (channels_in, channels_out) = kernel.shape[0], kernel.shape[2:]
    zeros = size // 2 if padding == "same" else 0
    numbers = filled(channels, (channels_in, channels_out))
    more = numbers[0] - channels_in, numbers[1] - channels_out
    matrices = products(ops.pad(kernel, [(0, 0), (0, 0), (0, more[0]), (0, more[1])]), channels)
    of_input, of_output = (ops.cast(each, inputs.dtype) for each in mixing(channels, numbers))

    @recomputed
    def of_images(images: Tensor) -> Tensor:
        padded = ops.pad(images, [(0, 0), (0, 0), (zeros, zeros), (0, more[0])])
        parts = split(padded, of_input, size)
        multiplied = [ops.matmul(part, matrices[i]) for i, part in enumerate(parts)]
        return merge(multiplied, of_output, size, zeros)[..., :channels_out]

    batch = inputs.shape[0]
    together = max(n for n in range(1, images_at_a_time(inputs) + 1) if batch % n == 0)
    if together == batch:
        return of_images(inputs)
    outputs = ops.map(of_images, ops.reshape(inputs, (-1, together, *inputs.shape[1:])))
    return ops.reshape(outputs, (-1, *outputs.shape[2:]))


def split(padded: Tensor, parts: Tensor, kernel_size: int) -> list[Tensor]:
    """Returns the sums along columns, one map for each product.

    Args:
        padded: the maps, of channels last, with the zeros around them.
        parts: `mixing` of their channels.
        kernel_size: rows and columns of the kernel.
    """
    fields = ops.reshape(padded, (*padded.shape[:3], -1, parts.shape[1]))
    number, bit = len(parts), odd_bit(COLUMNS, len(parts))
    of_part = [
        ops.reshape(ops.matmul(fields, parts[i]), (*padded.shape[:3], -1)) for i in range(number)
    ]
    outputs = []
    for product in range(number):
        terms = [
            _pair(of_part[product ^ (bit * odd)], v, odd, kernel_size, COLUMNS)
            for v, odd in sums(kernel_size)
        ]
        outputs.append(ops.concatenate(terms, axis=-1))
    return outputs


def merge(multiplied: list[Tensor], parts: Tensor, kernel_size: int, zeros: int) -> Tensor:
    """Returns the map from its sums along rows, the transpose of `split`."""
    bit = odd_bit(ROWS, len(parts))
    around = [(0, 0), (zeros, zeros), (0, 0), (0, 0)]
    pieces = [ops.split(ops.pad(maps, around), kernel_size, axis=-1) for maps in multiplied]
    total: Any = 0
    for part in range(len(parts)):
        terms: Any = 0
        for i, (v, odd) in enumerate(sums(kernel_size)):
            # From the other side: f[x + v] is added to p[x], so that p[x - v] is added to f[x].
            pair = _pair(pieces[part ^ (bit * odd)][i], v, odd, kernel_size, ROWS)
            terms = terms - pair if odd else terms + pair
        fields = ops.reshape(terms, (*terms.shape[:3], -1, parts.shape[2]))
        total = total + ops.matmul(fields, ops.transpose(parts[part]))
    return ops.reshape(total, (*total.shape[:3], -1))


def _pair(maps: Tensor, v: int, odd: int, kernel_size: int, axis: int) -> Tensor:
    """`f[x + v]` plus or, if odd, minus `f[x - v]`, where the whole kernel lies on the map."""
    reach = kernel_size // 2
    size = maps.shape[axis] - 2 * reach

    def at(start: int) -> Tensor:
        kept = [slice(None)] * 4
        kept[axis] = slice(reach + start, reach + start + size)
        return maps[tuple(kept)]

    if v == 0:
        return at(0)
    return at(v) - at(-v) if odd else at(v) + at(-v)
