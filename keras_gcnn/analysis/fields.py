"""How arrays turn with the image, by the type of their channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from keras_gcnn.groups import Group

TYPES = ("trivial", "regular")


def _channel_axis(data_format: str) -> int:
    return -1 if data_format == "channels_last" else 1


@dataclass(frozen=True)
class Field:
    """What the channels of an array are.

    Args:
        type: `"trivial"` (a channel is a picture, or an invariant number: its value moves but does
            not change) or `"regular"` (channels `c * |G| + g` are orientations, which permute).
        group: the group whose orientations a regular field carries.
    """

    type: str
    group: Group

    def __str__(self) -> str:
        return f"{self.type} ({self.group.name})" if self.type == "regular" else self.type

    def fits(self, shape: tuple[int, ...], data_format: str) -> bool:
        """Whether an array of this shape, batch included, can hold such channels."""
        channels = shape[_channel_axis(data_format)]
        return self.type == "trivial" or channels % self.group.order == 0

    def move(self, array: np.ndarray, acting: Group, g: int, data_format: str) -> np.ndarray:
        """Turns a batch by element `g` of `acting`, a subgroup of the field's group.

        Args:
            array: of shape `(batch, rows, columns, channels)`, channels first if so said, or
                `(batch, channels)`; other ranks have no positions that could turn.
            acting: the group to which `g` belongs.
            g: int, index of the element.
            data_format: `"channels_last"` or `"channels_first"`.

        Returns:
            The moved array; rows and columns may be exchanged.
        """
        if array.ndim == 4:
            rows = 1 if data_format == "channels_last" else 2
            array = acting.act_on_plane(array, g, (rows, rows + 1))
        if self.type == "regular":
            element = self.group.embed(acting)[g]
            array = self.group.act_on_fibre(array, element, _channel_axis(data_format))
        return np.ascontiguousarray(array)


def relative_error(found: np.ndarray, expected: np.ndarray, scale: float) -> float:
    """Largest difference over `scale`; infinite if the shapes differ."""
    if found.shape != expected.shape:
        return float("inf")
    return float(np.max(np.abs(found.astype("float64") - expected))) / max(scale, 1e-30)


def move_each(
    field: Field, batch: np.ndarray, acting: Group, elements: Sequence[int], data_format: str
) -> np.ndarray:
    """Turns every image of a batch by its own element.

    Raises:
        ValueError: if the turned images have different shapes.
    """
    return np.concatenate(
        [field.move(batch[i : i + 1], acting, g, data_format) for i, g in enumerate(elements)]
    )
