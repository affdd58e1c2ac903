"""Even and odd parts of a field under the mirrors of rows and of columns."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from keras_gcnn.groups.fields import Fields
from keras_gcnn.groups.group import Group
from keras_gcnn.groups.point_group import element_of

PARTS = 4


@lru_cache(maxsize=64)
def even_and_odd(of: Group | Fields) -> np.ndarray | None:
    """Returns the combinations of a field's channels that mirrors keep or change in sign.

    A mirror of columns multiplies the channels of part b by -1 if bit 1 of b is set, and a mirror
    of rows if bit 2 is set; besides, it mirrors the map. From one part to another, the kernel of an
    equivariant convolution is therefore even or odd along each axis.

    Args:
        of: what the channels of a map are, a group or fields.

    Returns:
        Orthonormal array of shape `(4, size, size / 4)`: part, channel of a field, channel of the
        part. None if the map does not know both mirrors, if its fields differ, or if the parts do.
    """
    columns, rows = (_representation(of, np.diag(signs)) for signs in ((1, -1), (-1, 1)))
    if columns is None or rows is None:
        return None
    size = len(rows)
    parts = []
    for part in range(PARTS):
        of_columns = np.eye(size) + (-1) ** (part & 1) * columns
        of_rows = np.eye(size) + (-1) ** (part >> 1) * rows
        # Of a matrix with one number in every row and column the columns are equal, up to the
        # sign, or orthogonal.
        found: list[np.ndarray] = []
        for column in (of_columns @ of_rows).T:
            if any(column) and not any(column @ other for other in found):
                found.append(column / np.linalg.norm(column))
        if PARTS * len(found) != size:
            return None
        parts.append(np.stack(found, axis=1))
    return np.stack(parts)


def _representation(of: Group | Fields, matrix: np.ndarray) -> np.ndarray | None:
    """Returns how an element of the pixel grid acts on a field; None if it has no such element."""
    if isinstance(of, Group):
        group, size = of, of.order
    else:
        group, size = of.group.pixel_group, of.blocks[0].size
        if len(of.blocks) > 1:
            return None
    if not any(np.array_equal(matrix, element) for element in group.matrices):
        return None
    if isinstance(of, Group):
        return np.stack([of.act_on_fibre(row, of.index_of(matrix)) for row in np.eye(size)], 1)
    mirrored, angle = element_of(matrix)
    return np.rint(of.representation(angle, mirrored)[:size, :size])
