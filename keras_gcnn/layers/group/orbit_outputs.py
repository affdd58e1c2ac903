"""What the outputs of a model are, and how they come back from a rotated image."""

from __future__ import annotations

import keras
import numpy as np

from keras_gcnn.groups import Group
from keras_gcnn.groups.point_group import PointGroup
from keras_gcnn.groups.vectors import on_components
from keras_gcnn.layers.group.interpolation import turn
from keras_gcnn.layers.group.orbit import Pose, check_plane, move_plane, turn_vectors
from keras_gcnn.types import Tensor

KINDS = ("invariant", "maps", "vectors")
_IDENTITY = ((1, 0), (0, 1))


def row_axis(rank: int, channel_axis: int) -> int:
    """Returns the axis of the rows of maps, with a channel axis or without."""
    return 2 if rank == 4 and channel_axis == 1 else 1


def move_back(
    output: Tensor,
    pose: Pose,
    kind: str,
    components: tuple[str, str],
    channel_axis: int,
) -> Tensor:
    """Undoes on an output what an element did to the image.

    Args:
        output: the output for the images that the element moved.
        pose: the element.
        kind: one of `KINDS`.
        components: directions in which the components of vectors count.
        channel_axis: of maps, -1 or 1.
    """
    rank = len(output.shape)
    if kind == "maps" or (kind == "vectors" and rank == 4):
        rows = row_axis(rank, channel_axis)
        output = move_plane(output, pose.moves_back, rows)
        output = turn(output, -pose.angle, rows)
    if kind == "vectors" and pose.matrix != _IDENTITY:
        matrix = on_components(np.array(pose.matrix).T, components)
        output = turn_vectors(output, matrix, channel_axis if rank == 4 else -1)
    return output


def kind_of(
    output: Tensor,
    kind: str | None,
    group: Group | PointGroup,
    channel_axis: int,
    rounds: bool,
    name: str,
) -> str:
    """Returns what an output is.

    Args:
        output: the output, also a symbolic one.
        kind: one of `KINDS`, or None to go by the number of axes.
        group: the group.
        channel_axis: of maps, -1 or 1.
        rounds: whether the results will be combined to numbers that no integer holds.
        name: of the model, for messages.

    Raises:
        ValueError: if the shape or the type of the output does not fit the kind.
    """
    rank, shape = len(output.shape), tuple(output.shape)
    about = f"An output of {name!r} has the shape {shape}"
    if kind is None and rank not in (2, 4):
        raise ValueError(
            f"{about}, which does not show how it rotates with the image. Say so by outputs: one "
            f"of {', '.join(map(repr, KINDS))} for each output of the model."
        )
    kind = kind or ("maps" if rank == 4 else "invariant")
    if kind == "maps" and rank not in (3, 4):
        raise ValueError(
            f'{about}, which is no map (batch, rows, columns, channels). Use "invariant", or '
            '"vectors" for directions.'
        )
    if kind == "vectors":
        channels = shape[channel_axis if rank == 4 else -1] if rank in (2, 3, 4) else None
        if not isinstance(channels, int) or channels % 2:
            raise ValueError(
                f"{about}, which holds no vectors: the last axis, or the channels of a map, have "
                "to be pairs of components."
            )
    if rounds and "float" not in keras.backend.standardize_dtype(output.dtype):
        raise ValueError(
            f"{about} and holds no fractions, so their mean would be rounded. Use reduce="
            '"max", or let the model return the scores that it takes them from.'
        )
    if kind == "maps" or (kind == "vectors" and rank == 4):
        check_plane(output, row_axis(rank, channel_axis), group, f"{name!r} returns maps")
    return kind
