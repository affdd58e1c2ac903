"""Initial weights, drawn by programs that JAX does not optimize, since each runs once.

JAX compiles the random numbers of an initializer again for every shape of a weight, and spends ten
times as long on optimizing that program as on everything else. Compiler options of this one
program, rather than of the process, leave other threads alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import jax
import keras
import numpy as np

from keras_gcnn.types import Shape, Tensor

_OPTIONS = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
_SEEDS = range(2**32)  # Keras turns these into a key without changing them


def supports(initializer: Callable) -> bool:
    """Whether an initializer is Keras's and draws numbers from a seed."""
    seed = getattr(initializer, "seed", None)
    stock = type(initializer).__module__.startswith("keras.")
    return stock and isinstance(seed, int) and seed in _SEEDS


def drawn_once(initializer: Callable) -> Callable:
    """An initializer with the same numbers that is compiled quickly."""
    return partial(_draw, initializer)


def _draw(initializer: Any, shape: Shape, dtype: str | None = None) -> jax.Array:
    config = json.dumps({**initializer.get_config(), "seed": 0}, sort_keys=True)
    dtype = keras.backend.standardize_dtype(dtype)
    program = _program(initializer.from_config, config, tuple(shape), dtype)
    try:
        return program(np.array([initializer.seed, 0], "uint32"))
    except ValueError:  # inside another program JAX takes no options
        return initializer(shape, dtype=dtype)


@lru_cache(maxsize=256)
def _program(from_config: Callable, config: str, shape: tuple[int, ...], dtype: str) -> Callable:
    def draw(key: Tensor) -> Tensor:
        initializer = from_config(json.loads(config))
        initializer.seed = key
        return initializer(shape, dtype=dtype)

    return jax.jit(draw, compiler_options=_OPTIONS)
