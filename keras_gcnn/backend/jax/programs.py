"""Functions of many small operations, which JAX would compile one by one."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from numbers import Integral

import jax
import keras
from jax import numpy as jnp

from keras_gcnn.types import Seed, Tensor


def compiled(function: Callable) -> Callable:
    """Compiles a function to one program for each shape of its tensors.

    Args:
        function: takes tensors, or lists of them, as its positional arguments; its keyword-only
            arguments are hashable.
    """
    parameters = inspect.signature(function).parameters
    static = [name for name, item in parameters.items() if item.kind is item.KEYWORD_ONLY]
    return jax.jit(function, static_argnames=static)


def drawn_seed(seed: Seed) -> Tensor:
    """The two numbers of a seed, which a compiled function can take; a `SeedGenerator` moves on."""
    if isinstance(seed, Integral):
        return jnp.array([seed, 0], "uint32")  # as Keras does
    if isinstance(seed, keras.random.SeedGenerator):
        return seed.next()
    return keras.random.randint((2,), 0, 2**31 - 1, seed=seed).astype("uint32")
