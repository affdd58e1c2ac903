"""Bases of the normalisations of every image by its own statistics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from keras_gcnn.arguments import as_count, check_from_zero
from keras_gcnn.backend.ops import mean, widened
from keras_gcnn.layers.common.base import along, as_numbers
from keras_gcnn.layers.common.shared_weights import SharesWeights, default_axis
from keras_gcnn.types import Constraint, Initializer, Regularizer, Shape, Tensor


class ImageNormalization(SharesWeights, keras.Layer):
    """Base of the layers that normalise every image by itself, in training and at inference.

    A subclass averages a map over what is normalised together in `_average`; the result broadcasts
    to the map.

    Args:
        axis: int, the channel axis; None for Keras's configuration.
        epsilon: float, added to the mean square.
        center: bool, whether to add an offset.
        scale: bool, whether to multiply by a scale.
        beta_initializer, gamma_initializer: initializers of offset and scale.
        beta_regularizer, gamma_regularizer: their regularizers, or None.
        beta_constraint, gamma_constraint: their constraints, or None.
        **kwargs: arguments of `keras.Layer`, such as `name` and `dtype`.
    """

    def __init__(
        self,
        axis: int | None = None,
        *,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Initializer = "zeros",
        gamma_initializer: Initializer = "ones",
        beta_regularizer: Regularizer = None,
        gamma_regularizer: Regularizer = None,
        beta_constraint: Constraint = None,
        gamma_constraint: Constraint = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.axis = default_axis(axis)
        self.epsilon = check_from_zero("epsilon", epsilon, example=1e-3)
        self.center = center
        self.scale = scale
        self.beta_initializer = keras.initializers.get(beta_initializer)
        self.gamma_initializer = keras.initializers.get(gamma_initializer)
        self.beta_regularizer = keras.regularizers.get(beta_regularizer)
        self.gamma_regularizer = keras.regularizers.get(gamma_regularizer)
        self.beta_constraint = keras.constraints.get(beta_constraint)
        self.gamma_constraint = keras.constraints.get(gamma_constraint)
        self.supports_masking = True
        self.autocast = False  # half precision cannot hold the statistics

    def _average(self, values: Tensor) -> Tensor:
        raise NotImplementedError

    def _mean(self, inputs: Tensor) -> Tensor | None:
        """Returns what to subtract, or None."""
        return self._average(inputs)

    def call(self, inputs: Tensor) -> Tensor:
        inputs = widened(as_numbers(inputs, self.compute_dtype))

        def expanded(layout: Callable, values: Tensor | None) -> Tensor | None:
            return None if values is None else layout(ops.cast(values, inputs.dtype))

        scale, offset = expanded(self._scales_of, self.gamma), expanded(self._means_of, self.beta)
        return ops.cast(self._normalized(inputs, scale, offset), self.compute_dtype)

    def _normalized(self, inputs: Tensor, scale: Tensor | None, offset: Tensor | None) -> Tensor:
        """Returns the map in its own precision, from a scale and an offset for every channel."""
        rank, centre = len(inputs.shape), self._mean(inputs)
        # The mean goes first: a difference of products would lose the digits of a large mean.
        centred = inputs if centre is None else inputs - centre
        factor = ops.rsqrt(self._average(ops.square(centred)) + self.epsilon)
        if scale is not None:
            factor = factor * along(scale, self.axis, rank)
        outputs = centred * factor
        return outputs if offset is None else outputs + along(offset, self.axis, rank)

    def get_config(self) -> dict:
        config = super().get_config()
        for weight in ("beta", "gamma"):
            for name in ("initializer", "regularizer", "constraint"):
                serialize = getattr(keras, f"{name}s").serialize
                config[f"{weight}_{name}"] = serialize(getattr(self, f"{weight}_{name}"))
        names = ("axis", "epsilon", "center", "scale")
        return {**config, **{name: getattr(self, name) for name in names}}


class ChannelGroupNormalization(ImageNormalization):
    """Base of the layers with statistics over all positions and the channels of a channel group.

    A subclass counts the fields in `_field_count`, and averages the numbers of all channels within
    the channel groups in `_mean_in_groups`.

    Args:
        groups: int, number of channel groups, each of the same number of whole fields; -1 for one
            channel group per field.
        axis: int, the channel axis; None for Keras's configuration.
        **kwargs: arguments of `ImageNormalization`.
    """

    def __init__(self, groups: int = 32, axis: int | None = None, **kwargs: Any) -> None:
        super().__init__(axis, **kwargs)
        number = -1 if groups == -1 else as_count(groups)
        if number is None:
            raise ValueError(
                f"groups={groups!r} has to be a positive integer, the number of channel groups, or "
                "-1 for one channel group per field (instance normalisation)."
            )
        self.groups = number

    def _field_count(self, input_shape: Shape) -> int:
        """Returns the number of fields; raises for other channels."""
        raise NotImplementedError

    def _mean_in_groups(self, values: Tensor) -> Tensor:
        """Returns, for every channel, the mean of its channel group: `(batch, channels)` both."""
        raise NotImplementedError

    def build(self, input_shape: Shape) -> None:
        self.group_count(input_shape)  # first, since a refused input shall leave no weights
        super().build(input_shape)

    def group_count(self, input_shape: Shape) -> int:
        """Returns the number of channel groups of such an input.

        Raises:
            ValueError: if the number of fields is no multiple of `groups`.
        """
        fields = self._field_count(input_shape)
        count = fields if self.groups == -1 else self.groups
        if fields % count:
            divisors = [str(number) for number in range(1, fields + 1) if not fields % number]
            raise ValueError(
                f"{type(self).__name__} {self.name!r} received {fields} fields (input shape "
                f"{tuple(input_shape)}), which do not make groups={self.groups} channel groups of "
                f"as many whole fields each. Choose groups from {', '.join(divisors)}, or -1 for "
                "one channel group per field."
            )
        return count

    def _average(self, values: Tensor) -> Tensor:
        average = self._mean_in_groups(self._mean_at_positions(values))
        return along(average, self.axis, len(values.shape))

    def _mean_at_positions(self, values: Tensor) -> Tensor:
        """Returns the mean of every channel over all positions: `(batch, channels)`."""
        rank = len(values.shape)
        positions = tuple(at for at in range(1, rank) if at != self.axis % rank)
        return mean(values, positions) if positions else values

    def get_config(self) -> dict:
        return {**super().get_config(), "groups": self.groups}
