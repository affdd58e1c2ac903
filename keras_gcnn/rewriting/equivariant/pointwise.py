"""Tries out whether an unknown layer or function treats all channels and positions alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_gcnn.rewriting.equivariant.configs import made_anew

_SIZES = (4, 4, 8)  # of the map on which a layer is tried
_EXACT = 1e-6


def is_pointwise(operation: keras.Operation, args: tuple, kwargs: dict, channel_axis: int) -> bool:
    """Whether a layer of one tensor, and of numbers, commutes with exchanges along all axes.

    A copy with fresh weights is tried on random maps, in inference and in the dtype of the layer.
    """
    leaves = keras.tree.flatten((args, kwargs))
    tensors = [leaf for leaf in leaves if isinstance(leaf, keras.KerasTensor)]
    others = [leaf for leaf in leaves if leaf is not None and not isinstance(leaf, int | float)]
    if len(tensors) != 1 or len(others) != 1:
        return False
    shape = tensors[0].shape[1:]
    sizes = tuple(size or trial for size, trial in zip(shape, _SIZES, strict=False))

    def call(maps: Any) -> Any:
        given = keras.tree.map_structure(
            lambda leaf: maps if isinstance(leaf, keras.KerasTensor) else leaf, (args, kwargs)
        )
        return copy(*given[0], **given[1])

    try:
        copy = _copy(operation)
    except (TypeError, ValueError):  # it cannot be made anew
        return False
    return treats_all_alike(call, sizes, channel_axis)


def treats_all_alike(call: Callable, sizes: tuple[int, ...], channel_axis: int) -> bool:
    """Whether a function commutes with every exchange of positions and channels.

    Args:
        call: function from a batch to a batch.
        sizes: of a map or vector, without the batch.
        channel_axis: of maps, -1 or 1.
    """
    rng = np.random.default_rng(0)
    maps = rng.normal(size=(2, *sizes)).astype("float32")
    orders = [rng.permutation(size) for size in sizes]
    grid = np.ix_(np.arange(2), *orders)
    try:
        first, second = _call(call, maps), _call(call, maps[grid])
        if first.shape != maps.shape or not _same(first[grid], second):
            return False
        if len(sizes) < 2:
            return True
        # Maps of one channel may have two axes.
        rows, columns = (2, 3) if len(sizes) > 2 and channel_axis == 1 else (1, 2)
        return _same(first.swapaxes(rows, columns), _call(call, maps.swapaxes(rows, columns)))
    except (TypeError, ValueError, RuntimeError):  # it does not take maps of these sizes
        return False


def _call(call: Callable, maps: np.ndarray) -> np.ndarray:
    tensor = keras.ops.convert_to_tensor(np.ascontiguousarray(maps))
    return keras.ops.convert_to_numpy(call(tensor)).astype("float64")


def _same(first: np.ndarray, second: np.ndarray) -> bool:
    return first.shape == second.shape and bool(np.abs(first - second).max() <= _EXACT)


def _copy(operation: keras.Operation) -> Any:
    if not isinstance(operation, keras.Layer):
        return operation
    return made_anew(operation)
