"""Random numbers, which PyTorch's compiler follows where no seed was given."""

from __future__ import annotations

import keras


def uniform(shape: tuple, dtype: str, seed):
    """Uniform numbers in [0, 1), as of `keras.random.uniform`."""
    if in_a_graph(seed):
        import torch

        return torch.rand(shape, **_form(dtype))
    return keras.random.uniform(shape, dtype=dtype, seed=seed)


def normal(shape: tuple, dtype: str, seed):
    """Standard normal numbers, as of `keras.random.normal`."""
    if in_a_graph(seed):
        import torch

        return torch.randn(shape, **_form(dtype))
    return keras.random.normal(shape, dtype=dtype, seed=seed)


def in_a_graph(seed) -> bool:
    """Whether a graph is compiled and nobody asked for certain numbers.

    Keras draws from a generator of its own for every call, at which the compiler breaks the graph.
    Without a seed PyTorch's generator is as good; Keras's own dropout uses it too.
    """
    if keras.backend.backend() != "torch":
        return False
    import torch

    if not torch.compiler.is_compiling():
        return False
    generated = isinstance(seed, keras.random.SeedGenerator)
    return seed is None or (generated and seed.get_config()["seed"] is None)


def _form(dtype: str) -> dict:
    import torch

    where = keras.ops.zeros(()).device
    return {"dtype": getattr(torch, keras.backend.standardize_dtype(dtype)), "device": where}
