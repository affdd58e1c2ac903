"""The fields of a map, and which of them are shown."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from keras_gcnn.analysis.auditing.channel_types import ChannelType, SteerableType, VectorType
from keras_gcnn.groups.fields import Fields
from keras_gcnn.groups.point_group import Irrep


def channels_by_field(channel_type: ChannelType, channels: int) -> list[np.ndarray]:
    """Returns the indices of the channels of each field; an ordinary channel is its own field.

    Args:
        channel_type: type of the channels.
        channels: int, their number.
    """
    if isinstance(channel_type, SteerableType):
        of_field = channel_type.fields.channel_fields
        return [np.flatnonzero(of_field == field) for field in range(of_field[-1] + 1)]
    size = 1
    if channel_type.name == "regular":
        size = channel_type.group.order
    elif isinstance(channel_type, VectorType):
        size = 2
    return [*np.arange(channels).reshape(-1, size)]


def choose_fields(
    fields: Sequence[np.ndarray], maps: np.ndarray, wanted: int | Sequence[int]
) -> list[int]:
    """Returns the indices of the fields to show.

    Args:
        fields: the channels of each field.
        maps: array whose last axis are all channels.
        wanted: how many to show, those that vary most; or the indices themselves.

    Raises:
        ValueError: if there is no such field.
    """
    if isinstance(wanted, int):
        spread = [float(maps[..., channels].std()) for channels in fields]
        return sorted(np.argsort(spread)[::-1][:wanted].tolist())
    return check_indices("field", wanted, len(fields))


def check_indices(what: str, wanted: Sequence[int], count: int) -> list[int]:
    """Returns the indices.

    Raises:
        ValueError: if one of them is not from 0 to `count - 1`, or there are none.
    """
    unknown = [index for index in wanted if not 0 <= index < count]
    if unknown or not len(wanted):
        given = f"There is no {what} {unknown[0]}" if unknown else f"No {what} is chosen"
        raise ValueError(f"{given}. Choose from 0 to {count - 1}, or leave the argument out.")
    return list(wanted)


def irreps_by_field(fields: Fields) -> list[tuple[Irrep, ...]]:
    """Returns the irreps of each field, in the order of its channels."""
    return [block.irreps for block in fields.blocks for _ in range(block.field_count)]
