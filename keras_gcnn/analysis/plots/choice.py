"""The fields of a map, and which of them are shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from keras_gcnn.analysis.auditing.channel_types import ChannelType, SteerableType, VectorType
from keras_gcnn.arguments import is_integer
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


def most_varied(fields: Sequence[np.ndarray], maps: np.ndarray, count: int) -> list[int]:
    """Returns the indices of the fields that vary most, in their order.

    Args:
        fields: the channels of each field.
        maps: array whose last axis are all channels.
        count: how many to choose.
    """
    spread = [float(maps[..., channels].std()) for channels in fields]
    return sorted(np.argsort(spread)[::-1][:count].tolist())


def check_indices(what: str, wanted: Sequence[int], count: int) -> list[int]:
    """Returns the indices.

    Raises:
        ValueError: if this is no list, one of them is not from 0 to `count - 1`, or there are none.
    """
    allowed = f"Choose from 0 to {count - 1}, or leave the argument out."
    if isinstance(wanted, str) or not isinstance(wanted, Iterable):
        raise ValueError(f"{wanted!r} is no list of indices, such as [0]. {allowed}")
    indices = list(wanted)
    unknown = [index for index in indices if not is_integer(index) or not 0 <= index < count]
    if unknown or not indices:
        given = f"There is no {what} {unknown[0]}" if unknown else f"No {what} is chosen"
        raise ValueError(f"{given}. {allowed}")
    return indices


def irreps_by_field(fields: Fields) -> list[tuple[Irrep, ...]]:
    """Returns the irreps of each field, in the order of its channels."""
    return [block.irreps for block in fields.blocks for _ in range(block.field_count)]
