"""What the U-Nets share: levels with skip connections, and borders that let sizes halve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol, TypeVar

import keras

from keras_gcnn.arguments import as_count
from keras_gcnn.layers.common.multiple_sizes import MultipleSizes
from keras_gcnn.zoo.graph_builder import Maps
from keras_gcnn.zoo.steerable_graph_builder import FieldMaps

# Photographs, to a mean near zero and a spread near one.
SCALE, OFFSET = 4.0, -2.0
_DEEPEST = 10  # sizes of at least a thousand pixels; a file can contain any depth

M = TypeVar("M", Maps, FieldMaps)
Border = tuple[tuple[int, int], tuple[int, int]]


class Levels(Protocol[M]):
    """Adds the layers of a U-Net to a network."""

    data_format: str

    def convolve(self, x: M, level: int, stage: int) -> M:
        """Adds the convolutions of a stage, on a level from 0."""

    def halve(self, x: M, name: str) -> M:
        """Halves the maps, whose sizes are even."""

    def double(self, x: M, level: int, stage: int) -> M:
        """Doubles the maps, from the level below to this one."""

    def match(self, skip: M, x: M, stage: int) -> M:
        """Returns the maps of a skip connection as maps of the same type as others."""


def check_depth(depth: int) -> int:
    """Returns how often the maps are halved, or raises a `ValueError`."""
    count = as_count(depth)
    if count is None or count > _DEEPEST:
        raise ValueError(
            f"depth={depth!r} has to be an integer from 1 to {_DEEPEST}, how often the maps are "
            "halved."
        )
    return count


def add_levels(x: M, depth: int, levels: Levels[M]) -> M:
    """Adds all stages of a U-Net.

    Stages 1 to `depth` lie on the way down, stage `depth + 1` at the bottom, and the others on the
    way up, each of which begins with the maps of the level below and a skip connection.
    """
    skips = []
    for level in range(depth):
        x = levels.convolve(x, level, level + 1)
        skips.append(x)
        x = levels.halve(x, f"stage{level + 1}_pool")
    x = levels.convolve(x, depth, depth + 1)
    for stage, level in enumerate(reversed(range(depth)), start=depth + 2):
        x = levels.double(x, level, stage)
        x = _concatenate(x, levels.match(skips[level], x, stage), stage, levels.data_format)
        x = levels.convolve(x, level, stage)
    return x


def _concatenate(x: M, skip: M, stage: int, data_format: str) -> M:
    tensor = x.tensor
    if tensor is not None:
        axis = 1 if data_format == "channels_first" else -1
        tensor = keras.layers.Concatenate(axis, name=f"stage{stage}_concat")([tensor, skip.tensor])
    return replace(x, fields=x.fields + skip.fields, tensor=tensor)


def add_border(
    x: M, depth: int, reverses: Sequence[bool], symmetry: str, data_format: str
) -> tuple[M, Border]:
    """Pads an image with zeros, so that rows and columns halve `depth` times.

    Where rows or columns are open nothing is padded, and the network checks every image.

    Args:
        x: the image.
        depth: how often it is halved.
        reverses: for rows and for columns, whether some element reverses the axis, so that both
            sides need equally much.
        symmetry: what the elements belong to, in words.
        data_format: `"channels_last"` or `"channels_first"`.

    Returns:
        The padded image, and what `crop` has to take off again.

    Raises:
        ValueError: if an axis that some element reverses needs an odd number.
    """
    multiple = 2**depth
    if x.tensor is not None and None in x.tensor.shape[1:]:
        check = MultipleSizes(multiple, data_format=data_format, name="sizes")
        return replace(x, tensor=check(x.tensor)), ((0, 0), (0, 0))
    border = _find_border(x.sizes, multiple, reverses, symmetry)
    return _change_border(x, border, keras.layers.ZeroPadding2D, 1, "pad", data_format), border


def crop(x: M, border: Border, data_format: str) -> M:
    """Takes the border off again."""
    return _change_border(x, border, keras.layers.Cropping2D, -1, "crop", data_format)


def _find_border(
    sizes: tuple[int, int], multiple: int, reverses: Sequence[bool], symmetry: str
) -> Border:
    """Returns what to pad before and after rows and columns; see `add_border`."""
    added = [-size % multiple for size in sizes]
    near = {
        name: f"{size + 1} or {size - 1}"
        for name, size, total, both in zip(("rows", "columns"), sizes, added, reverses, strict=True)
        if both and total % 2
    }
    if near:
        fix = " and ".join(f"{numbers} {name}" for name, numbers in near.items())
        if len(near) == 2 and sizes[0] == sizes[1]:
            fix = f"{near['rows']} rows and columns"
        raise ValueError(
            f"This network pads images to multiples of {multiple} rows and columns, exactly under "
            f"{symmetry} only if both sides get equally much. For {sizes[0]} rows and {sizes[1]} "
            f"columns they cannot. Use {fix}."
        )
    rows, columns = ((total // 2, total - total // 2) for total in added)
    return rows, columns


def _change_border(x: M, border: Border, layer: Any, sign: int, name: str, data_format: str) -> M:
    if not any(map(any, border)):
        return x
    tensor = x.tensor
    if tensor is not None:
        tensor = layer(border, data_format=data_format, name=name)(tensor)
    rows, columns = (size + sign * sum(pair) for size, pair in zip(x.sizes, border, strict=True))
    return replace(x, sizes=(rows, columns), tensor=tensor)
