"""Tries out whether an unknown layer treats all channels and positions alike."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

_SIZES = (4, 4, 8)  # of the map on which a layer is tried
_EXACT = 1e-6


def is_pointwise(operation: keras.Operation, args: tuple, kwargs: dict) -> bool:
    """Whether a layer with one input commutes with every exchange of positions and channels.

    A copy with fresh weights is tried on random maps, in inference and in the dtype of the layer.
    """
    if len(args) != 1 or not isinstance(args[0], keras.KerasTensor) or kwargs.get("training"):
        return False
    shape = args[0].shape
    rng = np.random.default_rng(0)
    known = [size or trial for size, trial in zip(shape[1:], _SIZES, strict=False)]
    maps = rng.normal(size=(2, *known)).astype("float32")
    orders = [rng.permutation(size) for size in known]
    grid = np.ix_(np.arange(2), *orders)
    try:
        call = _copy(operation)
        first, second = (keras.ops.convert_to_numpy(call(each)) for each in (maps, maps[grid]))
    except (TypeError, ValueError):
        return False
    return first.shape == maps.shape and bool(np.abs(first[grid] - second).max() <= _EXACT)


def _copy(operation: keras.Operation) -> Any:
    if not isinstance(operation, keras.Layer):
        return operation
    return type(operation).from_config(operation.get_config())
