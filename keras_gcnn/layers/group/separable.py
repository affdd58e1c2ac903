"""Group convolutions whose kernel is a product, which takes fewer weights at equal width."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_gcnn.arguments import check_choice
from keras_gcnn.backend.ops import convolve, convolve_depthwise, has_fast_depthwise
from keras_gcnn.layers.group.base_convolution import (
    GroupConvolution,
    expand,
    expand_filters,
    table_index,
)
from keras_gcnn.types import Constraint, GroupLike, Initializer, Regularizer, Size2D, Tensor


@keras.saving.register_keras_serializable(package="keras_gcnn")
class GSeparableConv2D(GroupConvolution):
    """Convolution on a group whose kernel is a product of a pointwise and a spatial part.

    It is a `GConv2D` whose kernel `W[c, i, h, u]` is the product of two smaller ones. A network of
    equal width then has far fewer weights, and one with equally many weights is far wider:

    - `variant="gc"`: `W = pointwise[c, i, h] * depthwise[c, u]`, `c_out (k^2 + c_in |G|)` weights.
      There is one spatial filter per output field. The layer computes a 1x1 convolution on the
      group and then one filter per channel, in a fraction of the time of a full convolution. (On
      JAX only with an accelerator: on a CPU a single convolution is faster.)
    - `variant="g"`: `W = pointwise[c, i, h] * depthwise[c, i, u]`, `c_out c_in (k^2 + |G|)`
      weights. There is one spatial filter per pair of fields, shared by the orientations of the
      input; the layer takes the time of a full convolution.

    The bias adds `c_out` weights to both. An image has no orientations that could share a filter,
    so a network begins with a `LiftingConv2D`.

    Initialisation: the spatial filters are drawn with variance `1 / k^2` (LeCun's rule for the
    `k^2` inputs of such a filter), the pointwise part like a 1x1 convolution. Their product, the
    kernel, then has zero mean and exactly the variance of a `GConv2D` with the initializer of the
    pointwise part, e.g. `2 / (k^2 c_in |G|)` for `"he_normal"`, and outputs vary as much as those
    of the full layer. The filters are uniform, not normal: each multiplies a whole field, and the
    energy of `k^2` numbers scatters less if they are uniform, by 30 instead of 47 per cent for
    3x3. Another `depthwise_initializer` should keep the variance.

    Args:
        filters: int, number of output fields. The output has `filters * |G|` channels.
        kernel_size: int or pair of ints, even or odd; square if the group has quarter turns.
        group: str or `keras_gcnn.groups.Group`, as for `GConv2D`.
        variant: `"gc"` or `"g"`, see above.
        depthwise_initializer, pointwise_initializer: initializers, see above.
        depthwise_regularizer, pointwise_regularizer: regularizers or None.
        depthwise_constraint, pointwise_constraint: constraints or None. The depthwise variable has
            shape `(rows, columns, 1, spatial filters)`, one filter along its last axis per field
            or, at `i * c_out + c`, per pair of fields; the pointwise one
            `(|G|, 1, 1, c_in, c_out)`.
        **kwargs: `strides`, `padding`, `data_format`, `dilation_rate`, `activation`, `use_bias`,
            `bias_initializer`, `bias_regularizer`, `bias_constraint`, `activity_regularizer` and
            `equivariance`, as for `GConv2D`, and arguments of `keras.Layer`.

    Input shape:
        `(batch, rows, columns, c_in * |G|)`, or channels first.

    Output shape:
        `(batch, new_rows, new_columns, filters * |G|)`; channel `c * |G| + g` is field c in
        orientation g.

    Raises:
        ValueError: as `GConv2D`, and for an unknown variant.

    Example:

    >>> import numpy as np
    >>> from keras_gcnn.layers import GSeparableConv2D
    >>> layer = GSeparableConv2D(10, 3, group="p4m")
    >>> layer(np.zeros((1, 28, 28, 80))).shape[-1]
    80
    >>> layer.count_params()  # 10 * (3 * 3 + 10 * 8) and the bias; GConv2D has 7210
    900

    References:
        Lengyel & van Gemert 2021, "Exploiting Learned Symmetries in Group Equivariant
        Convolutions", arXiv 2106.04914, sections 3.3 and 3.4.
    """

    parts = ("depthwise", "pointwise")

    def __init__(
        self,
        filters: int,
        kernel_size: Size2D,
        group: GroupLike = "p4",
        *,
        variant: str = "gc",
        depthwise_initializer: Initializer = "lecun_uniform",
        pointwise_initializer: Initializer = "glorot_uniform",
        depthwise_regularizer: Regularizer = None,
        pointwise_regularizer: Regularizer = None,
        depthwise_constraint: Constraint = None,
        pointwise_constraint: Constraint = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(filters, kernel_size, group, **kwargs)
        self.variant = check_choice("variant", variant, ("gc", "g"))
        self._keep("depthwise", depthwise_initializer, depthwise_regularizer, depthwise_constraint)
        self._keep("pointwise", pointwise_initializer, pointwise_regularizer, pointwise_constraint)
        self._pointwise_index = table_index(self.group, (1, 1))
        # A spatial filter has no orientations to sum over, like the filter of a lifting layer.
        self._depthwise_index = table_index(self.group, self.kernel_size, lifting=True)

    @property
    def has_two_steps(self) -> bool:
        """Whether two stock layers, one after the other, compute the same with less work."""
        return (
            self.variant == "gc"
            and self.kernel_size != (1, 1)  # whose product is a 1x1 convolution too
            and self.strides[0] == self.strides[1]  # TensorFlow requires it
        )

    def _build_kernel(self, field_count: int) -> None:
        # In these shapes Keras's initializers count |G| c_in and k^2 inputs.
        pointwise = (self.group.order, 1, 1, field_count, self.filters)
        self.pointwise_kernel = self._add_part("pointwise", pointwise, "pointwise_kernel")
        filters = self.filters * (field_count if self.variant == "g" else 1)
        depthwise = (*self.kernel_size, 1, filters)
        self.depthwise_kernel = self._add_part("depthwise", depthwise, "depthwise_kernel")

    def _spatial_filters(self) -> Tensor:
        """Returns the depthwise part as a base kernel, `(1, rows, columns, c_in or 1, c_out)`."""
        shape = (1, *self.kernel_size, -1, self.filters)
        return ops.reshape(self.depthwise_kernel, shape)

    def _expanded_parts(self) -> tuple[Tensor, Tensor]:
        """Returns the expanded kernels of the pointwise and the depthwise step."""
        pointwise = expand(
            ops.convert_to_tensor(self.pointwise_kernel), self._pointwise_index, group=self.group
        )
        filters = ops.reshape(self.depthwise_kernel, (*self.kernel_size, self.filters, 1))
        return pointwise, expand_filters(filters, self._depthwise_index, self.group)

    def expanded_parts(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns the kernels of two stock layers that compute the same, for variant `"gc"`.

        Returns:
            The kernel of a pointwise convolution, `(1, 1, channels_in, channels_out)`, and that of
            a depthwise convolution, `(rows, columns, channels_out, 1)`.

        Raises:
            ValueError: if the layer is not built, or its variant is not `"gc"`.
        """
        self._check_built()
        if self.variant != "gc":
            raise ValueError(
                f"{type(self).__name__} {self.name!r} has variant={self.variant!r}; only the "
                'kernel of variant "gc" is a product of two stock kernels. Use expanded_kernel().'
            )
        pointwise, depthwise = map(ops.convert_to_numpy, self._expanded_parts())
        return pointwise, depthwise

    def _base_kernel(self) -> Tensor:
        return ops.multiply(self.pointwise_kernel, self._spatial_filters())

    def _convolve(self, inputs: Tensor) -> Tensor:
        if not (self.has_two_steps and has_fast_depthwise()):
            return super()._convolve(inputs)
        # Only the second step pads: without a bias, the first one maps zeros to zeros.
        pointwise, depthwise = self._expanded_parts()
        channels, window = (self.map_in, self.map_out), ((1, 1), "valid", self.data_format, (1, 1))
        mixed = convolve(inputs, pointwise, *window, channels=channels)
        return convolve_depthwise(self.pad(mixed), depthwise, *self._window)

    def get_config(self) -> dict:
        return {**super().get_config(), "variant": self.variant}
