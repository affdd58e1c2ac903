"""How tokens that are the positions of a map, row by row, rotate with the image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from keras_gcnn.analysis.auditing.channel_types import ChannelType
from keras_gcnn.groups import Group


@dataclass(frozen=True)
class TokenType(ChannelType):
    """Tokens of a map: when the image rotates they change places, and their channels change too.

    Args:
        name: `"tokens"`.
        group: group of the channels.
        channels: type of the channels of a token.
        rows, columns: size of the map.
        axis: int, axis of the tokens: 1 in `(batch, tokens, channels)`, and 2 in
            `(batch, channels, tokens)`.
    """

    channels: ChannelType
    rows: int
    columns: int
    axis: int

    def __str__(self) -> str:
        return f"{self.rows} x {self.columns} tokens, {self.channels}"

    @property
    def _data_format(self) -> str:
        return "channels_last" if self.axis == 1 else "channels_first"

    def _map_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        plane = (self.rows, self.columns)
        return (*shape[: self.axis], *plane, *shape[self.axis + 1 :])

    def fits(self, shape: tuple[int, ...], data_format: str) -> bool:
        """Whether an array of this shape, batch included, can hold such tokens."""
        return (
            len(shape) == 3
            and shape[self.axis] == self.rows * self.columns
            and self.channels.fits(self._map_shape(shape), self._data_format)
        )

    def permute(self, array: np.ndarray, acting: Group, g: int, data_format: str) -> np.ndarray:
        """Applies element `g` of `acting`, a subgroup of the type's group, to the channels."""
        return self.channels.permute(array, acting, g, self._data_format)

    def move(self, array: np.ndarray, acting: Group, g: int, data_format: str) -> np.ndarray:
        """Applies element `g` of `acting` to the maps whose positions are the tokens."""
        maps = array.reshape(self._map_shape(array.shape))
        return self.channels.move(maps, acting, g, self._data_format).reshape(array.shape)


def token_types(
    input_types: Sequence[ChannelType],
    shapes: Sequence[tuple[int, ...]],
    channels: Sequence[ChannelType],
) -> Iterator[TokenType]:
    """Yields the types of tokens that an operation may return.

    Args:
        input_types: types of its inputs.
        shapes: shapes of its inputs.
        channels: types that the channels of a token may have.
    """
    sizes = []
    for input_type, shape in zip(input_types, shapes, strict=True):
        if isinstance(input_type, TokenType):
            sizes.append((input_type.rows, input_type.columns))
        elif len(shape) == 4:
            # Rows and columns with channels last, and with channels first.
            sizes += [(shape[1], shape[2]), (shape[2], shape[3])]
    for rows, columns in dict.fromkeys(sizes):
        for axis in (1, 2):
            for channel_type in channels:
                yield TokenType("tokens", channel_type.group, channel_type, rows, columns, axis)
