"""How exactly layers and models compute."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras

TOLERANCES = {"float64": 1e-10, "float32": 1e-5, "float16": 2e-2, "bfloat16": 1e-1}
"""Relative errors that rounding may make, by the dtype."""


def tolerance_of(target: Any) -> float:
    """Returns the relative error that rounding may make in a layer or model, or in a function.

    A model, and a layer that holds others, is as exact as the coarsest of its layers. The policy of
    the model itself is not asked: of a loaded model it can differ from that of all layers.
    """
    layers = target._flatten_layers() if isinstance(target, keras.Layer) else []
    dtypes = {layer.compute_dtype for layer in layers} & TOLERANCES.keys()
    return max(TOLERANCES[dtype] for dtype in dtypes or {keras.config.floatx()})


@contextmanager
def dtype_policy(name: str) -> Iterator[None]:
    """Lets layers that are made in the context compute in a dtype policy of Keras."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def in_float32(config: Any) -> Any:
    """Returns a configuration in which all layers compute in float32, those inside it too."""
    if isinstance(config, dict):
        return {
            name: "float32" if name == "dtype" and _is_float(value) else in_float32(value)
            for name, value in config.items()
        }
    return [in_float32(one) for one in config] if isinstance(config, list) else config


def _is_float(dtype: Any) -> bool:
    """Whether a dtype of a configuration is a policy or a name of floats."""
    if isinstance(dtype, dict):
        dtype = dtype.get("config", {}).get("name")
    return isinstance(dtype, str) and dtype.removeprefix("mixed_") in TOLERANCES
