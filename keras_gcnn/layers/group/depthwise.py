"""Depthwise convolution on a group: every field has its own filters."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_gcnn.arguments import check_count
from keras_gcnn.backend.ops import convolve_depthwise
from keras_gcnn.layers.group.base_convolution import GroupWindow, expand_filters, table_index
from keras_gcnn.types import (
    Activation,
    Constraint,
    GroupLike,
    Initializer,
    Regularizer,
    Size2D,
    Tensor,
)


@keras.saving.register_keras_serializable(package="keras_gcnn")
class GDepthwiseConv2D(GroupWindow):
    """Convolution of every field with its own filters, the equivariant `DepthwiseConv2D`.

    A filter is planar, and each orientation of a field meets it in its own orientation:
    `y[x, c * m + n, g] = sum_u f[x + u, c, g] W[c, n, g^-1 u] + b[c * m + n]` for n below
    `m = depth_multiplier`. Orientations do not mix; a pointwise `GConv2D` before or after does
    that, as in `GSeparableConv2D`. The layer costs what a stock depthwise convolution of as many
    channels costs, and has `1 / |G|` of its weights. On `"z2"` it is the stock layer.

    Args:
        kernel_size: int or pair of ints, even or odd; square if the group has quarter turns.
        group: str or `keras_gcnn.groups.Group`, as for `GConv2D`.
        depth_multiplier: int, number of filters of each field. Above 1 the output channels are
            permuted, which takes another pass over the output.
        strides: int, or a pair of equal ints.
        padding: `"valid"`, or `"same"`, `"circular"` or `"reflect"`, which give `ceil(n / strides)`
            rows for n: with zeros around the map, with its other end, or with its mirror image,
            as wide as `keras_gcnn.groups.border_widths` says.
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's configuration.
        dilation_rate: int or pair of ints.
        activation: name of an activation, a callable, or None.
        use_bias: bool. The bias is one number per output field, shared by its orientations.
        depthwise_initializer, bias_initializer: initializers. As in Keras, the fans count all
            fields, not only the one that a filter reads.
        depthwise_regularizer, bias_regularizer, activity_regularizer: regularizers or None.
        depthwise_constraint, bias_constraint: constraints or None. The kernel variable has shape
            `(rows, columns, fields, depth_multiplier)`.
        equivariance: what to do when the layer is built in a configuration that is not equivariant
            (see `keras_gcnn.groups.window_problem`): `"warn"`, `"strict"` (raise) or `"ignore"`.
        **kwargs: arguments of `keras.Layer`, such as `name` and `dtype`.

    Input shape:
        `(batch, rows, columns, fields * |G|)`, or channels first.

    Output shape:
        `(batch, new_rows, new_columns, fields * depth_multiplier * |G|)`; channel
        `(c * depth_multiplier + n) * |G| + g` is what filter n makes of orientation g of field c.

    Raises:
        ValueError: for an unknown group, input channels that are no multiple of `|G|`, a kernel
            that is not square on a group with quarter turns, or different strides along rows and
            columns.

    Example:

    >>> import numpy as np
    >>> from keras_gcnn.layers import GDepthwiseConv2D
    >>> layer = GDepthwiseConv2D(3, group="p4m", padding="same")
    >>> tuple(layer(np.zeros((1, 28, 28, 80))).shape)
    (1, 28, 28, 80)
    >>> layer.count_params()  # 10 * (3 * 3 + 1); DepthwiseConv2D has 800
    100

    References:
        Lengyel & van Gemert 2021, "Exploiting Learned Symmetries in Group Equivariant
        Convolutions", arXiv 2106.04914, section 3.4: the second half of its factorisation.
    """

    parts = ("depthwise",)

    def __init__(
        self,
        kernel_size: Size2D,
        group: GroupLike = "p4",
        *,
        depth_multiplier: int = 1,
        strides: Size2D = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Size2D = 1,
        activation: Activation = None,
        use_bias: bool = True,
        depthwise_initializer: Initializer = "glorot_uniform",
        bias_initializer: Initializer = "zeros",
        depthwise_regularizer: Regularizer = None,
        bias_regularizer: Regularizer = None,
        activity_regularizer: Regularizer = None,
        depthwise_constraint: Constraint = None,
        bias_constraint: Constraint = None,
        equivariance: str = "warn",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            kernel_size,
            group,
            strides=strides,
            padding=padding,
            data_format=data_format,
            dilation_rate=dilation_rate,
            activation=activation,
            use_bias=use_bias,
            bias_initializer=bias_initializer,
            bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer,
            bias_constraint=bias_constraint,
            equivariance=equivariance,
            **kwargs,
        )
        self.depth_multiplier = check_count("depth_multiplier", depth_multiplier)
        if self.strides[0] != self.strides[1]:
            raise ValueError(
                f"strides={self.strides} of a depthwise convolution have to be equal, since "
                f"TensorFlow has no other. Use strides={max(self.strides)}."
            )
        self._keep("depthwise", depthwise_initializer, depthwise_regularizer, depthwise_constraint)
        # Computed here already, so that a kernel that is not square is refused at once.
        self._index = table_index(self.group, self.kernel_size, lifting=True)

    def _output_fields(self, field_count: int) -> int:
        return field_count * self.depth_multiplier

    def _build_kernel(self, field_count: int) -> None:
        shape = (*self.kernel_size, field_count, self.depth_multiplier)
        self.kernel = self._add_part("depthwise", shape, "kernel")

    def _expanded_kernel(self) -> Tensor:
        return expand_filters(ops.convert_to_tensor(self.kernel), self._index, self.group)

    def _convolve(self, inputs: Tensor) -> Tensor:
        outputs = convolve_depthwise(self.pad(inputs), self._expanded_kernel(), *self._window)
        if self.depth_multiplier == 1 or self.group.order == 1:
            return outputs
        return self._orientations_last(outputs)

    def _orientations_last(self, maps: Tensor) -> Tensor:
        """Returns the maps with channels `(c, n, g)` in place of `(c, g, n)`."""
        shape = [-1, *ops.shape(maps)[1:]]  # batch and sizes may be unknown
        axis = self.channel_axis % len(shape)
        apart = [*shape]
        apart[axis : axis + 1] = [
            maps.shape[axis] // (self.group.order * self.depth_multiplier),
            self.group.order,
            self.depth_multiplier,
        ]
        order = list(range(len(apart)))
        order[axis + 1 : axis + 3] = [axis + 2, axis + 1]
        return ops.reshape(ops.transpose(ops.reshape(maps, apart), order), shape)

    def expanded_kernel(self) -> np.ndarray:
        """Returns the ordinary kernel that the layer applies.

        Returns:
            Array of shape `(rows, columns, fields * |G|, depth_multiplier)`, the kernel of a stock
            `keras.layers.DepthwiseConv2D`. With a `depth_multiplier` above 1 that layer returns
            the output channels in another order, `(c * |G| + g) * depth_multiplier + n`.

        Raises:
            ValueError: if the layer is not built.
        """
        return super().expanded_kernel()

    def base_kernel(self) -> np.ndarray:
        """Returns the trained filters, of shape `(fields, depth_multiplier, rows, columns)`."""
        self._check_built()
        return ops.convert_to_numpy(self.kernel).transpose(2, 3, 0, 1)

    def get_config(self) -> dict:
        return {**super().get_config(), "depth_multiplier": self.depth_multiplier}
