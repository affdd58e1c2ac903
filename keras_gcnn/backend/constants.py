"""NumPy in the graphs of PyTorch's compiler, which follows it only with preparation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from keras_gcnn.backend.ops import on
from keras_gcnn.types import Tensor

if on("torch"):
    from keras_gcnn.backend.torch import constants as torch_constants


def constant(array: np.ndarray) -> Tensor:
    """A NumPy array in a type that `keras.ops` takes inside a compiled graph.

    PyTorch's compiler does not follow Keras into the types of an array: it would compile the layer
    in pieces and then fail in one of them.
    """
    return torch_constants.constant(array) if on("torch") else array


def outside_graphs(function: Callable) -> Callable:
    """Decorates a NumPy function that PyTorch's compiler calls while it makes a graph.

    Otherwise the compiler would follow the function into NumPy, where it does not know the sizes of
    arrays that a condition selects.
    """
    return torch_constants.outside_graphs(function) if on("torch") else function
