"""Group convolutions whose kernel is a product: fewer weights at the same width."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from keras_gcnn import groups
from keras_gcnn.arguments import check_choice
from keras_gcnn.backend.ops import convolve, convolve_depthwise, has_fast_depthwise
from keras_gcnn.layers.group.base_convolution import GroupConvolution, expand, table_index


@keras.saving.register_keras_serializable(package="keras_gcnn")
class GSeparableConv2D(GroupConvolution):
    """Convolution on a group whose kernel is a product of a pointwise and a spatial part.

    It is `GConv2D` with the kernel `W[c, i, h, u]` made of two smaller ones, so that a network of
    equal width has far fewer weights, or one of equal size is far wider:

    - `variant="gc"`: `W = pointwise[c, i, h] * depthwise[c, u]`, `c_out (k^2 + c_in |G|)` weights.
      One spatial filter per output field. It is computed in two steps, a 1x1 convolution on the
      group and then one filter per channel, in a fraction of the time of a full convolution (on
      JAX only with an accelerator; on its CPU backend as one convolution, which is faster there).
    - `variant="g"`: `W = pointwise[c, i, h] * depthwise[c, i, u]`, `c_out c_in (k^2 + |G|)`
      weights. One spatial filter per pair of fields, shared by the input's orientations; it takes
      the time of a full convolution.

    The bias adds `c_out` to both. Images have no orientations to share a filter among: begin with
    a `LiftingConv2D`.

    Initialisation: the spatial filters are drawn with variance `1 / k^2` (LeCun's rule for the
    `k^2` inputs of such a filter) and the pointwise part as a 1x1 convolution. The kernel, which is
    their product, then has zero mean and exactly the variance that `GConv2D` with the pointwise
    part's initializer has, e.g. `2 / (k^2 c_in |G|)` for `"he_normal"`, and outputs vary as much
    as those of the full layer. They are uniform and not normal, since the energy of a filter of
    only `k^2` numbers, by which all of a field is multiplied, then scatters less: by 30 instead of
    47 per cent for a 3x3 filter. Another `depthwise_initializer` should keep the variance.

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
        kernel_size: int | tuple[int, int],
        group: str | groups.Group = "p4",
        *,
        variant: str = "gc",
        depthwise_initializer="lecun_uniform",
        pointwise_initializer="glorot_uniform",
        depthwise_regularizer=None,
        pointwise_regularizer=None,
        depthwise_constraint=None,
        pointwise_constraint=None,
        **kwargs,
    ):
        super().__init__(filters, kernel_size, group, **kwargs)
        self.variant = check_choice("variant", variant, ("gc", "g"))
        self._keep("depthwise", depthwise_initializer, depthwise_regularizer, depthwise_constraint)
        self._keep("pointwise", pointwise_initializer, pointwise_regularizer, pointwise_constraint)
        self._pointwise_index = table_index(self.group, (1, 1))
        # A spatial filter has no orientations to sum over, like the filter of a lifting layer.
        self._depthwise_index = table_index(self.group, self.kernel_size, lifting=True)

    @property
    def _in_two_steps(self) -> bool:
        """Whether to compute the two parts one after the other instead of their product."""
        return (
            self.variant == "gc"
            and self.kernel_size != (1, 1)  # the product is a 1x1 convolution too
            and self.strides[0] == self.strides[1]  # all that TensorFlow's depthwise one takes
            and has_fast_depthwise()
        )

    def _build_kernel(self, fields: int) -> None:
        # The shapes in which Keras's initialisers find |G| c_in and k^2 inputs.
        shape = (self.group.order, 1, 1, fields, self.filters)
        self.pointwise_kernel = self._add_part("pointwise", shape, "pointwise_kernel")
        spatial = self.filters * (fields if self.variant == "g" else 1)
        shape = (*self.kernel_size, 1, spatial)
        self.depthwise_kernel = self._add_part("depthwise", shape, "depthwise_kernel")

    def _spatial_filters(self):
        """The depthwise part as a base kernel: `(1, rows, columns, c_in or 1, c_out)`."""
        shape = (1, *self.kernel_size, -1, self.filters)
        return ops.reshape(self.depthwise_kernel, shape)

    def _expanded_parts(self):
        """Kernels of a pointwise and a depthwise convolution, which together are the layer's."""
        pointwise = expand(self.pointwise_kernel, self._pointwise_index, self.group)
        return pointwise, expand(self._spatial_filters(), self._depthwise_index, self.group)

    def expanded_parts(self) -> tuple[np.ndarray, np.ndarray]:
        """The kernels of the two stock layers that do the same, for the variant `"gc"`.

        Returns:
            Of a pointwise convolution, `(1, 1, channels_in, channels_out)`, and of a depthwise one,
            `(rows, columns, channels_out, 1)`.

        Raises:
            ValueError: if the layer is not built, or is no `"gc"`, whose kernel is no such product.
        """
        self._check_built()
        if self.variant != "gc":
            raise ValueError(
                f"{type(self).__name__} {self.name!r} has variant={self.variant!r}; only a kernel "
                'of "gc" has two parts. Use expanded_kernel().'
            )
        pointwise, depthwise = map(ops.convert_to_numpy, self._expanded_parts())
        return pointwise, depthwise.transpose(0, 1, 3, 2)

    def _base_kernel(self):
        return ops.multiply(self.pointwise_kernel, self._spatial_filters())

    def _convolve(self, inputs):
        if not self._in_two_steps:
            return super()._convolve(inputs)
        # Padding can wait for the second step: without a bias the first takes zeros to zeros.
        pointwise, depthwise = self._expanded_parts()
        mixed = convolve(inputs, pointwise, (1, 1), "valid", self.data_format, (1, 1))
        return convolve_depthwise(
            mixed,
            depthwise,
            self.strides,
            self.padding,
            self.data_format,
            self.dilation_rate,
        )

    def get_config(self) -> dict:
        return {**super().get_config(), "variant": self.variant}
