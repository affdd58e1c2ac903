"""Pooling over positions that is exactly equivariant at even and at odd sizes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import keras
from keras import ops

from keras_gcnn import groups
from keras_gcnn.arguments import check_choice, check_pair
from keras_gcnn.layers.common.base import as_numbers
from keras_gcnn.layers.common.map_type import MapType, Problem
from keras_gcnn.layers.common.open_sizes import Pool, pool_exactly
from keras_gcnn.layers.common.size_dependent import SizeDependent
from keras_gcnn.layers.common.stock_rule import maximum_of_fields
from keras_gcnn.types import Shape, Size2D, Tensor


class ExactPooling2D(SizeDependent):
    """Base of `GMaxPooling2D` and `GAveragePooling2D`.

    A subclass sets the stock pooling that computes a window in `_pool`, and in `_is_maximum`
    whether it takes the maximum.
    """

    _pool: Callable[..., Tensor]
    _is_maximum: bool

    def __init__(
        self,
        pool_size: Size2D | None = None,
        strides: Size2D | None = None,
        padding: str = "valid",
        data_format: str | None = None,
        *,
        equivariance: str = "warn",
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.pool_size = None if pool_size is None else check_pair("pool_size", pool_size)
        self.strides = check_pair("strides", (self.pool_size or 2) if strides is None else strides)
        self.padding = check_choice("padding", str(padding).lower(), ("valid", "same"))
        if self.pool_size is None and self.padding == "same":
            raise ValueError(
                'padding="same" needs a pool_size. Leave padding out for the exact pooling, whose '
                "window leaves nothing to pad."
            )
        self.equivariance = check_choice("equivariance", equivariance, ("warn", "strict", "ignore"))
        self.input_spec = keras.layers.InputSpec(ndim=4)

    @property
    def extents(self) -> tuple[int, int]:
        """Rows and columns of the window; of the smallest one if the size of the input decides."""
        return self.pool_size or self.strides

    def equivariance_problem(self, input_shape: Shape) -> Problem | None:
        """Returns why the layer is not equivariant on this shape, and a fix; None if it is."""
        sizes = self.sizes(input_shape)
        if self.pool_size is None:
            return self._problem_of_strides(sizes)
        # The layer does not know the group of its input, so it has to be exact for the largest.
        case = (groups.get("p4m"), sizes, self.pool_size, self.strides, self.padding)
        # Where one side is padded more, Keras's average on PyTorch repeats the border, so that the
        # positions of a window do not count equally.
        equal_weights = self._is_maximum or self.padding == "valid"
        problem = groups.window_problem(*case, pooling=equal_weights)
        if problem is None:
            return None
        fix = "leave pool_size out, so that the window fits every size"
        if nearest := groups.nearest_exact_sizes(*case, pooling=equal_weights):
            fix = f"use inputs of {nearest}, or {fix}"
        return problem, fix

    def _problem_of_strides(self, sizes: Sequence[int | None]) -> Problem | None:
        """Returns the problem of exact windows with different strides along rows and columns."""
        if self.strides[0] == self.strides[1]:
            return None
        known = [size for size in sizes if size is not None]
        one_window = all(size // stride == 1 for size in known for stride in self.strides)
        if len(known) == len(sizes) and one_window:
            return None  # a single window covers every pose of the image
        problem = f"strides={self.strides} treats rows and columns differently"
        return problem, "use the same value for rows and columns"

    def window(self, input_shape: Shape) -> tuple[int, int] | None:
        """Returns rows and columns of the window; None if they depend on an unknown size."""
        if self.pool_size is not None:
            return self.pool_size
        rows, columns = self.sizes(input_shape)
        if rows is None or columns is None:
            return None
        return (
            groups.exact_window(rows, self.strides[0]),
            groups.exact_window(columns, self.strides[1]),
        )

    def build(self, input_shape: Shape) -> None:
        self.check_sizes(input_shape)
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        self.check_call(inputs)
        inputs, window = as_numbers(inputs, self.compute_dtype), self.window(inputs.shape)
        pool = partial(self._pool, data_format=self.data_format)
        if window is None:
            return self.pool_open_size(inputs, lambda maps, pair: pool(maps, pair, pair))
        return pool(inputs, window, strides=self.strides, padding=self.padding)

    def pool_open_size(self, inputs: Tensor, pool: Pool) -> Tensor:
        """Pools with the exact window on maps of an unknown size.

        Args:
            inputs: tensor, which may be symbolic.
            pool: function of maps and a window that returns the stock pooling with this window, an
                equal stride and no padding.
        """
        first_axis = 1 if self.channel_axis == -1 else 2
        return pool_exactly(inputs, self.strides, first_axis, pool, self._is_maximum)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        self.check_fits(input_shape)
        window = self.window(input_shape)
        sizes: list[int | None] = []
        for axis, (size, stride) in enumerate(
            zip(self.sizes(input_shape), self.strides, strict=True)
        ):
            if size is None:
                sizes.append(None)
            elif self.padding == "same":
                sizes.append(-(-size // stride))
            else:
                length = groups.exact_window(size, stride) if window is None else window[axis]
                sizes.append((size - length) // stride + 1)
        if self.data_format == "channels_last":
            return (input_shape[0], *sizes, input_shape[3])
        return (input_shape[0], input_shape[1], *sizes)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "pool_size": self.pool_size,
            "strides": self.strides,
            "padding": self.padding,
            "equivariance": self.equivariance,
        }


_ARGUMENTS = """
    The windows visit the same places when the image is rotated or mirrored, at even and at odd
    sizes, since the size decides how large the window is: with stride 2 it is 2 on an even and 3
    on an odd size, without padding. The layer treats every channel by itself and so serves every
    group of the pixel grid, and the plane.

    Args:
        pool_size: int or pair of ints, or None (default) for the exact window. If a pool_size is
            not exact on the size of the input, `equivariance` decides what happens.
        strides: int or pair of ints; default `pool_size` if given, else 2.
        padding: `"valid"`, or `"same"` together with a `pool_size`.
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's configuration.
        equivariance: what to do when the layer is built for, or called on, a size on which it is
            not equivariant: `"warn"`, `"strict"` (raise) or `"ignore"`.
        **kwargs: arguments of `keras.Layer`.

    Input shape:
        `(batch, rows, columns, channels)`, or channels first.

    Output shape:
        `(batch, rows // strides, columns // strides, channels)` with the exact window.

    The size may be unknown when the layer is built, as in `keras.Input((None, None, 1))`.

    Raises:
        ValueError: if the input is smaller than the window, or, with `equivariance="strict"`, for a
            window that is not exact on its size.
"""


@keras.saving.register_keras_serializable(package="keras_gcnn")
class GMaxPooling2D(ExactPooling2D):
    __doc__ = f"""Maximum over windows of positions, exactly equivariant at every size.

    Maps of `Fields` have no maximum, and the layer warns of them: for these use
    `SteerableAveragePooling2D`.
{_ARGUMENTS}
    Example:

    >>> import numpy as np
    >>> from keras_gcnn.layers import GMaxPooling2D
    >>> GMaxPooling2D()(np.zeros((1, 29, 29, 8))).shape[1]
    14
    """
    _pool = staticmethod(ops.max_pool)
    _is_maximum = True

    def problem_on(self, given: MapType) -> Problem | None:
        """Returns what the layer breaks on fields, and the fix."""
        return maximum_of_fields(given) if given.steerable and not given.ordinary else None


@keras.saving.register_keras_serializable(package="keras_gcnn")
class GAveragePooling2D(ExactPooling2D):
    __doc__ = f"""Average over windows of positions, exactly equivariant at every size.
{_ARGUMENTS}
    Example:

    >>> import numpy as np
    >>> from keras_gcnn.layers import GAveragePooling2D
    >>> GAveragePooling2D()(np.zeros((1, 28, 28, 8))).shape[1]
    14
    """
    _pool = staticmethod(ops.average_pool)
    _is_maximum = False
