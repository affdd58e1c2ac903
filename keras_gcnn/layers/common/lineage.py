"""Where a symbolic tensor comes from: the layer that made its map, and the layers since then."""

from __future__ import annotations

from dataclasses import dataclass

import keras

from keras_gcnn import groups
from keras_gcnn.groups.fields import Fields
from keras_gcnn.layers.common.map_type import Channels, MapType, Problem, is_ordinary
from keras_gcnn.layers.common.stock_rule import Rule
from keras_gcnn.types import Shape

ORDINARY = groups.get("z2")  # stands for all ordinary channels


@dataclass(frozen=True)
class Suspect:
    """A layer or operation of Keras between a map and the layer that reads it.

    Args:
        op: the layer or operation.
        shape: shape of its input, batch included.
        rule: its rule in `stock_layers`, or None.
        certain: the problem on the map that it received; None if that depends on the reader, since
            the map was unknown or had ordinary channels.
    """

    op: keras.Operation
    shape: Shape
    rule: Rule | None
    certain: Problem | None = None

    def problem(self, wanted: MapType | None, axis: int) -> Problem | None:
        """Returns what it breaks for a layer that reads such a map, and the fix; or None."""
        if self.certain or wanted is None or self.rule is None:
            return self.certain
        return self.rule(self.op, self.shape, axis, wanted)


@dataclass(frozen=True)
class Lineage:
    """Where a tensor comes from, as far as the graph shows.

    Args:
        channels: channels of the tensor; None if unknown.
        axis: the channel axis, `-1` or `1`.
        maker: the layer that made the map, in words.
        suspects: layers since then that can break the equivariance.
        reshaped_from: shape and lineage of the map that was reshaped to this tensor.
        from_vectors: whether the map was made from numbers without positions, as in a decoder. Such
            a map does not rotate with an image.
    """

    channels: Channels | None = None
    axis: int = -1
    maker: str = ""
    suspects: tuple[Suspect, ...] = ()
    reshaped_from: tuple[Shape, Lineage] | None = None
    from_vectors: bool = False

    @property
    def type(self) -> MapType | None:
        """The type of the map, if it is known and its channels change with the image."""
        if self.channels is None or is_ordinary(self.channels):
            return None
        if isinstance(self.channels, Fields):
            return MapType(self.channels, self.channels.group.pixel_group)
        return MapType(self.channels, self.channels)


def ordinary(channels: Channels | None) -> Channels | None:
    """Returns the channels, with `ORDINARY` in place of all ordinary ones."""
    return ORDINARY if channels is not None and is_ordinary(channels) else channels


def format_problem(layer: keras.Layer, given: Lineage, rank: int) -> Problem | None:
    """Returns the problem of a layer whose `data_format` is not that of the map, and the fix.

    Args:
        layer: a layer of this library or of Keras.
        given: the lineage of its input.
        rank: the number of axes of its input.
    """
    read = getattr(layer, "data_format", None)
    made = "channels_last" if given.axis == -1 else "channels_first"
    if given.channels is None or rank <= 2 or read not in ("channels_first", "channels_last"):
        return None
    if read == made:
        return None
    problem = f"has data_format={read!r}, but {given.maker} made a map of data_format={made!r}"
    return problem, "give all layers of a network the same data_format"


def name_of(op: keras.Operation) -> str:
    """Names a layer or operation in words."""
    return f"{type(op).__name__} {op.name!r}"
