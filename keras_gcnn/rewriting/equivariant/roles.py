"""How the tensors of a converted network change when the image is rotated."""

from __future__ import annotations

from enum import IntEnum


class Role(IntEnum):
    """What a tensor does when the image is rotated or mirrored; a merge takes the largest."""

    INVARIANT = 0
    """It stays as it is: a vector after pooling over orientations, or a second input."""

    IMAGE = 1
    """Its positions move and its channels stay: the image, or a map without orientations."""

    ON_GROUP = 2
    """Its orientations change places, and so do its positions if it has any."""


def has_positions(shape: tuple[int | None, ...], channel_axis: int) -> bool:
    """Whether a tensor of this shape, batch included, is a map of more than one position."""
    if len(shape) != 4:
        return False
    positions = [size for at, size in enumerate(shape) if at not in (0, channel_axis % 4)]
    return positions != [1, 1]
