"""Even and odd parts of fields, between which a kernel is even or odd itself."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from keras_gcnn.groups.fields import Fields
from keras_gcnn.groups.group import Group
from keras_gcnn.groups.point_group import element_of

Channels = tuple[Group | Fields, Group | Fields]
"""What the channels of input and output are."""

# The elements that tell parts apart: each doubles the number of parts.
_MIRRORS = (np.diag([1, -1]), np.diag([-1, 1]))  # of columns, of rows
_HALF_TURN = (np.diag([-1, -1]),)


def parts_of(channels: Channels) -> tuple[np.ndarray, np.ndarray] | None:
    """Returns the parts of the fields of input and output.

    Args:
        channels: what the channels of input and output are.

    Returns:
        `even_and_odd` of both under the mirrors of columns and rows; if one of them does not know
        both, under the half turn; None if one does not know that either.
    """
    for elements in (_MIRRORS, _HALF_TURN):
        of_input, of_output = (even_and_odd(each, len(elements)) for each in channels)
        if of_input is not None and of_output is not None:
            return of_input, of_output
    return None


@lru_cache(maxsize=128)
def even_and_odd(of: Group | Fields, elements: int) -> np.ndarray | None:
    """Returns the combinations of a field's channels that mirrors, or a half turn, keep or negate.

    A mirror of columns multiplies the channels of part b by -1 if bit 1 of b is set, and a mirror
    of rows if bit 2 is set; besides, it mirrors the map. From one part to another, the kernel of an
    equivariant convolution is therefore even or odd along each axis. A half turn multiplies part 1
    by -1, and a kernel is even or odd in both axes together.

    Args:
        of: what the channels of a map are, a group or fields.
        elements: 2 for the mirrors of columns and rows, 1 for the half turn.

    Returns:
        Orthonormal array of shape `(parts, size, size / parts)`: part, channel of a field, channel
        of the part. There are 4 parts under the mirrors and 2 under the half turn. None if the map
        does not know the elements, if its fields differ, or if the sizes of the parts do.
    """
    actions = []
    for element in _HALF_TURN if elements == 1 else _MIRRORS:
        action = _representation(of, element)
        if action is None:
            return None
        actions.append(action)
    size, number = len(actions[0]), 2**elements
    parts = []
    for part in range(number):
        kept = np.eye(size)
        for bit, action in enumerate(actions):
            kept = kept @ (np.eye(size) + (-1) ** (part >> bit & 1) * action)
        # Of a matrix with one number in every row and column the columns are equal, up to the
        # sign, or orthogonal.
        directions: list[np.ndarray] = []
        for column in kept.T:
            if any(column) and not any(column @ other for other in directions):
                directions.append(column / np.linalg.norm(column))
        if number * len(directions) != size:
            return None
        parts.append(np.stack(directions, axis=1))
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
