"""What transposed convolutions share: which output they give, and when it is exact."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops

from keras_gcnn.arguments import as_count
from keras_gcnn.backend.ops import convolve_transposed
from keras_gcnn.layers.common.window import WindowConvolution
from keras_gcnn.types import Shape, Size2D, Tensor


class TransposedWindow(WindowConvolution):
    """Makes a convolution a transposed one; goes before it among the bases of a class."""

    def __init__(self, *args: Any, output_padding: Size2D | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.output_padding = self._check_output_padding(output_padding)

    def _check_output_padding(self, value) -> tuple[int, int] | None:
        if value is None:
            return None
        values = value if isinstance(value, list | tuple | np.ndarray) else (value, value)
        pair = tuple(0 if one is not False and one == 0 else as_count(one) for one in values)
        if len(pair) != 2 or any(
            one is None or one >= stride for one, stride in zip(pair, self.strides, strict=True)
        ):
            raise ValueError(
                f"output_padding={value!r} has to be an integer from 0 to below the stride, or two "
                f"of them for rows and columns; strides={self.strides}. Leave it out for the "
                "usual size."
            )
        for size, dilation, one in zip(self.kernel_size, self.dilation_rate, pair, strict=True):
            if self.padding == "same" and ((size - 1) * dilation + 1) % 2 == 0 and one == 0:
                raise ValueError(  # TensorFlow refuses it, and the others disagree with its rule
                    f'output_padding={value!r} with padding="same" and a kernel of an even size '
                    f"({self.kernel_size}) has to be at least 1. Leave it out for the usual size."
                )
        return pair

    @property
    def smallest_sizes(self) -> tuple[int, int]:
        """Rows and columns that the layer needs: it has no window that slides over the input."""
        return 1, 1

    def _cut_off(self, axis: int) -> tuple[int, int]:
        """How many rows or columns are cut off before and after; below zero, zeros are added.

        The same rule as in Keras, whose backends all follow TensorFlow's.
        """
        stride = self.strides[axis]
        extent = (self.kernel_size[axis] - 1) * self.dilation_rate[axis] + 1
        if self.padding == "valid":
            added = max(stride - extent, 0)
            return 0, -(added if self.output_padding is None else self.output_padding[axis])
        total = extent - stride
        if self.output_padding is not None:
            total = extent - extent % 2 - self.output_padding[axis]
        before = max(total // 2, 0)
        return before, total - before

    def equivariance_problem(self, input_shape: Shape) -> tuple[str, str] | None:
        """Why the layer would not be equivariant on this shape, and the fix; None if it is."""
        found = self._problem_of_arguments()
        return None if found and self._is_exact_on(self.sizes(input_shape)) else found

    def _problem_of_arguments(self) -> tuple[str, str] | None:
        """Why the layer is not equivariant, but for the smallest sizes, and the fix; or None."""
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
        """Whether it writes to the same places however an input of these sizes is turned.

        With a kernel or an input of one place it may, whatever the arguments are.
        """
        if None in sizes:
            return False
        rows, columns = ([self._places(axis, size) for size in sizes] for axis in (0, 1))
        for (places, number), reverses in zip(
            (rows[0], columns[1]), self.symmetry.reverses_axis, strict=True
        ):
            mirrored = np.where(places < 0, -1, number - 1 - places)[::-1, ::-1]
            if reverses and not np.array_equal(places, mirrored):
                return False
        return not self.symmetry.swaps_axes or all(
            one[1] == other[1] and np.array_equal(one[0], other[0])
            for one, other in zip(rows, columns, strict=True)
        )

    def _places(self, axis: int, size: int) -> tuple[np.ndarray, int]:
        """Where each place of the input adds each of the kernel, and the size of the output.

        It is -1 where that is cut off.
        """
        before, _ = self._cut_off(axis)
        first = np.arange(size)[:, None] * self.strides[axis] - before
        places = first + np.arange(self.kernel_size[axis]) * self.dilation_rate[axis]
        number = self._output_size(axis, size)
        return np.where((places >= 0) & (places < number), places, -1), number

    def _output_size(self, axis: int, size: int) -> int:
        extent = (self.kernel_size[axis] - 1) * self.dilation_rate[axis] + 1
        return (size - 1) * self.strides[axis] + extent - sum(self._cut_off(axis))

    def _remedy(self) -> str:
        """Arguments with which equally many rows would be cut off at both borders."""
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
        """The ordinary kernel that the layer applies.

        Returns:
            Array of shape `(rows, columns, channels_out, channels_in)`, what a stock
            `keras.layers.Conv2DTranspose` would hold.
        """
        return super().expanded_kernel()

    def get_config(self) -> dict:
        return {**super().get_config(), "output_padding": self.output_padding}
