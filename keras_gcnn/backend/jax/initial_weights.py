"""Initial weights, drawn on JAX by programs that are not optimized, since each runs once.

JAX compiles the random numbers of an initializer anew for every shape of a weight, and spends ten
times as long on optimizing that program as on all else. Options of the one program, and not of all
that JAX compiles, leave other threads alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache, partial

import keras
import numpy as np

_OPTIONS = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
_SEEDS = range(2**32)  # those that Keras turns into a key as they are


def drawn_once(initializer: Callable | None) -> Callable | None:
    """An initializer with the same numbers that is compiled quickly.

    Those that draw nothing, or are not of Keras, are returned as they are.
    """
    if keras.backend.backend() != "jax" or not type(initializer).__module__.startswith("keras."):
        return initializer
    seed = getattr(initializer, "seed", None)
    return partial(_draw, initializer) if isinstance(seed, int) and seed in _SEEDS else initializer


def call_new(layer: keras.Layer, inputs):
    """Calls a layer of stock layers' weights for the first time, drawn by `drawn_once`.

    Args:
        layer: the layer; it and the layers that are its attributes keep their initializers.
        inputs: what it is called with.
    """
    parts = [layer, *(value for value in vars(layer).values() if isinstance(value, keras.Layer))]
    kept = [
        (part, name, value)
        for part in parts
        for name, value in vars(part).items()
        if isinstance(value, keras.initializers.Initializer)
    ]
    try:
        for part, name, initializer in kept:
            setattr(part, name, drawn_once(initializer))
        return layer(inputs)
    finally:
        for part, name, initializer in kept:
            setattr(part, name, initializer)


def _draw(initializer, shape, dtype=None):
    config = json.dumps({**initializer.get_config(), "seed": 0}, sort_keys=True)
    dtype = keras.backend.standardize_dtype(dtype)
    program = _program(type(initializer), config, tuple(shape), dtype)
    try:
        return program(np.array([initializer.seed, 0], "uint32"))
    except ValueError:  # inside another program JAX takes no options
        return initializer(shape, dtype=dtype)


@lru_cache(maxsize=256)
def _program(kind: type, config: str, shape: tuple[int, ...], dtype: str) -> Callable:
    import jax

    def draw(key):
        initializer = kind.from_config(json.loads(config))
        initializer.seed = key
        return initializer(shape, dtype=dtype)

    return jax.jit(draw, compiler_options=_OPTIONS)
