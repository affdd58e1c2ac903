"""Dtypes of results, and those in which the distributions compute them."""

from __future__ import annotations

import keras

from keras_gcnn.types import Tensor


def result_type(*tensors: Tensor) -> str:
    """The float dtype of what is computed from tensors."""
    dtypes = [keras.backend.standardize_dtype(tensor.dtype) for tensor in tensors]
    if "float64" in dtypes:  # Keras would return float32 on JAX and PyTorch
        return "float64"
    return keras.backend.result_type(*dtypes, float)


def computed(dtype: str) -> str:
    """The dtype to compute in, for a dtype of the result."""
    return "float64" if dtype == "float64" else "float32"
