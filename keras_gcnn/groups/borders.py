"""How far a window reaches over the borders of a map, and what it reads there.

`"valid"` reaches nowhere over a border. The other paddings add as much as TensorFlow's `"same"`:
zeros, or, with `"circular"` and `"reflect"`, places of the map itself. A circular map goes on at
its other end; a reflected one turns back at the middle of its last place, which is not repeated.
"""

from __future__ import annotations

from typing import Any

import numpy as np

PADDINGS = ("valid", "same", "circular", "reflect")
FROM_MAP = ("circular", "reflect")  # those that read the map itself


def border_widths(size: Any, extent: int, stride: int) -> tuple[Any, Any]:
    """Returns how much all paddings but `"valid"` add before and after an axis of a map.

    The windows visit `ceil(size / stride)` places. The sum is what the last visit needs, and the
    end gets one more than the start if it is odd. With stride 1 it is `extent - 1` at every size.

    Args:
        size: rows or columns of the map: an int, or a symbol or tensor of the backend in use.
        extent: length of the window, dilation included.
        stride: along this axis.

    Example:

    >>> from keras_gcnn import groups
    >>> groups.border_widths(28, extent=3, stride=1), groups.border_widths(28, extent=3, stride=2)
    ((1, 1), (0, 1))
    """
    needed = extent - 1
    if stride > 1:
        needed = (size - 1) // stride * stride + extent - size
        needed = (needed + abs(needed)) // 2  # at least 0, also of a symbol or tensor
    return needed // 2, needed - needed // 2


def smallest_size(extent: int, padding: str) -> int:
    """Returns the smallest size of an axis on which a window fits.

    A map has to hold what its borders read: at most half of the window, and with `"reflect"` one
    place more, since the last place is not repeated. With a stride a few smaller sizes might do.

    Args:
        extent: length of the window, dilation included.
        padding: one of `PADDINGS`.
    """
    smallest = {"valid": extent, "same": 1, "circular": extent // 2, "reflect": extent // 2 + 1}
    return max(smallest[padding], 1)


def places_read(places: np.ndarray, size: int, padding: str) -> np.ndarray:
    """Returns the places of the map that a window reads, from places that may lie beyond it.

    Args:
        places: integers; those from 0 to below `size` lie on the map.
        size: of the axis.
        padding: one of `PADDINGS`.

    Returns:
        Integers of the same shape, -1 for zeros.
    """
    if padding == "circular":
        return places % size
    if padding == "reflect":
        last = size - 1
        return last - np.abs(places % max(2 * last, 1) - last)
    return np.where((places >= 0) & (places < size), places, -1)
