"""Convolutions on groups with mirrors, in a quarter of the multiplications.

In the parts of `even_and_odd` a kernel is even or odd along rows and along columns, so that its
values on one side of the centre are those of the other side, or their negatives. With

    p(v, +-)[x] = f[x + v] +- f[x - v]                            along columns of the input, and
    y[x] = z(0)[x] + sum_u z(u, +-)[x - u] +- z(u, +-)[x + u]     along rows of the output,

the convolution is one product of matrices from p to z for each of four combinations of parts, with
k/4 times the channels on either side. The rest are additions of shifted maps. They read and write
far more numbers than they compute, so that only wide maps gain, and images are taken a few at a
time, whose maps a processor's cache holds.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from keras import ops

from keras_gcnn.groups.fields import Fields
from keras_gcnn.groups.group import Group
from keras_gcnn.groups.mirrors import PARTS, even_and_odd
from keras_gcnn.types import Tensor

Channels = tuple[Group | Fields, Group | Fields]
"""What the channels of input and output are."""

ROWS, COLUMNS = 1, 2
"""Axes of a map; the bit of a part that an odd sum along columns changes is 1, along rows 2."""

# Where it pays, measured on two cores: the least rows of a kernel times channels, orientations
# included, and the fewest positions, since the matrices have to be laid out for every call.
_SMALLEST_SIDE = 640
_FEWEST_POSITIONS = 3136
_REFUSED = os.environ.get("KERAS_GCNN_FEWER_PRODUCTS") == "0"
_MIXED = 64  # channels that one product of matrices takes to parts: of fields next to each other
_NUMBERS_AT_A_TIME = 400_000


def pays(
    inputs: Tensor,
    kernel: Tensor,
    strides: tuple[int, int],
    data_format: str,
    dilation_rate: tuple[int, int],
    channels: Channels,
) -> bool:
    """Whether maps and kernel are wide enough, and the channels know both mirrors."""
    if _REFUSED or data_format != "channels_last":
        return False
    if tuple(strides) != (1, 1) or tuple(dilation_rate) != (1, 1):
        return False
    shape = tuple(inputs.shape)
    if not all(isinstance(size, int) for size in shape):  # a symbolic batch, in an export
        return False
    rows, columns, channels_in, channels_out = kernel.shape
    if rows != columns or rows % 2 == 0 or channels_in != shape[3] or min(shape[1:3]) < rows:
        return False
    if rows * min(channels_in, channels_out) < _SMALLEST_SIDE:
        return False
    if math.prod(shape[:3]) < _FEWEST_POSITIONS:
        return False
    return all(even_and_odd(each) is not None for each in channels)


def images_at_a_time(inputs: Tensor) -> int:
    """How many images of a batch to take together."""
    return max(1, _NUMBERS_AT_A_TIME // math.prod(inputs.shape[1:]))


@lru_cache(maxsize=64)
def mixing(of: Group | Fields, number: int) -> np.ndarray:
    """Returns the parts of a few fields next to each other.

    Args:
        of: what the channels are.
        number: int, how many channels the map has.

    Returns:
        Orthonormal array of shape `(4, channels of some fields, channels of their part)`.

    Raises:
        ValueError: if the fields have no such parts.
    """
    parts = even_and_odd(of)
    if parts is None:
        raise ValueError(f"The channels of {of!r} have no even and odd parts of equal size.")
    size = parts.shape[1]
    most = max(1, _MIXED // size)
    together = max(n for n in range(1, most + 1) if number // size % n == 0)
    return np.stack([np.kron(np.eye(together), part) for part in parts])


def sums(kernel_size: int) -> list[tuple[int, int]]:
    """Returns the distance of the two maps of every sum, and 1 for a difference."""
    return [(0, 0), *((v, odd) for v in range(1, kernel_size // 2 + 1) for odd in (0, 1))]


def products(kernel: Tensor, channels: Channels) -> Tensor:
    """Returns the matrices from the parts of the input to those of the output; differentiable.

    Args:
        kernel: of an equivariant convolution, of shape `(k, k, c_in, c_out)`.
        channels: what the channels of input and output are.

    Returns:
        Tensor of shape `(4, k c_in / 4, k c_out / 4)`: for every combination of parts, from all
        sums along columns of the input to all sums along rows of the output.
    """
    reach = kernel.shape[0] // 2
    channels_in, channels_out = kernel.shape[2:]
    parts_in, parts_out = (
        ops.cast(mixing(*each), kernel.dtype)
        for each in zip(channels, (channels_in, channels_out), strict=True)
    )
    # The rest of the kernel has the values of this quarter, or their negatives.
    quarter = kernel[reach:, reach:]
    size = (reach + 1) ** 2
    mixed = ops.reshape(quarter, (size, -1, parts_in.shape[1], channels_out))
    mixed = ops.einsum("sfio,pij->psfjo", mixed, parts_in)
    mixed = ops.reshape(mixed, (PARTS, size * channels_in // PARTS, -1, parts_out.shape[1]))
    mixed = ops.einsum("pnfo,qoj->pqnfj", mixed, parts_out)
    shape = (PARTS, PARTS, reach + 1, reach + 1, channels_in // PARTS, channels_out // PARTS)
    mixed = ops.reshape(mixed, shape)
    matrices = []
    for product in range(PARTS):
        rows = []
        for v, odd in sums(kernel.shape[1]):
            # The transpose in `merge` changes the sign of an odd sum.
            row = [
                (-1) ** other * mixed[product ^ odd, product ^ (2 * other), u, v]
                for u, other in sums(kernel.shape[0])
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
    size, number = kernel.shape[0], kernel.shape[3]
    zeros = size // 2 if padding == "same" else 0
    matrices = products(kernel, channels)

    @recomputed
    def of_images(images: Tensor) -> Tensor:
        parts = split(images, channels[0], size, zeros)
        multiplied = [ops.matmul(part, matrices[i]) for i, part in enumerate(parts)]
        return merge(multiplied, channels[1], size, zeros, number)

    batch = inputs.shape[0]
    together = max(n for n in range(1, images_at_a_time(inputs) + 1) if batch % n == 0)
    if together == batch:
        return of_images(inputs)
    outputs = ops.map(of_images, ops.reshape(inputs, (-1, together, *inputs.shape[1:])))
    return ops.reshape(outputs, (-1, *outputs.shape[2:]))


def split(maps: Tensor, of: Group | Fields, kernel_size: int, zeros: int) -> list[Tensor]:
    """Returns the sums along columns, one map for each product, with `zeros` around the map."""
    parts = [ops.cast(part, maps.dtype) for part in mixing(of, maps.shape[-1])]
    padded = ops.pad(maps, [(0, 0), (0, 0), (zeros, zeros), (0, 0)])
    fields = ops.reshape(padded, (*padded.shape[:3], -1, parts[0].shape[0]))
    of_part = [ops.reshape(ops.matmul(fields, part), (*padded.shape[:3], -1)) for part in parts]
    outputs = []
    for product in range(PARTS):
        terms = []
        for v, odd in sums(kernel_size):
            terms.append(_pair(of_part[product ^ odd], v, odd, kernel_size, COLUMNS))
        outputs.append(ops.concatenate(terms, axis=-1))
    return outputs


def merge(
    multiplied: list[Tensor], of: Group | Fields, kernel_size: int, zeros: int, number: int
) -> Tensor:
    """Returns the map of `number` channels from its sums along rows, the transpose of `split`."""
    parts = [ops.cast(part, multiplied[0].dtype) for part in mixing(of, number)]
    around = [(0, 0), (zeros, zeros), (0, 0), (0, 0)]
    pieces = [ops.split(ops.pad(maps, around), kernel_size, axis=-1) for maps in multiplied]
    total: Any = 0
    for part, basis in enumerate(parts):
        terms: Any = 0
        for i, (v, odd) in enumerate(sums(kernel_size)):
            # From the other side: f[x + v] is added to p[x], so that p[x - v] is added to f[x].
            pair = _pair(pieces[part ^ (2 * odd)][i], v, odd, kernel_size, ROWS)
            terms = terms - pair if odd else terms + pair
        fields = ops.reshape(terms, (*terms.shape[:3], -1, basis.shape[1]))
        total = total + ops.matmul(fields, ops.transpose(basis))
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
