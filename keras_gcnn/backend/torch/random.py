"""Random numbers in the graphs of PyTorch's compiler.

Keras makes a new generator for every call, and the compiler breaks the graph there. Without a seed
PyTorch's generator is as good; Keras's dropout uses it too.
"""

from __future__ import annotations

import keras
import torch

from keras_gcnn.types import Seed


def supports(shape: tuple, dtype: str, seed: Seed) -> bool:
    """Whether a graph is being compiled, and the user asked for no particular numbers."""
    del shape, dtype
    if not torch.compiler.is_compiling():
        return False
    generated = isinstance(seed, keras.random.SeedGenerator)
    return seed is None or (generated and seed.get_config()["seed"] is None)


def uniform(shape: tuple, dtype: str, seed: Seed) -> torch.Tensor:
    """Uniform numbers in [0, 1)."""
    del seed
    return torch.rand(shape, **_options(dtype))


def normal(shape: tuple, dtype: str, seed: Seed) -> torch.Tensor:
    """Standard normal numbers."""
    del seed
    return torch.randn(shape, **_options(dtype))


def is_recorded() -> bool:
    """Whether PyTorch exports or traces, and would store random numbers as constants."""
    return torch.compiler.is_exporting() or torch.jit.is_tracing()


def _options(dtype: str) -> dict:
    device = keras.ops.zeros(()).device
    return {"dtype": getattr(torch, keras.backend.standardize_dtype(dtype)), "device": device}
