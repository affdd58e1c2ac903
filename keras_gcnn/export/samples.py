"""Random images on which the file is compared with the network."""

from __future__ import annotations

import warnings
from typing import Any, Literal

import keras
import numpy as np

from keras_gcnn.backend.stateless import without_trace
from keras_gcnn.export.checks import inputs_of
from keras_gcnn.layers.common.reporting import EquivarianceWarning

_BATCHES = (1, 3)  # two sizes, so that a fixed batch is noticed
# Rows and columns to try where the model leaves them open: each number, and the next few.
_SIZES = (32, 64, 128, 256, 512)
_NEXT = 8


def samples_of(model: keras.Model, scale: float | None = None) -> list[np.ndarray]:
    """Returns two batches of random images in the model's size.

    If the model leaves the size open and accepts both, one batch has an even and the other an odd
    number of rows, so that a fixed size is noticed.

    Args:
        model: Keras model with one input, or an autoencoder.
        scale: by which the file multiplies images. Where it makes them smaller, those returned are
            as much larger, so that the network gets numbers from 0 to 1 in any case.

    Raises:
        Exception: the model's own error, if it fails on every size that was tried.
    """
    is_open = None in inputs_of(model)[0].shape[1:]
    sizes = _fitting_sizes(model) if is_open else (None, None)
    images = [_sample(model, batch, size) for batch, size in zip(_BATCHES, sizes, strict=True)]
    return images if scale is None else [each / min(scale, 1) for each in images]


def _fitting_sizes(model: keras.Model) -> tuple[int, int]:
    """Returns two sizes that the model accepts, preferably such that it is equivariant on them."""
    failure: Exception | None = None
    actions: tuple[Literal["error", "ignore"], ...] = ("error", "ignore")
    for action in actions:
        for smallest in _SIZES:
            fitting: list[int] = []
            for size in range(smallest, smallest + _NEXT):
                try:
                    _try(model, size, action)
                except Exception as error:  # each backend raises errors of its own
                    failure = error
                    continue
                fitting.append(size)
                if (size - fitting[0]) % 2:
                    return fitting[0], size
            if len(fitting) > 1:
                return fitting[0], fitting[1]
    raise failure or ValueError(f"{model.name!r} accepts images of one size only.")


def _try(model: keras.Model, size: int, action: Literal["error", "ignore"]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter(action, EquivarianceWarning)
        without_trace(model)(_sample(model, 1, size))


def _sample(model: keras.Model, batch: int, open_size: int | None = None) -> np.ndarray:
    inputs = inputs_of(model)[0]
    shape: list[Any] = [batch, *(size or open_size for size in inputs.shape[1:])]
    dtype = keras.backend.standardize_dtype(inputs.dtype)
    generator = np.random.default_rng(batch)
    if keras.backend.is_int_dtype(dtype):
        return generator.integers(0, 128 if dtype == "int8" else 256, shape).astype(dtype)
    return generator.random(shape).astype(dtype)
