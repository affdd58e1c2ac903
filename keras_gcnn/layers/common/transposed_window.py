"""Base of the transposed convolutions: the size of their output, and when it is exact."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops

from keras_gcnn.arguments import as_count
from keras_gcnn.backend.ops import convolve_transposed
from keras_gcnn.groups.borders import FROM_MAP
from keras_gcnn.layers.common.window import WindowConvolution
from keras_gcnn.types import Shape, Size2D, Tensor


class TransposedWindow(WindowConvolution):
    """Mixin that makes a convolution a transposed one; it precedes it among the bases."""

    def __init__(self, *args: Any, output_padding: Size2D | None = None, **kwargs: Any) -> None:
        if str(padding := kwargs.get("padding")).lower() in FROM_MAP:
            raise ValueError(
                f"padding={padding!r} is not available: a transposed convolution pads nothing, and "
                '`padding` says what it cuts off. Choose one of "valid", "same"; or enlarge the '
                f"map by keras.layers.UpSampling2D, with a convolution with padding={padding!r} "
                "after it."
            )
        super().__init__(*args, **kwargs)
        self.output_padding = self._check_output_padding(output_padding)

    def _check_output_padding(self, value: Any) -> tuple[int, int] | None:
        if value is None:
            return None
        values = tuple(value) if isinstance(value, list | tuple | np.ndarray) else (value, value)
        pair = tuple(
            0 if number is not False and number == 0 else as_count(number) for number in values
        )
        if len(pair) != 2 or any(
            number is None or number >= stride
            for number, stride in zip(pair, self.strides, strict=True)
        ):
            raise ValueError(
                f"output_padding={value!r} has to be an integer from 0 to below the stride, or two "
                f"of them for rows and columns; strides={self.strides}. Leave it out for the "
                "usual size."
            )
        for axis, number in enumerate(pair):
            if self.padding == "same" and self._extent(axis) % 2 == 0 and number == 0:
                raise ValueError(  # TensorFlow refuses it, and the other backends break its rule
                    f'output_padding={value!r} with padding="same" and a kernel of an even size '
                    f"({self.kernel_size}) has to be at least 1. Leave it out for the usual size."
                )
        rows, columns = (number for number in pair if number is not None)
        return rows, columns

    @property
    def smallest_sizes(self) -> tuple[int, int]:
        """One row and one column: no window slides over the input."""
        return 1, 1

    def _cut_off(self, axis: int) -> tuple[int, int]:
        """Returns how many rows or columns are cut off before and after; negative if added.

        This is the rule of Keras, whose backends all follow TensorFlow.
        """
        stride, extent = self.strides[axis], self._extent(axis)
        if self.padding == "valid":
            added = max(stride - extent, 0)
            return 0, -(added if self.output_padding is None else self.output_padding[axis])
        total = extent - stride
        if self.output_padding is not None:
            total = extent - extent % 2 - self.output_padding[axis]
        before = max(total // 2, 0)
        return before, total - before

    def equivariance_problem(self, input_shape: Shape) -> tuple[str, str] | None:
        """Returns why the layer is not equivariant on this shape, and a fix; None if it is."""
        problem = self._problem_of_arguments()
        return None if problem and self._is_exact_on(self.sizes(input_shape)) else problem

    def _problem_of_arguments(self) -> tuple[str, str] | None:
        """Returns why the layer is not equivariant except on tiny inputs, and a fix; or None."""
        if self.symmetry.swaps_axes:
            for name in ("strides", "dilation_rate", "output_padding"):
                pair = getattr(self, name)
                if pair is not None and pair[0] != pair[1]:
                    problem = f"{name}={pair} treats rows and columns differently"
                    return problem, "use the same value for rows and columns"
        for axis, reverses in enumerate(self.symmetry.reverses_axis):
            before, after = self._cut_off(axis)
            if reverses and before != after:
                change = f"cuts {before} off before and {after} after"
                if after < 0:
                    change = f"adds {-after} of zeros after"
                problem = (
                    f'padding="{self.padding}" {change} the {("rows", "columns")[axis]} '
                    f"(kernel {self.kernel_size[axis]}, stride {self.strides[axis]})"
                )
                return problem, self._remedy()
        return None

    def _is_exact_on(self, sizes: tuple[int | None, int | None]) -> bool:
        """Whether an input of these sizes adds to the same places in every pose.

        With a kernel or an input of one place this can hold for any arguments.
        """
        known = [size for size in sizes if size is not None]
        if len(known) < len(sizes):
            return False
        rows, columns = ([self._places(axis, size) for size in known] for axis in (0, 1))
        for (places, number), reverses in zip(
            (rows[0], columns[1]), self.symmetry.reverses_axis, strict=True
        ):
            mirrored = np.where(places < 0, -1, number - 1 - places)[::-1, ::-1]
            if reverses and not np.array_equal(places, mirrored):
                return False
        return not self.symmetry.swaps_axes or all(
            number == other_number and np.array_equal(places, other_places)
            for (places, number), (other_places, other_number) in zip(rows, columns, strict=True)
        )

    def _places(self, axis: int, size: int) -> tuple[np.ndarray, int]:
        """Returns where each input position adds each kernel position, and the output's size.

        Positions that are cut off are -1.
        """
        before, _ = self._cut_off(axis)
        first = np.arange(size)[:, None] * self.strides[axis] - before
        places = first + np.arange(self.kernel_size[axis]) * self.dilation_rate[axis]
        number = self._output_size(axis, size)
        return np.where((places >= 0) & (places < number), places, -1), number

    def _extent(self, axis: int) -> int:
        """Returns the length of the kernel with its gaps."""
        return (self.kernel_size[axis] - 1) * self.dilation_rate[axis] + 1

    def _output_size(self, axis: int, size: int) -> int:
        return (size - 1) * self.strides[axis] + self._extent(axis) - sum(self._cut_off(axis))

    def _remedy(self) -> str:
        """Returns arguments with which both borders lose equally many rows."""
        sizes = []
        for size, stride in zip(self.kernel_size, self.strides, strict=True):
            fitting = max(size, stride)
            odd = self.padding == "same" and (fitting - stride) % 2
            sizes.append(fitting + (1 if odd else 0))
        fixes = []
        if tuple(sizes) != self.kernel_size:
            fixes.append(f"use kernel_size={sizes[0] if len(set(sizes)) == 1 else tuple(sizes)}")
        if self.output_padding is not None:
            fixes.append("leave output_padding out")
        return " and ".join(fixes)

    def _expanded_kernel(self) -> Tensor:
        return ops.transpose(super()._expanded_kernel(), (0, 1, 3, 2))

    def _convolve(self, inputs: Tensor) -> Tensor:
        return convolve_transposed(
            inputs,
            self._expanded_kernel(),
            self.strides,
            self.padding,
            self.output_padding,
            self.data_format,
            self.dilation_rate,
        )

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        self.check_fits(input_shape)
        sizes = [
            None if size is None else self._output_size(axis, size)
            for axis, size in enumerate(self.sizes(input_shape))
        ]
        channels = self._channels(input_shape)[1]
        if self.data_format == "channels_last":
            return (input_shape[0], *sizes, channels)
        return (input_shape[0], channels, *sizes)

    def expanded_kernel(self) -> np.ndarray:
        """Returns the ordinary kernel that the layer applies.

        Returns:
            Array of shape `(rows, columns, channels_out, channels_in)`, the kernel of a stock
            `keras.layers.Conv2DTranspose`.
        """
        return super().expanded_kernel()

    def get_config(self) -> dict:
        return {**super().get_config(), "output_padding": self.output_padding}
