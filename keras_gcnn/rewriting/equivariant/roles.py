"""How the tensors of a converted network change when the image is rotated."""

from __future__ import annotations

from enum import IntEnum

from keras_gcnn.types import Shape


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


def with_sizes_of(shape: Shape, other: Shape, channel_axis: int) -> tuple[int | None, ...]:
    """Returns the shape of an image, without the batch, with the rows and columns of another."""
    at = 0 if channel_axis == 1 else 2
    return (*other[:at], shape[at], *other[at + 1 :])
