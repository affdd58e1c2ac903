"""How arrays turn with the image, by the type of their channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from keras_gcnn import groups
from keras_gcnn.groups import Group
from keras_gcnn.groups.fields import Fields

TYPES = ("trivial", "regular")
ROTATIONS = groups.get("p4")  # all that the pixel grid has
RANKS = (2, 3, 4)  # features; images without a channel axis; images and feature maps


@dataclass(frozen=True)
class Field:
    """What the channels of an array are.

    Args:
        type: `"trivial"` (a channel is a picture, or an invariant number: its value moves but does
            not change), `"regular"` (channels `c * |G| + g` are orientations, which permute) or
            `"invariant"` (an array of no known axes, which stays as it is when the image turns).
        group: the group whose orientations a regular field carries.
    """

    type: str
    group: Group

    def __str__(self) -> str:
        return f"{self.type} ({self.group.name})" if self.type == "regular" else self.type

    def fits(self, shape: tuple[int, ...], data_format: str) -> bool:
        """Whether an array of this shape, batch included, can hold such channels."""
        if self.type == "trivial":
            return len(shape) in RANKS
        if self.type == "invariant":  # of 2 axes, it is trivial
            return len(shape) not in (2, 4)
        return len(shape) in (2, 4) and shape[_channel_axis(data_format)] % self.group.order == 0

    def permute(self, array: np.ndarray, acting: Group, g: int, data_format: str) -> np.ndarray:
        """What element `g` of `acting`, a subgroup of the field's group, does to the channels."""
        if self.type in ("trivial", "invariant"):
            return array
        element = self.group.embed(acting)[g]
        return self.group.act_on_fibre(array, element, _channel_axis(data_format))

    def move(self, array: np.ndarray, acting: Group, g: int, data_format: str) -> np.ndarray:
        """Turns a batch by element `g` of `acting`, a subgroup of the field's group.

        Args:
            array: of shape `(batch, rows, columns, channels)`, channels first if so said, or
                `(batch, rows, columns)`, or `(batch, channels)`.
            acting: the group to which `g` belongs.
            g: int, index of the element.
            data_format: `"channels_last"` or `"channels_first"`.

        Returns:
            The moved array; rows and columns may be exchanged.
        """
        if array.ndim > 2 and self.type != "invariant":
            rows = 2 if array.ndim == 4 and data_format == "channels_first" else 1
            array = acting.act_on_plane(array, g, (rows, rows + 1))
        return np.ascontiguousarray(self.permute(array, acting, g, data_format))


@dataclass(frozen=True)
class SteerableField(Field):
    """Channels that turn by multiples of the angle, of which quarter turns are tried here.

    Args:
        type: `"steerable"`.
        group: a group of rotations.
        fields: `keras_gcnn.layers.Fields`.
    """

    fields: Fields

    def __str__(self) -> str:
        return f"steerable, {self.fields.count} fields"

    def fits(self, shape: tuple[int, ...], data_format: str) -> bool:
        """Whether an array of this shape, batch included, can hold such channels."""
        return len(shape) in (2, 4) and shape[_channel_axis(data_format)] == self.fields.channels

    def permute(self, array: np.ndarray, acting: Group, g: int, data_format: str) -> np.ndarray:
        """What element `g` of `acting`, a group of rotations, does to the channels."""
        turns = ROTATIONS.embed(acting)[g]
        matrix = self.fields.representation(turns * np.pi / 2)
        axis = _channel_axis(data_format)
        turned = np.moveaxis(np.moveaxis(array, axis, -1) @ matrix.T, -1, axis)
        return turned.astype(array.dtype)


def field_of(kind: str | Fields, group: Group) -> Field:
    """A field from the name of its type, or from what it consists of."""
    if not isinstance(kind, Fields):
        return Field(kind, group)
    return SteerableField("steerable", group, kind)


def _channel_axis(data_format: str) -> int:
    return -1 if data_format == "channels_last" else 1


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


def relative_error(found: np.ndarray, expected: np.ndarray) -> float:
    """Largest difference over the largest expected value.

    Infinite if the shapes differ. A NaN that is expected is no difference.
    """
    if found.shape != expected.shape:
        return float("inf")
    found, expected = found.astype("float64"), expected.astype("float64")
    with np.errstate(invalid="ignore"):
        difference = np.where(
            (found == expected) | (np.isnan(found) & np.isnan(expected)),
            0.0,
            np.abs(found - expected),
        )
    finite = np.abs(expected[np.isfinite(expected)])
    return float(difference.max(initial=0)) / max(float(finite.max(initial=0)), 1e-30)
