"""Base of the steerable layers: the fields of their input, and operations on its channels."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

from keras_gcnn import groups
from keras_gcnn.backend.constants import constant, outside_graphs
from keras_gcnn.backend.ops import product, widened
from keras_gcnn.groups.fields import Fields
from keras_gcnn.layers.common.base import MapLayer, known_channels
from keras_gcnn.layers.common.map_type import Channels
from keras_gcnn.types import Shape, Tensor

FieldsLike = Fields | Mapping[int | str, int]

# Arguments of group layers and of Keras's layers, which belong elsewhere for fields.
INSTEAD_OF: Mapping[str, str] = {
    "group": (
        "Its group is that of the fields. Name it where they are made, e.g. "
        "Fields.regular(8, group='d8')."
    ),
    "activation": (
        "Fields need an activation that keeps them fields. Put FourierActivation, NormActivation "
        "or GatedActivation behind the layer, e.g. FourierActivation(layer.fields_out, 'relu')."
    ),
    "filters": (
        "Its channels are those of its fields. Say how many by the fields, e.g. "
        "Fields.regular(8, max_frequency=4)."
    ),
    "max_frequency": (
        "Frequencies belong to the fields. Name the highest where they are made, e.g. "
        "Fields.regular(8, max_frequency=4)."
    ),
}


def check_channels(layer: keras.Layer, fields: Fields, input_shape: Shape, axis: int) -> None:
    """Raises a `ValueError` if the input does not have the channels of the fields."""
    channels = known_channels(layer, input_shape, axis)
    if channels != fields.channels:
        raise ValueError(
            f"{type(layer).__name__} {layer.name!r} is for {fields!r}, which have "
            f"{fields.channels} channels, but received {channels} (input shape "
            f"{tuple(input_shape)}, channels along axis {axis}). Give it the fields that the layer "
            "before it returns; for an image with n channels these are Fields.trivial(n)."
        )


class KeepsFields:
    """Mixin of the layers whose output has the same fields as their input."""

    instead_of: ClassVar[Mapping[str, str]] = INSTEAD_OF
    fields: Fields | None

    @property
    def fields_in(self) -> Fields | None:
        """The fields of the input."""
        return self.fields

    @property
    def fields_out(self) -> Fields | None:
        """The fields of the output."""
        return self.fields

    @property
    def symmetry(self) -> groups.Group:
        """The elements of the fields' group that move pixels to pixels; P4 without fields."""
        fields = self.fields_in
        return groups.get("p4") if fields is None else fields.group.pixel_group

    @property
    def map_in(self) -> Fields | None:
        """The fields of the input; None if the layer takes any map."""
        return self.fields_in

    @property
    def map_out(self) -> Channels | None:
        """The fields of the output; None if they are those of the input."""
        return self.fields_out


class SteerableLayer(KeepsFields, MapLayer):
    """Base of the layers with the `fields` of their input.

    Args:
        fields: `Fields`, or the dict of their multiplicities.
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's configuration.
        **kwargs: arguments of `keras.Layer`, such as `name` and `dtype`.
    """

    fields: Fields

    def __init__(self, fields: FieldsLike, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.fields = Fields.of(fields)
        self.supports_masking = True  # positions stay where they are

    def build(self, input_shape: Shape) -> None:
        check_channels(self, self.fields, input_shape, self.channel_axis)
        self.input_spec = keras.layers.InputSpec(axes={self.channel_axis: self.fields.channels})
        self.built = True

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        check_channels(self, self.fields, input_shape, self.channel_axis)
        return tuple(input_shape)

    def get_config(self) -> dict:
        return {**super().get_config(), "fields": self.fields.as_json()}


def mix_channels(tensor: Tensor, matrix: Tensor, axis: int) -> Tensor:
    """Multiplies every fibre, along `axis`, by a matrix of shape (channels, new channels).

    With a NumPy array it picks, repeats or sums channels: a matrix product is the only way to do so
    that every backend can export.
    """
    if isinstance(matrix, np.ndarray):
        matrix = constant(np.ascontiguousarray(matrix))
    matrix = ops.cast(matrix, tensor.dtype)
    if axis in (-1, len(tensor.shape) - 1):
        return product(tensor, matrix)
    shape = ops.shape(tensor)
    flat = ops.reshape(tensor, (-1, tensor.shape[axis], positions_of(shape)))
    mixed = product(ops.transpose(matrix), flat)
    return ops.reshape(mixed, (-1, matrix.shape[1], *shape[2:]))


def mix_fields(tensor: Tensor, matrix: np.ndarray, axis: int) -> Tensor:
    """Multiplies every field by a matrix of shape (its channels, new channels)."""
    shape = ops.shape(tensor)
    size, new_size = matrix.shape
    positions = () if axis == -1 else (positions_of(shape),)
    mixed = mix_channels(ops.reshape(tensor, (-1, size, *positions)), matrix, 1)
    new_shape = [-1, *shape[1:]]
    new_shape[axis] = tensor.shape[axis] // size * new_size
    return ops.reshape(mixed, new_shape)


def positions_of(shape: Shape) -> Any:
    """Returns how many positions a channels-first map has; a tensor if the graph decides."""
    return math.prod(shape[2:])


def split_blocks(tensor: Tensor, fields: Fields, axis: int) -> list:
    """Splits the channels into those of every block."""
    channels = [block.channels for block in fields.blocks]
    if len(channels) == 1:
        return [tensor]
    return ops.split(tensor, list(itertools.accumulate(channels))[:-1], axis=axis)


def join_blocks(tensors: list, axis: int) -> Tensor:
    """Inverts `split_blocks`."""
    return tensors[0] if len(tensors) == 1 else ops.concatenate(tensors, axis=axis)


@outside_graphs
def field_of_channel(fields: Fields) -> np.ndarray:
    """Returns a one-hot matrix of shape (fields, channels): the field of every channel."""
    return np.eye(fields.count)[:, fields.channel_fields]


@outside_graphs
def scalar_channels(fields: Fields) -> np.ndarray:
    """Returns a one-hot matrix of shape (scalars, channels): the channels of irrep 0."""
    return np.eye(fields.channels)[fields.scalar_channels]


@outside_graphs
def gated_channels(fields: Fields) -> np.ndarray:
    """Returns `field_of_channel` with zeros at the channels of irrep 0."""
    return field_of_channel(fields) - scalar_channels(fields)


@outside_graphs
def vector_channels(fields: Fields) -> np.ndarray:
    """Returns a matrix of shape (vectors, channels) with ones at the channels of a vector.

    The vectors are the copies of all irreps but 0: pairs, and single channels that change sign.
    """
    copies = fields.channel_copies
    members = np.arange(copies[-1] + 1)[:, None] == copies
    return members[~members[:, fields.scalar_channels].any(axis=1)].astype("float64")


def vector_lengths(tensor: Tensor, fields: Fields, epsilon: float, axis: int) -> Tensor:
    """Returns `sqrt(a^2 + b^2 + epsilon)` of every vector, at least in float32.

    Half precision can hold neither the squares (float16 overflows at 256^2) nor the gradient of a
    quotient by a short length.
    """
    squares = mix_channels(ops.square(widened(tensor)), vector_channels(fields).T, axis)
    return ops.sqrt(squares + epsilon)
