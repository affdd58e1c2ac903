"""How tokens turn that are the positions of a map, row by row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from keras_gcnn.analysis.audit.channel_types import Field
from keras_gcnn.groups import Group


@dataclass(frozen=True)
class TokenField(Field):
    """Tokens of a map: when the image turns they change places, and their channels as in the map.

    Args:
        type: `"tokens"`.
        group: that of the channels.
        channels: what the channels of a token are.
        rows, columns: of the map.
        axis: int, axis of the tokens: 1 in `(batch, tokens, channels)`, and 2 in
            `(batch, channels, tokens)`.
    """

    channels: Field
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
        """What element `g` of `acting`, a subgroup of the field's group, does to the channels."""
        return self.channels.permute(array, acting, g, self._data_format)

    def move(self, array: np.ndarray, acting: Group, g: int, data_format: str) -> np.ndarray:
        """Turns the map, whose positions the batch holds, by element `g` of `acting`."""
        maps = array.reshape(self._map_shape(array.shape))
        return self.channels.move(maps, acting, g, self._data_format).reshape(array.shape)


def token_fields(
    fields: Sequence[Field], shapes: Sequence[tuple[int, ...]], channels: Sequence[Field]
) -> Iterator[TokenField]:
    """The tokens that an operation may make.

    Args:
        fields: of its inputs.
        shapes: of its inputs.
        channels: what the channels of a token may be.
    """
    planes = []
    for field, shape in zip(fields, shapes, strict=True):
        if isinstance(field, TokenField):
            planes.append((field.rows, field.columns))
        elif len(shape) == 4:
            planes += [tuple(shape[1:3]), tuple(shape[2:4])]  # of channels last, and first
    for rows, columns in dict.fromkeys(planes):
        for axis in (1, 2):
            for one in channels:
                yield TokenField("tokens", one.group, one, rows, columns, axis)
