"""Sizes of maps that are unknown while a graph is traced or exported."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from keras_gcnn.backend.ops import on
from keras_gcnn.types import Shape, Tensor

if on("tensorflow"):
    from keras_gcnn.backend.tensorflow import sizes as tensorflow_sizes


class SizeChecked(Protocol):
    """A layer whose window fits some sizes of its input and not others."""

    name: str
    data_format: str
    equivariance: str
    strides: tuple[int, int]

    @property
    def extents(self) -> tuple[int, int]:
        """Rows and columns of the window, dilation included."""

    @property
    def smallest_sizes(self) -> tuple[int, int]:
        """The smallest rows and columns on which the window fits."""

    def sizes(self, input_shape: Shape) -> tuple[int | None, int | None]:
        """Rows and columns of an input shape."""

    def check_sizes(self, input_shape: Shape) -> None:
        """Raises if the window does not fit; warns or raises if it breaks equivariance."""

    def equivariance_problem(self, input_shape: Shape) -> tuple[str, str] | None:
        """What breaks equivariance on a shape, and what to do; None if nothing does."""


def check_sizes(layer: SizeChecked, maps: Tensor, report: Callable[..., None]) -> None:
    """Calls `layer.check_sizes` for the shape of its input.

    Where TensorFlow traces a graph for any size, the graph checks the sizes when it runs.

    Args:
        layer: the layer.
        maps: its input.
        report: called with the layer, the problem, the remedy and `layer.equivariance` if the sizes
            would go unchecked; warns or raises.
    """
    if on("tensorflow") and tensorflow_sizes.supports(layer, maps, report):
        tensorflow_sizes.check(layer, maps, report)
    else:
        layer.check_sizes(maps.shape)


def check_square(maps: Tensor, rows: int, message: str) -> None:
    """Raises an error with a message unless maps have as many rows as columns.

    Where TensorFlow traces a graph for any size, the graph checks the sizes when it runs. In an
    export sizes may be unknown; then nothing is checked.

    Args:
        maps: the maps.
        rows: axis of the rows; the columns follow.
        message: the sentences of the error.

    Raises:
        ValueError: if the sizes are known and differ.
    """
    sizes = tuple(maps.shape[rows : rows + 2])
    if all(isinstance(size, int) for size in sizes):
        if sizes[0] != sizes[1]:
            raise ValueError(f"{message} The shape is {tuple(maps.shape)}.")
    elif on("tensorflow"):
        tensorflow_sizes.check_square(maps, rows, message)


def check_multiples(maps: Tensor, rows: int, multiple: int, message: str) -> Tensor:
    """Returns maps whose unknown rows and columns have to be multiples of a number.

    Where TensorFlow traces a graph for any size, the graph checks them when it runs, before it uses
    what is returned. In an export nothing is checked, nor are sizes that are known.

    Args:
        maps: the maps.
        rows: axis of the rows; the columns follow.
        multiple: the number.
        message: the sentences of the error.
    """
    if on("tensorflow") and None in tuple(maps.shape[rows : rows + 2]):
        return tensorflow_sizes.check_multiples(maps, rows, multiple, message)
    return maps


def is_symbol(size: Any) -> bool:
    """Whether a size is a symbol in an export by JAX, which cannot be the length of a choice."""
    return on("jax") and not isinstance(size, int)
