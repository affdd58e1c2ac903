"""What every convolution on a group shares, whatever its kernel is made of."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from keras_gcnn import groups
from keras_gcnn.arguments import check_count
from keras_gcnn.backend.constants import constant
from keras_gcnn.backend.ops import repeated
from keras_gcnn.layers.common.base import GroupLayer
from keras_gcnn.layers.common.window import WindowConvolution


def table_index(
    group: groups.Group, kernel_size: tuple[int, int], lifting: bool = False
) -> np.ndarray:
    """`groups.expansion_index` as the flat list of rows that `expand` looks up."""
    index = groups.expansion_index(group, kernel_size, lifting)
    return index.reshape(-1).copy()  # torch takes no view of a read-only array


def expand(kernel, index: np.ndarray, group: groups.Group):
    """Lays out a base kernel as an ordinary convolution kernel, differentiably.

    Args:
        kernel: base kernel of shape `(|G_in|, rows, columns, c_in, c_out)`.
        index: `table_index` of the group for this kernel.
        group: `Group`.

    Returns:
        Tensor of shape `(rows, columns, c_in * |G_in|, c_out * |G|)`.
    """
    orders, rows, columns, fields, filters = kernel.shape
    # A look-up in a table of rows is the one gather that every backend also exports.
    table = ops.reshape(kernel, (orders * rows * columns, fields * filters))
    taken = ops.take(table, constant(index), axis=0)
    taken = ops.reshape(taken, (rows, columns, orders, group.order, fields, filters))
    taken = ops.transpose(taken, (0, 1, 4, 2, 5, 3))  # u, v, c_in, h, c_out, g
    return ops.reshape(taken, (rows, columns, fields * orders, filters * group.order))


class GroupConvolution(WindowConvolution, GroupLayer):
    """Base of the convolutions on a group.

    A subclass says in `parts` which weights it has, keeps their settings with `_keep`, makes them
    in `_build_kernel`, and puts them together in `_base_kernel`.
    """

    lifting = False

    def __init__(
        self,
        filters: int,
        kernel_size: int | tuple[int, int],
        group: str | groups.Group = "p4",
        *,
        activation=None,
        **kwargs,
    ):
        super().__init__(kernel_size, group=group, **kwargs)
        self.filters = check_count("filters", filters)
        self.activation = keras.activations.get(activation)
        # Asked for here already, so that a kernel that is not square is refused at once.
        self._index = table_index(self.group, self.kernel_size, self.lifting)

    @property
    def symmetry(self) -> groups.Group:
        """The group under which window and strides have to be exact."""
        return self.group

    @property
    def map_in(self) -> groups.Group:
        """The group whose orientations the channels of the input hold; Z2 for images."""
        return groups.get("z2") if self.lifting else self.group

    @property
    def input_orders(self) -> int:
        """Orientations of the input, `|G_in|`: 1 for a plane."""
        return 1 if self.lifting else self.group.order

    def _input_fields(self, input_shape) -> int:
        return input_shape[self.channel_axis] if self.lifting else self.fields(input_shape)

    def _channels(self, input_shape) -> tuple[int, int]:
        return (
            self._input_fields(input_shape) * self.input_orders,
            self.filters * self.group.order,
        )

    def _build_weights(self, input_shape) -> None:
        self._build_kernel(self._input_fields(input_shape))
        self.bias = self._add_part("bias", (self.filters,)) if self.use_bias else None

    def _build_kernel(self, fields: int) -> None:
        """Makes the weights but for the bias, for that many input fields."""
        raise NotImplementedError

    def _base_kernel(self):
        """The base kernel, of shape `(|G_in|, rows, columns, c_in, c_out)`."""
        raise NotImplementedError

    def _expanded_kernel(self):
        return expand(self._base_kernel(), self._index, self.group)

    def _channel_bias(self):
        return repeated(self.bias, self.group.order)

    def call(self, inputs):
        outputs = super().call(inputs)
        return outputs if self.activation is None else self.activation(outputs)

    def base_kernel(self) -> np.ndarray:
        """The trained filters, as an array of shape `(c_out, c_in, |G_in|, rows, columns)`."""
        return ops.convert_to_numpy(self._base_kernel()).transpose(4, 3, 0, 1, 2)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "filters": self.filters,
            "activation": keras.activations.serialize(self.activation),
        }
