"""Base of the layers that slide a window, which fits some sizes of the input and not others."""

from __future__ import annotations

import numpy as np

from keras_gcnn.backend.sizes import check_sizes
from keras_gcnn.groups.borders import FROM_MAP, smallest_size
from keras_gcnn.layers.common.base import MapLayer
from keras_gcnn.layers.common.map_type import Problem
from keras_gcnn.layers.common.reporting import report_broken
from keras_gcnn.types import Shape, Tensor


class SizeDependent(MapLayer):
    """Base of the layers that slide a window.

    A subclass sets `padding`, `strides` and `equivariance`.
    """

    padding: str
    strides: tuple[int, int]
    equivariance: str
    _checked_sizes: tuple[int | None, int | None] | None = None

    @property
    def extents(self) -> tuple[int, int]:
        """Rows and columns of the window, dilation included."""
        raise NotImplementedError

    @property
    def smallest_sizes(self) -> tuple[int, int]:
        """The smallest rows and columns on which the window fits."""
        rows, columns = (smallest_size(extent, self.padding) for extent in self.extents)
        return rows, columns

    def equivariance_problem(self, input_shape: Shape) -> Problem | None:
        """Returns why the layer is not equivariant on this shape, and a fix; None if it is."""
        raise NotImplementedError

    def sizes(self, input_shape: Shape) -> tuple[int | None, int | None]:
        """Returns rows and columns of an input shape; None where unknown."""
        return map_sizes(input_shape, -1 if self.data_format == "channels_last" else 1)

    def check_fits(self, input_shape: Shape) -> None:
        """Raises a `ValueError` if the input is smaller than the window, or than its padding.

        Otherwise one backend returns an empty map, another a wrong shape, and a third ends the
        process.
        """
        for size, smallest in zip(self.sizes(input_shape), self.smallest_sizes, strict=True):
            if size is not None and size < smallest:
                rows, columns = self.smallest_sizes
                raise ValueError(
                    f"{type(self).__name__} {self.name!r} needs at least {rows} rows and {columns} "
                    f"columns{self._why()}; the input has shape {tuple(input_shape)} "
                    f"({self.data_format}). Use larger images, fewer layers that shrink them "
                    "before this one, or a smaller window here."
                )

    def _why(self) -> str:
        """Returns what needs a map of a certain size, unless it is the window itself."""
        if self.padding not in FROM_MAP:
            return ""
        return f', from which padding="{self.padding}" takes what it adds at the borders'

    def check_sizes(self, input_shape: Shape) -> None:
        """Raises if the window does not fit; warns or raises if the layer is not equivariant.

        Layers call it when they are built and in every call, by `check_call`, since a layer that
        was built for one size, or for unknown sizes, can be called on another.
        """
        self.check_fits(input_shape)
        sizes = self.sizes(input_shape)
        building = self._checked_sizes is None
        if sizes == self._checked_sizes or (None in sizes and not building):
            return
        if problem := self.equivariance_problem(input_shape):
            report_broken(self, *problem, self.equivariance)
        self._checked_sizes = sizes

    def check_call(self, inputs: Tensor) -> None:
        """Calls `check_sizes` for the inputs of a call.

        Where TensorFlow traces a graph for unknown sizes, the graph checks them when it runs.
        """
        check_sizes(self, inputs, report_broken)


def map_sizes(input_shape: Shape, channel_axis: int) -> tuple[int | None, int | None]:
    """Returns rows and columns of the shape of a map; None where unknown."""
    first = 1 if channel_axis == -1 else 2
    # During an export a size can be a symbol or a tensor, which `int` would fix.
    rows, columns = (
        int(size) if isinstance(size, int | np.integer) else None
        for size in input_shape[first : first + 2]
    )
    return rows, columns
