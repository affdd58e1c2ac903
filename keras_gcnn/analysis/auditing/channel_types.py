"""How arrays rotate with the image, by the type of their channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from keras_gcnn.groups import Group
from keras_gcnn.groups.fields import Fields
from keras_gcnn.groups.point_group import element_of
from keras_gcnn.groups.vectors import COMPONENTS, vector_matrices

TYPES = ("trivial", "regular")  # those that are tried where none is given
RANKS = (2, 3, 4)  # features; images without a channel axis; images and feature maps


@dataclass(frozen=True)
class ChannelType:
    """How the channels of an array change when the image is rotated or mirrored.

    Args:
        name: `"trivial"` (a channel is a plane, or an invariant number: its value moves but does
            not change), `"regular"` (channels `c * |G| + g` are orientations, which permute) or
            `"invariant"` (an array of unknown axes, which does not change at all).
        group: the group whose orientations regular channels carry.
    """

    name: str
    group: Group

    def __str__(self) -> str:
        return f"{self.name} ({self.group.name})" if self.name == "regular" else self.name

    def fits(self, shape: tuple[int, ...], data_format: str) -> bool:
        """Whether an array of this shape, batch included, can hold such channels."""
        if self.name == "trivial":
            return len(shape) in RANKS
        if self.name == "invariant":  # with 2 axes it is trivial
            return len(shape) not in (2, 4)
        return len(shape) in (2, 4) and shape[_channel_axis(data_format)] % self.group.order == 0

    def permute(self, array: np.ndarray, acting: Group, g: int, data_format: str) -> np.ndarray:
        """Applies element `g` of `acting`, a subgroup of the type's group, to the channels."""
        if self.name in ("trivial", "invariant"):
            return array
        element = self.group.embed(acting)[g]
        return self.group.act_on_fibre(array, element, _channel_axis(data_format))

    def move(self, array: np.ndarray, acting: Group, g: int, data_format: str) -> np.ndarray:
        """Applies element `g` of `acting`, a subgroup of the type's group, to a batch.

        Args:
            array: array of shape `(batch, rows, columns, channels)`, or with channels first, or
                `(batch, rows, columns)`, or `(batch, channels)`.
            acting: the group to which `g` belongs.
            g: int, index of the element.
            data_format: `"channels_last"` or `"channels_first"`.

        Returns:
            The moved array; rows and columns may be exchanged.
        """
        if array.ndim > 2 and self.name != "invariant":
            rows = 2 if array.ndim == 4 and data_format == "channels_first" else 1
            array = acting.act_on_plane(array, g, (rows, rows + 1))
        return np.ascontiguousarray(self.permute(array, acting, g, data_format))


@dataclass(frozen=True)
class SteerableType(ChannelType):
    """Fields; the audit tries the elements that move pixels to pixels.

    Args:
        name: `"steerable"`.
        group: the elements of the fields' group that move pixels to pixels.
        fields: `keras_gcnn.layers.Fields`.
    """

    fields: Fields

    def __str__(self) -> str:
        return f"steerable, {self.fields.count} fields"

    def fits(self, shape: tuple[int, ...], data_format: str) -> bool:
        """Whether an array of this shape, batch included, can hold such channels."""
        return len(shape) in (2, 4) and shape[_channel_axis(data_format)] == self.fields.channels

    def permute(self, array: np.ndarray, acting: Group, g: int, data_format: str) -> np.ndarray:
        """Applies element `g` of `acting`, which the fields' group contains, to the channels."""
        if self.fields.is_trivial:
            return array
        mirrored, angle = element_of(acting.matrices[g])
        matrix = self.fields.representation(angle, mirrored)
        axis = _channel_axis(data_format)
        rotated = np.moveaxis(np.moveaxis(array, axis, -1) @ matrix.T, -1, axis)
        return rotated.astype(array.dtype)


@dataclass(frozen=True)
class VectorType(ChannelType):
    """Pairs of channels that are the components of vectors, which rotate with the image.

    Args:
        name: `"vectors"`.
        group: the group that acts on the images.
        components: directions in which the components count.
    """

    components: tuple[str, str] = COMPONENTS

    def fits(self, shape: tuple[int, ...], data_format: str) -> bool:
        """Whether an array of this shape, batch included, can hold such channels."""
        return len(shape) in RANKS and shape[self._axis(len(shape), data_format)] % 2 == 0

    def _axis(self, rank: int, data_format: str) -> int:
        return _channel_axis(data_format) if rank == 4 else -1

    def permute(self, array: np.ndarray, acting: Group, g: int, data_format: str) -> np.ndarray:
        """Applies element `g` of `acting` to the components."""
        axis = self._axis(array.ndim, data_format)
        pairs = np.moveaxis(array, axis, -1)
        matrix = vector_matrices(acting, self.components)[g]
        turned = pairs.reshape(*pairs.shape[:-1], -1, 2) @ matrix.T
        return np.moveaxis(turned.reshape(pairs.shape), -1, axis).astype(array.dtype)

    def move(self, array: np.ndarray, acting: Group, g: int, data_format: str) -> np.ndarray:
        """Applies element `g` of `acting` to a batch of maps of vectors, or of vectors alone."""
        if array.ndim == 4:
            return super().move(array, acting, g, data_format)
        return self.permute(array, acting, g, data_format)


def channel_type_of(description: str | Fields, group: Group) -> ChannelType:
    """Returns the channel type with a name, or of a steerable map with these fields."""
    if isinstance(description, Fields):
        return SteerableType("steerable", group, description)
    return (VectorType if description == "vectors" else ChannelType)(description, group)


def _channel_axis(data_format: str) -> int:
    return -1 if data_format == "channels_last" else 1


def move_each(
    channel_type: ChannelType,
    batch: np.ndarray,
    acting: Group,
    elements: Sequence[int],
    data_format: str,
) -> np.ndarray:
    """Applies to every image of a batch its own element.

    Raises:
        ValueError: if the moved images have different shapes.
    """
    return np.concatenate(
        [
            channel_type.move(batch[i : i + 1], acting, g, data_format)
            for i, g in enumerate(elements)
        ]
    )


def relative_error(actual: np.ndarray, expected: np.ndarray) -> float:
    """Largest difference divided by the largest expected value.

    It is infinite if the shapes differ. Where NaN is expected, NaN is no difference.
    """
    if actual.shape != expected.shape:
        return float("inf")
    actual, expected = actual.astype("float64"), expected.astype("float64")
    with np.errstate(invalid="ignore"):
        difference = np.where(
            (actual == expected) | (np.isnan(actual) & np.isnan(expected)),
            0.0,
            np.abs(actual - expected),
        )
    finite = np.abs(expected[np.isfinite(expected)])
    return float(difference.max(initial=0)) / max(float(finite.max(initial=0)), 1e-30)
