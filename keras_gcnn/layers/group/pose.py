"""The angle at which something lies in the image: found, and drawn."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from keras_gcnn import groups
from keras_gcnn.arguments import as_count
from keras_gcnn.backend.constants import constant
from keras_gcnn.backend.ops import mean, product, widened
from keras_gcnn.distributions.direction import unit
from keras_gcnn.layers.common.base import GroupLayer, MapLayer, split_fibre


@keras.saving.register_keras_serializable(package="keras_gcnn")
class GOrientation(GroupLayer):
    """Reduces every field to a vector in the plane, which turns with the image.

    The vector of a field is the sum of the unit vectors of all orientations, each times the mean
    over positions of the field's values there. It points to the right, x, and up, y; a vector that
    the image is turned by is turned as well, and mirrored when it is mirrored.

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

    def __init__(self, group: str | groups.Group = "p4", **kwargs):
        super().__init__(group, **kwargs)
        # Where every element takes (x, y) = (1, 0), which is (row, column) = (0, 1).
        turned = self.group.matrices[:, :, 1]
        self.directions = np.stack([turned[:, 1], -turned[:, 0]], axis=-1).astype("float64")

    @property
    def map_out(self) -> groups.Group:
        """No orientations are left."""
        return groups.get("z2")

    def build(self, input_shape):
        self.fields(input_shape)
        self.built = True

    def call(self, inputs):
        split, axis = split_fibre(inputs, self.group, self.channel_axis)
        found = mean(split, (1, 2) if axis == len(split.shape) - 1 else (3, 4))
        return product(found, ops.cast(constant(self.directions), found.dtype))

    def compute_output_shape(self, input_shape):
        return input_shape[0], self.fields(input_shape), 2


@keras.saving.register_keras_serializable(package="keras_gcnn")
class TurnByVector(MapLayer):
    """Turns maps counter-clockwise about their centre by the angle of a vector.

    A vector to the right, x, turns by nothing, and one up, y, by a quarter. Values are interpolated
    bilinearly; what comes from outside is taken from the nearest pixel of the border. Gradients
    flow into the maps and into the vectors, whose lengths do not matter. Square maps are turned
    exactly by quarter turns. A vector of zeros has no angle: its map stays as it is, and it gets no
    gradient; that of a vector shorter than 1e-3 is bounded.

    Args:
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's configuration.
        **kwargs: arguments of `keras.Layer`, such as `name` and `dtype`.

    Input shape:
        The pair of maps, `(batch, rows, columns, channels)` or channels first, with rows and
        columns known, and vectors, `(batch, 2)`.

    Output shape:
        That of the maps.

    Raises:
        ValueError: if the inputs are no such pair.

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

    def build(self, input_shape):
        self.compute_output_shape(input_shape)
        self.built = True

    def call(self, inputs):
        maps, vectors = inputs
        first = self.data_format == "channels_first"
        if first:
            maps = ops.transpose(maps, (0, 2, 3, 1))
        turned = _turn(maps, unit(widened(vectors)))
        return ops.transpose(turned, (0, 3, 1, 2)) if first else turned

    def compute_output_shape(self, input_shape):
        pair = isinstance(input_shape, list | tuple) and len(input_shape) == 2
        if not pair or [len(one) for one in input_shape] != [4, 2] or input_shape[1][1] != 2:
            raise ValueError(
                f"{type(self).__name__} {self.name!r} takes the pair of maps of four axes and "
                f"vectors (batch, 2), layer([maps, vectors]); it received the shape {input_shape}."
            )
        maps = tuple(input_shape[0])
        sizes = maps[2:] if self.data_format == "channels_first" else maps[1:3]
        if None in map(as_count, sizes):
            raise ValueError(
                f"{type(self).__name__} {self.name!r} needs to know the rows and columns of the "
                f"maps; it received the shape {maps}. Give keras.Input the size."
            )
        return maps


def _turn(maps, directions):
    """Turns channels-last maps by the angles of unit vectors."""
    _, rows, columns, channels = maps.shape
    size = np.array([rows, columns])
    offsets = np.indices((rows, columns)).reshape(2, -1) - (size[:, None] - 1) / 2
    down, along = (ops.cast(constant(one[None]), directions.dtype) for one in offsets)
    cosine, sine = directions[:, :1], directions[:, 1:]
    below, rest_of_row = _split(cosine * down + sine * along, rows)
    right, rest_of_column = _split(cosine * along - sine * down, columns)
    pixels = ops.reshape(maps, (-1, rows * columns, channels))

    def at(row_step: int, column_step: int):
        """The neighbours there, times their shares."""
        row_share = rest_of_row if row_step else 1 - rest_of_row
        column_share = rest_of_column if column_step else 1 - rest_of_column
        # A map of a single row has no other, and the share of it is zero.
        row, column = below + min(row_step, rows - 1), right + min(column_step, columns - 1)
        index = row * columns + column
        found = ops.take_along_axis(pixels, index[..., None], axis=1)
        return found * ops.cast(row_share * column_share, maps.dtype)[..., None]

    turned = at(0, 0) + at(0, 1) + at(1, 0) + at(1, 1)
    return ops.reshape(turned, (-1, rows, columns, channels))


def _split(offset, size: int):
    """Index of the pixel below a coordinate and how far it is above, clamped to the image."""
    position = ops.clip(offset + (size - 1) / 2, 0.0, size - 1.0)
    # The last pixel is reached from the one before, so that there is always one above.
    below = ops.clip(ops.floor(ops.stop_gradient(position)), 0.0, max(size - 2.0, 0.0))
    return ops.cast(below, "int32"), position - below
