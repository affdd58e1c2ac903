"""Constants made by NumPy, which PyTorch's compiler follows only where they are prepared for it."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np


def constant(array: np.ndarray):
    """A NumPy array as `keras.ops` takes it.

    `torch.compile` does not follow Keras into the types of an array and would compile the layer in
    pieces, in one of which it then fails.
    """
    if keras.backend.backend() != "torch":
        return array
    import torch

    return torch.from_numpy(array)


def outside_graphs(function: Callable) -> Callable:
    """Marks a function of NumPy that PyTorch's compiler calls when it makes a graph.

    Left to itself it follows the function into NumPy, where it does not know the sizes of what is
    picked by a condition.
    """
    if keras.backend.backend() != "torch":
        return function
    import torch

    return torch.compiler.assume_constant_result(function)
