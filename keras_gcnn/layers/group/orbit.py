"""The orbit of images under a group, folded into the batch.

An element of a group rotates an image by an angle below that of the pixel grid, which needs an
interpolation, and then moves pixels to pixels. All functions take tensors and symbolic tensors of
Keras. The batch of an orbit holds the images of the first element first, then those of the second,
and so on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from keras import ops

from keras_gcnn.backend.constants import outside_graphs
from keras_gcnn.backend.sizes import check_square
from keras_gcnn.groups import Group
from keras_gcnn.groups.point_group import PointGroup, find_group, matrix_on_pixels
from keras_gcnn.layers.group.interpolation import turn
from keras_gcnn.types import AnyGroupLike, Tensor

Moves = tuple[bool, tuple[bool, bool]]


@dataclass(frozen=True)
class Pose:
    """An element: a rotation by an angle, and then an element of the pixel grid.

    Attributes:
        angle: radians, 0 for the elements of the pixel grid.
        moves, moves_back: `Group.moves_on_plane` of the element of the pixel grid, and of its
            inverse. An index in the group in their place would be a variable to PyTorch's compiler.
        matrix: how the element moves positions (row, column) about the centre, as rows.
    """

    angle: float
    moves: Moves
    moves_back: Moves
    matrix: tuple[tuple[float, ...], ...]


def finite_group(group: AnyGroupLike, argument: str = "group") -> Group | PointGroup:
    """Returns a finite group: a `Group` if it moves pixels to pixels.

    Raises:
        ValueError: if no group has that name, or it has infinitely many elements.
    """
    known = find_group(group, argument)
    if isinstance(known, PointGroup) and known.turns is None:
        finite = "d8 or d16" if known.mirrors else "c8 or c16"
        raise ValueError(
            f"{argument}={group!r} has infinitely many elements. Choose some of them, such as "
            f"{finite}; layers under {known} are exact under {known.pixel_group.name} alone."
        )
    return known


def pixel_group(group: Group | PointGroup) -> Group:
    """Returns the elements of a group that move pixels to pixels."""
    return group if isinstance(group, Group) else group.pixel_group


def check_plane(maps: Tensor, rows: int, group: Group | PointGroup, about: str) -> None:
    """Raises a `ValueError` unless a group can rotate maps of this shape.

    Args:
        maps: the maps.
        rows: axis of the rows; the columns follow.
        group: the group.
        about: the beginning of the sentence about the maps.
    """
    if isinstance(group, Group):
        if _swaps_axes(group):
            check_square(
                maps,
                rows,
                f"{about}, and {group.name} has quarter turns, which need squares. Crop or pad the "
                "images to squares, or use a group without quarter turns, e.g. 'pmm'.",
            )
        return
    sizes = tuple(maps.shape[rows : rows + 2])
    if None in sizes or sizes[0] != sizes[1]:
        raise ValueError(
            f"{about} of the shape {tuple(maps.shape)}, and {group.name} rotates by angles that "
            "need squares whose size is known. Give input_shape, and crop or pad images to "
            f"squares, or use the group {group.pixel_group.name!r}, which moves pixels to pixels."
        )


@outside_graphs
def _swaps_axes(group: Group) -> bool:
    return group.swaps_axes


def find_poses(group: Group | PointGroup, already: Group | PointGroup) -> tuple[Pose, ...]:
    """Returns one element of each coset of a subgroup, under which a model is equivariant already.

    The elements of the pixel grid, which do not interpolate, come first; after each element
    come its products with those of the pixel grid, if their cosets are left. An element of the
    pixel grid that moves the image then exchanges the poses, and the result stays.

    Raises:
        ValueError: if `already` is no subgroup.
    """
    every, known = _elements(group), _matrices(_elements(already))
    matrices = _matrices(every)
    if not all(_same(matrices, each).any() for each in known):
        raise ValueError(
            f"already={already.name!r} is no subgroup of {group.name!r}. Give the group under "
            "which the model itself is equivariant, or its part that lies in the other group."
        )
    on_grid = np.array([not pose.angle for pose in every])
    chosen: list[Pose] = []
    left = np.ones(len(every), dtype=bool)
    for first in np.argsort(~on_grid, kind="stable"):
        for after in matrices[on_grid]:
            index = int(_same(matrices, matrices[first] @ after).argmax())
            if left[index]:
                chosen.append(every[index])
                # h g and g have the same result if the model is equivariant under h.
                for each in known @ matrices[index]:
                    left &= ~_same(matrices, each)
    return tuple(chosen)


def _matrices(poses: Sequence[Pose]) -> np.ndarray:
    return np.array([pose.matrix for pose in poses])


def _same(matrices: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Returns which of the matrices, `(n, 2, 2)`, are the given one."""
    return np.abs(matrices - matrix).max(axis=(1, 2)) < 1e-6


def _elements(group: Group | PointGroup) -> list[Pose]:
    grid = pixel_group(group)
    if isinstance(group, Group):
        return [_pose(0.0, g, grid) for g in range(grid.order)]
    rotations, on_grid = int(group.order) // group.sheets, grid.order // group.sheets
    steps = rotations // on_grid  # in a rotation of the pixel grid
    return [
        _pose(2 * math.pi * (turns % steps) / rotations, mirrored * on_grid + turns // steps, grid)
        for mirrored in range(group.sheets)
        for turns in range(rotations)
    ]


def _pose(angle: float, element: int, grid: Group) -> Pose:
    matrix = grid.matrices[element] @ matrix_on_pixels(angle)
    inverse = int(grid.inverse[element])
    moves, back = grid.moves_on_plane(element), grid.moves_on_plane(inverse)
    return Pose(angle, moves, back, tuple(map(tuple, matrix.tolist())))


def fold_orbit(images: Tensor, poses: Sequence[Pose], rows: int) -> Tensor:
    """Returns the images moved by every element, in one batch.

    Args:
        images: images of any type of number.
        poses: the elements.
        rows: axis of the rows; the columns follow.
    """
    turned = {angle: turn(images, angle, rows) for angle in {pose.angle for pose in poses}}
    moved = [move_plane(turned[pose.angle], pose.moves, rows) for pose in poses]
    return moved[0] if len(moved) == 1 else ops.concatenate(moved, axis=0)


def repeat_for_orbit(features: Tensor, count: int) -> Tensor:
    """Returns features without positions once for each of `count` elements."""
    return features if count == 1 else ops.concatenate([features] * count, axis=0)


def unfold_orbit(outputs: Tensor, count: int) -> list[Tensor]:
    """Returns the outputs for the images that each of `count` elements moved, as a list."""
    if count == 1:
        return [outputs]
    sizes = outputs.shape[1:]
    if all(isinstance(size, int) for size in sizes):
        # Not `ops.split`, which would fix the size of the batch in an export by PyTorch.
        split = ops.reshape(outputs, (count, -1, *sizes))
        return list(ops.unstack(split, count, axis=0))
    return list(ops.split(outputs, count, axis=0))


def move_plane(images: Tensor, moves: Moves, rows: int) -> Tensor:
    """Rotates and mirrors images as `Group.act_on_plane` does arrays."""
    swaps, flips = moves
    if swaps:
        images = ops.swapaxes(images, rows, rows + 1)
    axes = tuple(rows + axis for axis, flip in enumerate(flips) if flip)
    return ops.flip(images, axes) if axes else images


def turn_vectors(vectors: Tensor, matrix: np.ndarray, axis: int) -> Tensor:
    """Multiplies the pairs of components along an axis by a matrix.

    Channels are taken one by one: a gather along channels cannot be exported from PyTorch, and a
    product with a matrix would round where entries are zeros, ones and minus ones.
    """
    axis %= len(vectors.shape)
    before = (slice(None),) * axis
    turned = []
    for component in range(vectors.shape[axis]):
        first = component - component % 2
        parts = [
            _times(vectors[(*before, slice(source, source + 1))], float(factor))
            for source, factor in enumerate(matrix[component % 2], start=first)
            if factor
        ]
        turned.append(parts[0] if len(parts) == 1 else parts[0] + parts[1])
    return ops.concatenate(turned, axis=axis)


def _times(channel: Tensor, factor: float) -> Tensor:
    if factor == 1:
        return channel
    return ops.negative(channel) if factor == -1 else channel * factor
