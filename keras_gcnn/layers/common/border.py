"""Padding of maps with places of their own."""

from __future__ import annotations

from keras import ops

from keras_gcnn.groups import border_widths
from keras_gcnn.layers.common.open_sizes import cut
from keras_gcnn.types import Tensor


def pad_from_map(
    maps: Tensor,
    padding: str,
    extents: tuple[int, int],
    strides: tuple[int, int],
    channel_axis: int,
) -> Tensor:
    """Pads rows and columns as a convolution with `"circular"` or `"reflect"` needs it.

    It consists of slices, since `ops.pad` wraps on JAX only, and a stride on an open size pads by
    numbers that are known when the graph runs.

    Args:
        maps: tensor of four axes, symbolic or not.
        padding: `"circular"` or `"reflect"`.
        extents: rows and columns of the window, dilation included.
        strides: along rows and columns.
        channel_axis: -1 or 1.
    """
    first = 1 if channel_axis == -1 else 2
    for axis, extent, stride in zip((first, first + 1), extents, strides, strict=True):
        size = ops.shape(maps)[axis]
        before, after = border_widths(size, extent, stride)
        parts = [maps]
        if _is_some(before):
            parts.insert(0, _before(maps, axis, padding, size, before))
        if _is_some(after):
            parts.append(_after(maps, axis, padding, size, after))
        if len(parts) > 1:
            maps = ops.concatenate(parts, axis=axis)
    return maps


def _is_some(width: int | Tensor) -> bool:
    """Whether a width is not certainly zero."""
    return not isinstance(width, int) or width > 0


def _before(
    maps: Tensor, axis: int, padding: str, size: int | Tensor | None, width: int | Tensor
) -> Tensor:
    if padding == "reflect":
        return ops.flip(cut(maps, axis, 1, width + 1), axis)
    return cut(maps, axis, _from_end(size, width), None)


def _after(
    maps: Tensor, axis: int, padding: str, size: int | Tensor | None, width: int | Tensor
) -> Tensor:
    if padding == "reflect":
        return ops.flip(cut(maps, axis, _from_end(size, width + 1), _from_end(size, 1)), axis)
    return cut(maps, axis, 0, width)


def _from_end(size: int | Tensor | None, width: int | Tensor) -> int | Tensor:
    """Returns the place so far from the end; the size is not needed if the width is an int."""
    return -width if isinstance(width, int) else size - width
