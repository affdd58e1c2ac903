"""Random numbers, also in the graphs of PyTorch's compiler, which breaks them at Keras's."""

from __future__ import annotations

import math

import keras
from keras import ops

from keras_gcnn.backend.ops import on
from keras_gcnn.types import Seed, Tensor

if on("torch"):
    from keras_gcnn.backend.torch import random as torch_random
elif on("jax"):
    from keras_gcnn.backend.jax import programs as jax_programs


def drawn_seed(seed: Seed) -> Seed | Tensor:
    """A seed for `uniform` and `normal` within a function that `backend.ops.compiled` made."""
    return jax_programs.drawn_seed(seed) if on("jax") else seed


def uniform(shape: tuple, dtype: str, seed: Seed) -> Tensor:
    """Uniform numbers in [0, 1), like `keras.random.uniform`."""
    if on("torch") and torch_random.supports(shape, dtype, seed):
        return torch_random.uniform(shape, dtype, seed)
    return keras.random.uniform(shape, dtype=dtype, seed=seed)


def normal(shape: tuple, dtype: str, seed: Seed) -> Tensor:
    """Standard normal numbers, like `keras.random.normal`."""
    if on("torch") and torch_random.supports(shape, dtype, seed):
        return torch_random.normal(shape, dtype, seed)
    return keras.random.normal(shape, dtype=dtype, seed=seed)


def normal_vectors(shape: tuple, dim: int, dtype: str, seed: Seed) -> Tensor:
    """Normal vectors up to a common scale, along a new last axis of length `dim`."""
    if on("torch"):
        return normal((*shape, dim), dtype, seed)
    # Uniform numbers and the method of Box & Muller 1958 take less time.
    numbers = uniform((2, *shape, (dim + 1) // 2), dtype, seed)
    squared, angle = ops.unstack(numbers, axis=0)
    length, angle = ops.sqrt(-ops.log(1 - squared)), 2 * math.pi * angle
    return ops.concatenate([length * ops.cos(angle), length * ops.sin(angle)], axis=-1)[..., :dim]


def breaks_graph(seed: Seed) -> bool:
    """Whether Keras's random numbers would break a graph that PyTorch compiles now.

    Where the user asked for particular numbers, this is False: only Keras draws them.
    """
    return on("torch") and torch_random.supports((), "float32", seed)


def is_recorded() -> bool:
    """Whether PyTorch exports or traces, and would store random numbers as constants."""
    return on("torch") and torch_random.is_recorded()
