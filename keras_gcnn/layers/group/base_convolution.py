"""Bases of the convolutions on a group, whatever weights make up their kernel."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_gcnn import groups
from keras_gcnn.arguments import check_count
from keras_gcnn.backend.constants import constant
from keras_gcnn.backend.ops import compiled, repeated
from keras_gcnn.layers.common.base import GroupLayer, known_channels
from keras_gcnn.layers.common.pointwise import build_activation, on_maps
from keras_gcnn.layers.common.window import WindowConvolution
from keras_gcnn.types import Activation, GroupLike, Shape, Size2D, Tensor


def table_index(
    group: groups.Group, kernel_size: tuple[int, int], lifting: bool = False
) -> np.ndarray:
    """Returns `groups.expansion_index` as the flat array of rows that `expand` looks up."""
    index = groups.expansion_index(group, kernel_size, lifting)
    return index.reshape(-1).copy()  # torch takes no view of a read-only array


@compiled
def expand(kernel: Tensor, index: np.ndarray, *, group: groups.Group) -> Tensor:
    """Expands a base kernel to an ordinary convolution kernel; differentiable.

    Args:
        kernel: base kernel of shape `(|G_in|, rows, columns, c_in, c_out)`.
        index: `table_index` of the group for this kernel.
        group: `Group`.

    Returns:
        Tensor of shape `(rows, columns, c_in * |G_in|, c_out * |G|)`.
    """
    input_order, rows, columns, fields, filters = kernel.shape
    if group.order == 1:  # the look-up changes nothing, and its compiled gradient crashed PyTorch
        return ops.reshape(kernel, (rows, columns, fields, filters))
    # A look-up in a table of rows is the only gather that every backend can export.
    table = ops.reshape(kernel, (input_order * rows * columns, fields * filters))
    entries = ops.take(table, constant(index), axis=0)
    entries = ops.reshape(entries, (rows, columns, input_order, group.order, fields, filters))
    entries = ops.transpose(entries, (0, 1, 4, 2, 5, 3))  # u, v, c_in, h, c_out, g
    return ops.reshape(entries, (rows, columns, fields * input_order, filters * group.order))


def expand_filters(filters: Tensor, index: np.ndarray, group: groups.Group) -> Tensor:
    """Expands one planar filter or more for each field to a kernel of a depthwise convolution.

    Args:
        filters: tensor of shape `(rows, columns, fields, m)`.
        index: `table_index` of the group for a kernel of this size, with `lifting=True`: a planar
            filter has no orientations to sum over.
        group: `Group`.

    Returns:
        Tensor of shape `(rows, columns, fields * |G|, m)`. The filters of channel `c * |G| + g` are
        those of field c, moved by g.
    """
    rows, columns, fields, multiplier = filters.shape
    kernel = expand(filters[None], index, group=group)
    if multiplier > 1:
        kernel = ops.reshape(kernel, (rows, columns, fields, multiplier, group.order))
        kernel = ops.transpose(kernel, (0, 1, 2, 4, 3))
    return ops.reshape(kernel, (rows, columns, fields * group.order, multiplier))


class GroupWindow(WindowConvolution, GroupLayer):
    """Base of the layers that slide a kernel over images or maps and make maps on a group.

    A subclass returns the number of output fields in `_output_fields`, names its weights in
    `parts`, stores their settings with `_keep`, and creates them in `_build_kernel`.
    """

    lifting = False

    def __init__(
        self,
        kernel_size: Size2D,
        group: GroupLike = "p4",
        *,
        activation: Activation = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(kernel_size, group=group, **kwargs)
        self.activation = on_maps(activation, self.channel_axis)

    @property
    def symmetry(self) -> groups.Group:
        """The group under which the window has to be exact."""
        return self.group

    @property
    def map_in(self) -> groups.Group:
        """The group of the input map; Z2 for images."""
        return groups.get("z2") if self.lifting else self.group

    @property
    def input_order(self) -> int:
        """Number of orientations of the input, `|G_in|`: 1 for a plane."""
        return 1 if self.lifting else self.group.order

    def _input_fields(self, input_shape: Shape) -> int:
        if self.lifting:
            return known_channels(self, input_shape, self.channel_axis)
        return self.field_count(input_shape)

    def _output_fields(self, field_count: int) -> int:
        """Returns the number of fields of the output for an input of `field_count` fields."""
        raise NotImplementedError

    def _channels(self, input_shape: Shape) -> tuple[int, int]:
        fields = self._input_fields(input_shape)
        return fields * self.input_order, self._output_fields(fields) * self.group.order

    def _build_weights(self, input_shape: Shape) -> None:
        fields = self._input_fields(input_shape)
        self._build_kernel(fields)
        shape = (self._output_fields(fields),)
        self.bias = self._add_part("bias", shape) if self.use_bias else None
        build_activation(self.activation, self.compute_output_shape(input_shape))

    def _build_kernel(self, field_count: int) -> None:
        """Creates the weights of the kernel for an input of `field_count` fields."""
        raise NotImplementedError

    def _channel_bias(self) -> Tensor:
        return repeated(self.bias, self.group.order)

    def call(self, inputs: Tensor) -> Tensor:
        outputs = super().call(inputs)
        return outputs if self.activation is None else self.activation(outputs)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "activation": keras.activations.serialize(self.activation),
        }


class GroupConvolution(GroupWindow):
    """Base of the convolutions of all fields with all.

    A subclass combines its weights into the base kernel in `_base_kernel`.
    """

    def __init__(
        self, filters: int, kernel_size: Size2D, group: GroupLike = "p4", **kwargs: Any
    ) -> None:
        super().__init__(kernel_size, group, **kwargs)
        self.filters = check_count("filters", filters)
        # Computed here already, so that a kernel that is not square is refused at once.
        self._index = table_index(self.group, self.kernel_size, self.lifting)

    def _output_fields(self, field_count: int) -> int:
        return self.filters

    def _base_kernel(self) -> Tensor:
        """Returns the base kernel, of shape `(|G_in|, rows, columns, c_in, c_out)`."""
        raise NotImplementedError

    def _expanded_kernel(self) -> Tensor:
        return expand(self._base_kernel(), self._index, group=self.group)

    def base_kernel(self) -> np.ndarray:
        """Returns the trained filters, of shape `(c_out, c_in, |G_in|, rows, columns)`.

        Raises:
            ValueError: if the layer is not built.
        """
        self._check_built()
        return ops.convert_to_numpy(self._base_kernel()).transpose(4, 3, 0, 1, 2)

    def get_config(self) -> dict:
        return {**super().get_config(), "filters": self.filters}
