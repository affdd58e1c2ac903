"""The orbit of images under a group, folded into the batch, and what brings outputs back.

All functions take tensors and symbolic tensors of Keras. The batch of an orbit holds the images of
the first element first, then those of the second, and so on.
"""

from __future__ import annotations

import numpy as np
from keras import ops

from keras_gcnn.groups import Group
from keras_gcnn.types import Tensor


def fold_orbit(images: Tensor, group: Group, rows: int) -> Tensor:
    """Returns the images moved by every element, `|G|` times the batch.

    Args:
        images: images of any type of number.
        group: the group.
        rows: axis of the rows; the columns follow.
    """
    moved = [move_plane(images, group, g, rows) for g in range(group.order)]
    return moved[0] if group.order == 1 else ops.concatenate(moved, axis=0)


def repeat_for_orbit(features: Tensor, group: Group) -> Tensor:
    """Returns features without positions once for every element."""
    return features if group.order == 1 else ops.concatenate([features] * group.order, axis=0)


def unfold_orbit(outputs: Tensor, group: Group) -> list[Tensor]:
    """Returns the outputs for the images that every element moved, a tensor for each element."""
    if group.order == 1:
        return [outputs]
    sizes = outputs.shape[1:]
    if all(isinstance(size, int) for size in sizes):
        # Not `ops.split`, which would fix the size of the batch in an export by PyTorch.
        split = ops.reshape(outputs, (group.order, -1, *sizes))
        return list(ops.unstack(split, group.order, axis=0))
    return list(ops.split(outputs, group.order, axis=0))


def move_plane(images: Tensor, group: Group, g: int, rows: int) -> Tensor:
    """Rotates and mirrors images as `Group.act_on_plane` does arrays."""
    swaps, flips = group.moves_on_plane(g)
    if swaps:
        images = ops.swapaxes(images, rows, rows + 1)
    axes = tuple(rows + axis for axis, flip in enumerate(flips) if flip)
    return ops.flip(images, axes) if axes else images


def turn_vectors(vectors: Tensor, matrix: np.ndarray, axis: int) -> Tensor:
    """Multiplies the pairs of components along an axis by a matrix of zeros, ones and minus ones.

    Channels are taken one by one: a gather along channels cannot be exported from PyTorch, and a
    product with a matrix would round.
    """
    axis %= len(vectors.shape)
    before = (slice(None),) * axis
    turned = []
    for component in range(vectors.shape[axis]):
        row = matrix[component % 2]
        source = component - component % 2 + int(np.argmax(np.abs(row)))
        channel = vectors[(*before, slice(source, source + 1))]
        turned.append(ops.negative(channel) if row.sum() < 0 else channel)
    return ops.concatenate(turned, axis=axis)
