"""Pooling over positions that commutes with turns and mirrors at even and at odd sizes."""

from __future__ import annotations

import keras
from keras import ops

from keras_gcnn import groups
from keras_gcnn.arguments import check_choice, check_pair
from keras_gcnn.layers.common.base import MapLayer, SizeDependent, as_numbers
from keras_gcnn.layers.common.open_sizes import Pool, pool_exactly


class GroupPooling2D(SizeDependent, MapLayer):
    """What `GMaxPooling2D` and `GAveragePooling2D` have in common; use one of those."""

    def __init__(
        self,
        pool_size: int | tuple[int, int] | None = None,
        strides: int | tuple[int, int] | None = None,
        padding: str = "valid",
        data_format: str | None = None,
        *,
        equivariance: str = "warn",
        **kwargs,
    ):
        super().__init__(data_format=data_format, **kwargs)
        self.pool_size = None if pool_size is None else check_pair("pool_size", pool_size)
        self.strides = check_pair("strides", (self.pool_size or 2) if strides is None else strides)
        self.padding = check_choice("padding", str(padding).lower(), ("valid", "same"))
        if self.pool_size is None and self.padding == "same":
            raise ValueError(
                'padding="same" needs a pool_size. Leave padding out for the exact pooling, whose '
                "window is chosen so that nothing has to be padded."
            )
        self.equivariance = check_choice("equivariance", equivariance, ("warn", "strict", "ignore"))
        self.input_spec = keras.layers.InputSpec(ndim=4)

    @property
    def smallest_sizes(self) -> tuple[int, int]:
        """Rows and columns of the pool; those of the smallest one if it is chosen by the size."""
        return self.pool_size or self.strides

    def equivariance_problem(self, input_shape: tuple[int | None, ...]) -> tuple[str, str] | None:
        """Why the layer would not be equivariant on this shape, and the fix; None if it is."""
        sizes = self.sizes(input_shape)
        if self.pool_size is None:
            return self._problem_of_strides(sizes)
        # Pooling does not know the group of its input, so it answers for the largest one.
        case = (groups.get("p4m"), sizes, self.pool_size, self.strides, self.padding)
        # Keras's average repeats the border on PyTorch where it pads one side more than the other.
        alike = self._is_maximum or self.padding == "valid"
        problem = groups.window_problem(*case, pooling=alike)
        if problem is None:
            return None
        fix = "leave pool_size out, so that the window fits every size"
        if nearest := groups.nearest_exact_sizes(*case, pooling=alike):
            fix = f"use inputs of {nearest}, or {fix}"
        return problem, fix

    def _problem_of_strides(self, sizes) -> tuple[str, str] | None:
        """What is wrong with exact windows that have another stride along rows than columns."""
        if self.strides[0] == self.strides[1]:
            return None
        if None not in sizes and all(n // stride == 1 for n in sizes for stride in self.strides):
            return None  # one window covers all, however the image is turned
        problem = f"strides={self.strides} treats rows and columns differently"
        return problem, "use the same value for rows and columns"

    def window(self, input_shape: tuple[int | None, ...]) -> tuple[int, int] | None:
        """Rows and columns of the pool on this input shape, or None if an unknown size matters."""
        if self.pool_size is not None:
            return self.pool_size
        sizes = self.sizes(input_shape)
        if None in sizes:
            return None
        return tuple(
            groups.exact_window(size, stride)
            for size, stride in zip(sizes, self.strides, strict=True)
        )

    def build(self, input_shape):
        self.check_sizes(input_shape)
        self.built = True

    def call(self, inputs):
        self.check_call(inputs)
        inputs, window = as_numbers(inputs, self.compute_dtype), self.window(inputs.shape)
        form = {"data_format": self.data_format}
        if window is None:
            return self.pool_open_size(
                inputs, lambda maps, pair: self._pool(maps, pair, pair, **form)
            )
        return self._pool(inputs, window, strides=self.strides, padding=self.padding, **form)

    def pool_open_size(self, inputs, pool: Pool):
        """Pools with the exact window on maps of an unknown size.

        Args:
            inputs: tensor, also one of Keras's graphs.
            pool: function of maps and a window that is a stock pooling with that window and stride,
                without padding.
        """
        first_axis = 1 if self.channel_axis == -1 else 2
        return pool_exactly(inputs, self.strides, first_axis, pool, self._is_maximum)

    def compute_output_shape(self, input_shape):
        self.check_fits(input_shape)
        window = self.window(input_shape)
        spatial = []
        for axis, (size, stride) in enumerate(
            zip(self.sizes(input_shape), self.strides, strict=True)
        ):
            if size is None:
                spatial.append(None)
            elif self.padding == "same":
                spatial.append(-(-size // stride))
            else:
                length = groups.exact_window(size, stride) if window is None else window[axis]
                spatial.append((size - length) // stride + 1)
        if self.data_format == "channels_last":
            return (input_shape[0], *spatial, input_shape[3])
        return (input_shape[0], input_shape[1], *spatial)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "pool_size": self.pool_size,
            "strides": self.strides,
            "padding": self.padding,
            "equivariance": self.equivariance,
        }


_ARGUMENTS = """
    The windows visit the same places when the image is turned or mirrored, at even and at odd
    sizes, since the window is chosen by the size: with stride 2 it is 2 on an even and 3 on an odd
    size, without padding. Channels are left alone, so the layer serves every group and the plane.

    Args:
        pool_size: int or pair of ints, or None (default) for the exact window. A pool_size that
            is not exact on the input's size is reported as `equivariance` says.
        strides: int or pair of ints; `pool_size` if that is given, else 2.
        padding: `"valid"`, or `"same"` together with a `pool_size`.
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's configuration.
        equivariance: what to do when the layer is built in a configuration that is not equivariant,
            or called on a size that makes it so: `"warn"`, `"strict"` (raise) or `"ignore"`.
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
class GMaxPooling2D(GroupPooling2D):
    __doc__ = f"""Maximum over windows of positions, exactly equivariant at every size.
{_ARGUMENTS}
    Example:

    >>> import numpy as np
    >>> from keras_gcnn.layers import GMaxPooling2D
    >>> GMaxPooling2D()(np.zeros((1, 29, 29, 8))).shape[1]
    14
    """
    _pool = staticmethod(ops.max_pool)
    _is_maximum = True


@keras.saving.register_keras_serializable(package="keras_gcnn")
class GAveragePooling2D(GroupPooling2D):
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
