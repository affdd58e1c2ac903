"""What the channels of a map are: orientations of a group, fields, or ordinary channels."""

from __future__ import annotations

from dataclasses import dataclass

from keras_gcnn.groups import Group
from keras_gcnn.groups.fields import Fields

Channels = Group | Fields
Problem = tuple[str, str]
"""What breaks the equivariance, a clause, and how to fix it, an imperative clause."""


@dataclass(frozen=True)
class MapType:
    """The type of a map.

    Args:
        channels: the `Group` whose orientations the channels hold, or the `Fields` that they form.
            On a group of one element, and in fields of frequency 0 only, channels are ordinary.
        symmetry: the group by which the image is transformed; for fields, the quarter turns.
    """

    channels: Channels
    symmetry: Group

    @property
    def ordinary(self) -> bool:
        """Whether the channels keep their values when the image is rotated."""
        return is_ordinary(self.channels)

    @property
    def steerable(self) -> bool:
        """Whether the channels form fields."""
        return isinstance(self.channels, Fields)

    def __str__(self) -> str:
        return describe(self.channels)


def is_ordinary(channels: Channels) -> bool:
    """Whether these are ordinary channels, which keep their values when the image is rotated."""
    if isinstance(channels, Fields):
        return channels.is_trivial
    return channels.order == 1


def describe(channels: Channels | None) -> str:
    """Describes a map with these channels in words; None stands for unknown channels."""
    if channels is None:
        return "a map of unknown channels"
    if is_ordinary(channels):
        return "a map of ordinary channels"
    if isinstance(channels, Fields):
        return f"a map of {channels!r}"
    return f"a map on {channels.name}"
