"""The pose of what is in the image: estimated from a map, and undone by a rotation."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_gcnn import groups
from keras_gcnn.arguments import as_count
from keras_gcnn.backend.constants import constant
from keras_gcnn.backend.ops import mean, product, widened
from keras_gcnn.distributions.direction import unit
from keras_gcnn.layers.common.base import GroupLayer, MapLayer, as_numbers, split_fibre
from keras_gcnn.types import GroupLike, Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_gcnn")
class GOrientation(GroupLayer):
    """Estimates the pose of the image: reduces every field to a vector that rotates with it.

    The vector of a field is the sum of the unit vectors of all orientations, each times the mean of
    that orientation's channel over positions. Its coordinates are x, to the right, and y, up. When
    the image is rotated or mirrored, so is the vector.

    Args:
        group: str or `keras_gcnn.groups.Group`.
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's configuration.
        **kwargs: arguments of `keras.Layer`.

    Input shape:
        `(batch, rows, columns, c * |G|)`, or `(batch, c * |G|, rows, columns)` for channels first.

    Output shape:
        `(batch, c, 2)`.

    Raises:
        ValueError: if the channels are no multiple of `|G|`.

    Example:

    >>> import numpy as np
    >>> from keras_gcnn.layers import GOrientation
    >>> field = np.array([0.0, 1.0, 0.0, 0.0]).reshape(1, 1, 1, 4)  # at a quarter turn
    >>> [round(float(number)) for number in GOrientation("p4")(field)[0, 0]]
    [0, 1]
    """

    makes_vectors = True

    def __init__(self, group: GroupLike = "p4", **kwargs: Any) -> None:
        super().__init__(group, **kwargs)
        self.input_spec = keras.layers.InputSpec(ndim=4)
        # Where every element maps (x, y) = (1, 0), which is (row, column) = (0, 1).
        images = self.group.matrices[:, :, 1]
        self.directions = np.stack([images[:, 1], -images[:, 0]], axis=-1).astype("float64")

    @property
    def map_out(self) -> groups.Group:
        """Z2, since no orientations are left."""
        return groups.get("z2")

    def build(self, input_shape: Shape) -> None:
        self.field_count(input_shape)
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        inputs = as_numbers(inputs, self.compute_dtype)
        split, axis = split_fibre(inputs, self.group, self.channel_axis)
        means = mean(split, (1, 2) if axis == len(split.shape) - 1 else (3, 4))
        return product(means, ops.cast(constant(self.directions), means.dtype))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape[0], self.field_count(input_shape), 2


@keras.saving.register_keras_serializable(package="keras_gcnn")
class TurnByVector(MapLayer):
    """Rotates maps counter-clockwise about their centre by the angle of a vector.

    A vector along x, to the right, rotates by 0 and a vector along y, up, by 90 degrees. Values are
    interpolated bilinearly; positions outside of the map take the value of the nearest pixel of
    the border. Gradients flow into the maps and into the vectors, whose lengths do not matter.
    Quarter turns of square maps are exact. A vector of zeros has no angle: its map does not change
    and its gradient is zero. The gradient of a vector shorter than 1e-3 is bounded.

    Args:
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's configuration.
        **kwargs: arguments of `keras.Layer`, such as `name` and `dtype`.

    Input shape:
        The pair of maps, `(batch, rows, columns, channels)` or channels first, with rows and
        columns known, and vectors, `(batch, 2)`.

    Output shape:
        Same as the maps.

    Raises:
        ValueError: if the input is not such a pair.

    Example:

    >>> import numpy as np
    >>> from keras_gcnn.layers import TurnByVector
    >>> image = np.array([[1.0, 2.0], [3.0, 4.0]]).reshape(1, 2, 2, 1)
    >>> turned = TurnByVector()([image, np.array([[0.0, 5.0]])])
    >>> [round(float(number)) for number in np.ravel(turned)]
    [2, 4, 1, 3]

    References:
        Jaderberg et al. 2015, "Spatial Transformer Networks", section 3.3.
    """

    def build(self, input_shape: Shape) -> None:
        self.compute_output_shape(input_shape)
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        maps, vectors = (as_numbers(tensor, self.compute_dtype) for tensor in inputs)
        channels_first = self.data_format == "channels_first"
        if channels_first:
            maps = ops.transpose(maps, (0, 2, 3, 1))
        rotated = _rotate(maps, unit(widened(vectors)))
        return ops.transpose(rotated, (0, 3, 1, 2)) if channels_first else rotated

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        shapes: Any = input_shape
        pair = isinstance(shapes, list | tuple) and len(shapes) == 2
        if not pair or [len(shape) for shape in shapes] != [4, 2] or shapes[1][1] != 2:
            raise ValueError(
                f"{type(self).__name__} {self.name!r} takes a pair of maps with four axes and "
                f"vectors (batch, 2), layer([maps, vectors]); it received the shape {input_shape}."
            )
        maps = tuple(shapes[0])
        sizes = maps[2:] if self.data_format == "channels_first" else maps[1:3]
        if None in map(as_count, sizes):
            raise ValueError(
                f"{type(self).__name__} {self.name!r} needs maps with known rows and columns; it "
                f"received the shape {maps}. Give keras.Input the size."
            )
        return maps


def _rotate(maps: Tensor, directions: Tensor) -> Tensor:
    """Rotates channels-last maps by the angles of unit vectors."""
    _, rows, columns, channels = maps.shape
    size = np.array([rows, columns])
    offsets = np.indices((rows, columns)).reshape(2, -1) - (size[:, None] - 1) / 2
    down, along = (ops.cast(constant(offset[None]), directions.dtype) for offset in offsets)
    cosine, sine = directions[:, :1], directions[:, 1:]
    first_row, row_share = _split(cosine * down + sine * along, rows)
    first_column, column_share = _split(cosine * along - sine * down, columns)
    pixels = ops.reshape(maps, (-1, rows * columns, channels))

    def neighbour(row_step: int, column_step: int) -> Tensor:
        """The pixels this far from the first ones, times their shares."""
        share = row_share if row_step else 1 - row_share
        share = share * (column_share if column_step else 1 - column_share)
        # In a map of a single row the second pixel is the first one, and its share is zero.
        row = first_row + min(row_step, rows - 1)
        column = first_column + min(column_step, columns - 1)
        values = ops.take_along_axis(pixels, (row * columns + column)[..., None], axis=1)
        return values * ops.cast(share, maps.dtype)[..., None]

    rotated = neighbour(0, 0) + neighbour(0, 1) + neighbour(1, 0) + neighbour(1, 1)
    return ops.reshape(rotated, (-1, rows, columns, channels))


def _split(offset: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Splits coordinates, clamped to the image, into a pixel's index and the share of the next."""
    position = ops.clip(offset + (size - 1) / 2, 0.0, size - 1.0)
    # At most the last but one, so that there is always a next pixel.
    first = ops.clip(ops.floor(ops.stop_gradient(position)), 0.0, max(size - 2.0, 0.0))
    return ops.cast(first, "int32"), position - first
