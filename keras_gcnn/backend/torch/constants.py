"""NumPy in the graphs of PyTorch's compiler."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch


def constant(array: np.ndarray) -> torch.Tensor:
    """A tensor that shares the memory of a NumPy array."""
    return torch.from_numpy(array)


def outside_graphs(function: Callable) -> Callable:
    """A function that the compiler calls while it makes a graph, which holds the result."""
    return torch.compiler.assume_constant_result(function)
