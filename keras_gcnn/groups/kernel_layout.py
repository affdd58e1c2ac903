"""The layout of the base kernel of a group convolution as an ordinary convolution kernel."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from keras_gcnn.groups.group import Group


@lru_cache(maxsize=128)
def expansion_index(group: Group, kernel_size: tuple[int, int], lifting: bool) -> np.ndarray:
    """Returns the row of the base kernel that every entry of the expanded kernel reads.

    The base kernel is a table with one row per input orientation and position, `(h', u', v')`, and
    the expanded kernel `T` of Cohen & Welling 2016 (equations 10 and 11) is

    - lifting, plane to group:  `T[u, v, g]    = base[g^-1 (u, v)]`;
    - group to group:           `T[u, v, h, g] = base[g^-1 h, g^-1 (u, v)]`.

    Args:
        group: `Group`.
        kernel_size: rows and columns of the kernel, even or odd.
        lifting: bool, whether the input is a plane (one orientation) instead of a map on the group.

    Returns:
        int32 array of shape `(rows, columns, |G_in|, |G|)`, read-only, with values below
        `|G_in| * rows * columns`; `|G_in|` is 1 for a lifting convolution.

    Raises:
        ValueError: if the kernel is not square and the group exchanges rows and columns.
    """
    rows, columns = kernel_size
    if group.swaps_axes and rows != columns:
        raise ValueError(
            f"kernel_size={kernel_size} is not square, but {group.name} swaps rows and columns. "
            f"Use a square kernel, e.g. kernel_size={max(kernel_size)}, or a group without "
            "quarter turns."
        )
    positions = np.arange(rows * columns).reshape(rows, columns)
    rotated = np.stack([group.act_on_plane(positions, g) for g in range(group.order)], axis=-1)
    fibre = np.zeros((1, group.order), int) if lifting else group.left_division.T  # [h, g]
    index = fibre * positions.size + rotated[:, :, None, :]
    index = index.astype("int32")
    index.setflags(write=False)
    return index
