"""Layers that multiply each field by a trained number: slopes of a rectifier, layer scale."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_gcnn.arguments import is_number
from keras_gcnn.backend.ops import repeated
from keras_gcnn.layers.common.base import GroupLayer, along, as_numbers
from keras_gcnn.types import Constraint, GroupLike, Initializer, Regularizer, Shape, Tensor


class PerField(GroupLayer):
    """Base of the layers with one trained number per field, shared by all its orientations."""

    def _add_per_field(self, input_shape: Shape, name: str, **options: Any) -> keras.Variable:
        """Returns a new weight for an input of this shape, and marks the layer as built."""
        fields = self.field_count(input_shape)
        weight = self.add_weight(name=name, shape=(fields,), **options)
        axis = self.channel_axis
        self.input_spec = keras.layers.InputSpec(axes={axis: input_shape[axis]})
        self.built = True
        return weight

    def _along_channels(self, weight: keras.Variable, inputs: Tensor) -> Tensor:
        """Returns the number of every channel, in a shape that broadcasts with the inputs."""
        return along(self._of_channels(weight), self.channel_axis, len(inputs.shape))

    def _of_channels(self, weight: keras.Variable) -> Tensor:
        return repeated(ops.convert_to_tensor(weight), self.group.order)

    def _expanded(self, weight_name: str, in_words: str) -> np.ndarray:
        if not self.built:
            raise ValueError(
                f"{type(self).__name__} {self.name!r} has no {in_words} yet. Call it on an input "
                "first, or build(input_shape)."
            )
        return ops.convert_to_numpy(self._of_channels(getattr(self, weight_name)))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        self.field_count(input_shape)  # raises for other channels
        return tuple(input_shape)


@keras.saving.register_keras_serializable(package="keras_gcnn")
class GLayerScale(PerField):
    """Multiplies every field of a map on a group by a trained number.

    The factor is shared by the `|G|` orientations of a field and by all positions. At the end of a
    residual branch, small factors let deep networks begin near the identity.

    Args:
        init_values: float, the first value of all factors.
        group: str or `keras_gcnn.groups.Group`.
        **kwargs: arguments of `keras.Layer`, and `data_format`.

    Input shape:
        `(batch, ..., c * |G|)`, or `(batch, c * |G|, ...)` for channels first.

    Output shape:
        Same as the input.

    Raises:
        ValueError: if the channels are no multiple of `|G|`, or `init_values` is no number.

    Example:

    >>> import numpy as np
    >>> from keras_gcnn.layers import GLayerScale
    >>> layer = GLayerScale(0.1, group="p4")
    >>> outputs = layer(np.ones((1, 8, 8, 12)))
    >>> layer.count_params()  # a factor per field
    3

    References:
        Touvron et al. 2021, "Going deeper with Image Transformers", equation 4.
    """

    def __init__(self, init_values: float = 1e-6, group: GroupLike = "p4", **kwargs: Any) -> None:
        super().__init__(group, **kwargs)
        if not is_number(init_values):
            raise ValueError(f"init_values={init_values!r} has to be a number, such as 1e-6.")
        self.init_values = float(init_values)
        self.supports_masking = True

    def build(self, input_shape: Shape) -> None:
        initializer = keras.initializers.Constant(self.init_values)
        self.gamma = self._add_per_field(input_shape, "gamma", initializer=initializer)

    def call(self, inputs: Tensor) -> Tensor:
        inputs = as_numbers(inputs, self.compute_dtype)
        return inputs * self._along_channels(self.gamma, inputs)

    def expanded_factors(self) -> np.ndarray:
        """Returns the factor of every channel.

        Raises:
            ValueError: if the layer is not built.
        """
        return self._expanded("gamma", "factors")

    def get_config(self) -> dict:
        return {**super().get_config(), "init_values": self.init_values}


@keras.saving.register_keras_serializable(package="keras_gcnn")
class GPReLU(PerField):
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
        self.alpha = self._add_per_field(
            input_shape,
            "alpha",
            initializer=self.alpha_initializer,
            regularizer=self.alpha_regularizer,
            constraint=self.alpha_constraint,
        )

    def call(self, inputs: Tensor) -> Tensor:
        inputs = as_numbers(inputs, self.compute_dtype)
        slopes = self._along_channels(self.alpha, inputs)
        return ops.relu(inputs) - slopes * ops.relu(-inputs)

    def expanded_slopes(self) -> np.ndarray:
        """Returns the slope of every channel, as the stock layer has it.

        Raises:
            ValueError: if the layer is not built.
        """
        return self._expanded("alpha", "slopes")

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "alpha_initializer": keras.initializers.serialize(self.alpha_initializer),
            "alpha_regularizer": keras.regularizers.serialize(self.alpha_regularizer),
            "alpha_constraint": keras.constraints.serialize(self.alpha_constraint),
        }
