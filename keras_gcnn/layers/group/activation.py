"""A rectifier whose slope all orientations and positions share."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_gcnn.backend.ops import repeated
from keras_gcnn.layers.common.base import GroupLayer, along, as_numbers
from keras_gcnn.types import Constraint, GroupLike, Initializer, Regularizer, Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_gcnn")
class GPReLU(GroupLayer):
    """Parametric rectifier of feature maps on a group: `x`, or `alpha * x` below zero.

    The slope alpha is one number per field, shared by its `|G|` orientations and by all positions.
    The stock layer has a slope for every channel and, by default, for every position, neither of
    which is equivariant.

    Args:
        group: str or `keras_gcnn.groups.Group`. With `"z2"` it computes what
            `keras.layers.PReLU` does with slopes shared by the positions.
        alpha_initializer: initializer of the slopes.
        alpha_regularizer: their regularizer, or None.
        alpha_constraint: their constraint, or None.
        **kwargs: arguments of `keras.Layer`, and `data_format`.

    Input shape:
        `(batch, ..., c * |G|)`, or `(batch, c * |G|, ...)` for channels first.

    Output shape:
        Same as the input.

    Raises:
        ValueError: if the channels are no multiple of `|G|`.

    Example:

    >>> import numpy as np
    >>> from keras_gcnn.layers import GPReLU
    >>> layer = GPReLU(group="p4")
    >>> outputs = layer(np.zeros((1, 8, 8, 12)))
    >>> layer.count_params()  # a slope per field
    3

    References:
        He et al. 2015, "Delving Deep into Rectifiers", section 2.1.
    """

    def __init__(
        self,
        group: GroupLike = "p4",
        *,
        alpha_initializer: Initializer = "zeros",
        alpha_regularizer: Regularizer = None,
        alpha_constraint: Constraint = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(group, **kwargs)
        self.alpha_initializer = keras.initializers.get(alpha_initializer)
        self.alpha_regularizer = keras.regularizers.get(alpha_regularizer)
        self.alpha_constraint = keras.constraints.get(alpha_constraint)
        self.supports_masking = True

    def build(self, input_shape: Shape) -> None:
        self.alpha = self.add_weight(
            name="alpha",
            shape=(self.field_count(input_shape),),
            initializer=self.alpha_initializer,
            regularizer=self.alpha_regularizer,
            constraint=self.alpha_constraint,
        )
        axis = self.channel_axis
        self.input_spec = keras.layers.InputSpec(axes={axis: input_shape[axis]})
        self.built = True

    def _slopes(self) -> Tensor:
        """Returns the slope of every channel."""
        return repeated(ops.convert_to_tensor(self.alpha), self.group.order)

    def call(self, inputs: Tensor) -> Tensor:
        inputs = as_numbers(inputs, self.compute_dtype)
        slopes = along(self._slopes(), self.channel_axis, len(inputs.shape))
        return ops.relu(inputs) - slopes * ops.relu(-inputs)

    def expanded_slopes(self) -> np.ndarray:
        """Returns the slope of every channel, as the stock layer has it.

        Raises:
            ValueError: if the layer is not built.
        """
        if not self.built:
            raise ValueError(
                f"{type(self).__name__} {self.name!r} has no slopes yet. Call it on an input "
                "first, or build(input_shape)."
            )
        return ops.convert_to_numpy(self._slopes())

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        self.field_count(input_shape)  # raises for other channels
        return tuple(input_shape)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "alpha_initializer": keras.initializers.serialize(self.alpha_initializer),
            "alpha_regularizer": keras.regularizers.serialize(self.alpha_regularizer),
            "alpha_constraint": keras.constraints.serialize(self.alpha_constraint),
        }
