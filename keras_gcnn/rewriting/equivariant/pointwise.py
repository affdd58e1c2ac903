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
    """Whether a layer with one input commutes with every exchange of positions and channels.

    A copy with fresh weights is tried on random maps, in inference and in the dtype of the layer.
    """
    if len(args) != 1 or not isinstance(args[0], keras.KerasTensor) or kwargs.get("training"):
        return False
    shape = args[0].shape[1:]
    sizes = tuple(size or trial for size, trial in zip(shape, _SIZES, strict=False))
    try:
        return treats_all_alike(_copy(operation), sizes, channel_axis)
    except (TypeError, ValueError):  # it cannot be made anew
        return False


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
        if len(sizes) != 3:
            return True
        rows, columns = (2, 3) if channel_axis == 1 else (1, 2)
        return _same(first.swapaxes(rows, columns), _call(call, maps.swapaxes(rows, columns)))
    except (TypeError, ValueError, RuntimeError):  # it does not take maps of these sizes
        return False


def _call(call: Callable, maps: np.ndarray) -> np.ndarray:
    tensor = keras.ops.convert_to_tensor(np.ascontiguousarray(maps))
    return keras.ops.convert_to_numpy(call(tensor))


def _same(first: np.ndarray, second: np.ndarray) -> bool:
    return first.shape == second.shape and bool(np.abs(first - second).max() <= _EXACT)


def _copy(operation: keras.Operation) -> Any:
    if not isinstance(operation, keras.Layer):
        return operation
    return made_anew(operation)
