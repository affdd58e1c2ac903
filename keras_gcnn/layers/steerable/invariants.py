"""Layers from fields to ordinary channels, which keep their values when the image is rotated."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_gcnn.arguments import check_above_zero, check_choice, check_count
from keras_gcnn.backend.constants import outside_graphs
from keras_gcnn.backend.initial_weights import drawn_once
from keras_gcnn.backend.ops import maximum, mean
from keras_gcnn.groups.blocks import Block
from keras_gcnn.groups.field_functions import sampling_matrix
from keras_gcnn.groups.fields import Fields
from keras_gcnn.layers.common.base import along, as_numbers
from keras_gcnn.layers.common.pointwise import build_activation, on_maps
from keras_gcnn.layers.steerable.base import (
    FieldsLike,
    SteerableLayer,
    join_blocks,
    mix_channels,
    mix_fields,
    scalar_channels,
    split_blocks,
    vector_lengths,
)
from keras_gcnn.layers.steerable.samples import checked_samples
from keras_gcnn.types import Activation, Constraint, Initializer, Regularizer, Shape, Tensor

_REDUCE = {"max": maximum, "mean": mean}


class _Invariant(SteerableLayer):
    """Base of the layers with `filters` ordinary channels as output."""

    filters: int

    @property
    def fields_out(self) -> Fields:
        """The ordinary channels of the output."""
        return Fields.trivial(self.filters, self.fields.group)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        shape = list(super().compute_output_shape(input_shape))
        shape[self.channel_axis] = self.filters
        return tuple(shape)


@keras.saving.register_keras_serializable(package="keras_gcnn")
class InvariantMap(_Invariant):
    """1x1 convolution from fields to ordinary channels.

    Only irrep 0 of a field contributes. The result is invariant at every position; as a map it
    still rotates with the image, until the positions are pooled.

    Args:
        fields: `Fields` of the input, or the dict of their multiplicities; they need an irrep 0.
        filters: int, number of output channels.
        activation: name of an activation, a callable, or None. Invariant channels allow every
            activation that keeps their number; one that mixes channels, e.g. softmax, needs
            channels last.
        use_bias: bool.
        kernel_initializer: as in `keras.layers.Dense`, as are the other initializer, the
            regularizers and the constraints.
        **kwargs: arguments of `keras.Layer`, and `data_format`.

    Input shape:
        `(batch, ..., fields.channels)`, or channels first.

    Output shape:
        The same with `filters` channels.

    Raises:
        ValueError: if the fields have no irrep 0, or the channels do not match them.

    Example:

    >>> import numpy as np
    >>> from keras_gcnn.layers import Fields, InvariantMap
    >>> InvariantMap(Fields({0: 8, 1: 4}), 10)(np.zeros((1, 5, 5, 16))).shape[-1]
    10
    """

    def __init__(
        self,
        fields: FieldsLike,
        filters: int,
        *,
        activation: Activation = None,
        use_bias: bool = True,
        kernel_initializer: Initializer = "glorot_uniform",
        bias_initializer: Initializer = "zeros",
        kernel_regularizer: Regularizer = None,
        bias_regularizer: Regularizer = None,
        kernel_constraint: Constraint = None,
        bias_constraint: Constraint = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(fields, **kwargs)
        if not self.fields.scalars:
            raise ValueError(
                f"InvariantMap received {self.fields!r}, which have no frequency 0, the only "
                "invariant one. Give the layer before it fields_out with a frequency 0, or use "
                "NormPooling."
            )
        self.filters = check_count("filters", filters)
        self.activation = on_maps(activation, self.channel_axis, ordinary=True)
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.bias_regularizer = keras.regularizers.get(bias_regularizer)
        self.kernel_constraint = keras.constraints.get(kernel_constraint)
        self.bias_constraint = keras.constraints.get(bias_constraint)

    def build(self, input_shape: Shape) -> None:
        super().build(input_shape)  # first, since a refused input shall leave no weights
        self.kernel = self.add_weight(
            name="kernel",
            shape=(self.fields.scalars, self.filters),
            initializer=drawn_once(self.kernel_initializer),
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=(self.filters,),
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )
        build_activation(self.activation, self.compute_output_shape(input_shape))

    def call(self, inputs: Tensor) -> Tensor:
        inputs = as_numbers(inputs, self.compute_dtype)
        kernel = mix_channels(ops.transpose(self.kernel), scalar_channels(self.fields), -1)
        outputs = mix_channels(inputs, ops.transpose(kernel), self.channel_axis)
        if self.bias is not None:
            outputs = outputs + along(self.bias, self.channel_axis, len(inputs.shape))
        return outputs if self.activation is None else self.activation(outputs)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "filters": self.filters,
            "activation": keras.activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": keras.regularizers.serialize(self.bias_regularizer),
            "kernel_constraint": keras.constraints.serialize(self.kernel_constraint),
            "bias_constraint": keras.constraints.serialize(self.bias_constraint),
        }


@keras.saving.register_keras_serializable(package="keras_gcnn")
class NormPooling(_Invariant):
    """Replaces every pair of channels by its length, which no rotation or mirror changes.

    Channels of irrep 0 do not change; other single channels, such as `"0-"`, become their absolute
    values in the same way. The length is `sqrt(a^2 + b^2 + epsilon)`, so that it has
    a gradient at zero.

    Args:
        fields: `Fields` of the input, or the dict of their multiplicities.
        epsilon: float, above 0.
        **kwargs: arguments of `keras.Layer`, and `data_format`.

    Input shape:
        `(batch, ..., fields.channels)`, or channels first.

    Output shape:
        The same with one channel for every copy of an irrep: first those of irrep 0, then the
        lengths, both in the order of the input.

    Raises:
        ValueError: if the channels do not match the fields.

    Example:

    >>> import numpy as np
    >>> from keras_gcnn.layers import Fields, NormPooling
    >>> NormPooling(Fields.regular(4, max_frequency=2))(np.zeros((1, 5, 5, 20))).shape[-1]
    12
    """

    def __init__(self, fields: FieldsLike, *, epsilon: float = 1e-6, **kwargs: Any) -> None:
        super().__init__(fields, **kwargs)
        self.epsilon = check_above_zero("epsilon", epsilon)
        self.filters = sum(self.fields.irreps.values())

    def call(self, inputs: Tensor) -> Tensor:
        inputs, axis = as_numbers(inputs, self.compute_dtype), self.channel_axis
        parts = []
        if self.fields.scalars:
            parts.append(mix_channels(inputs, scalar_channels(self.fields).T, axis))
        if not self.fields.is_trivial:
            lengths = vector_lengths(inputs, self.fields, self.epsilon, axis)
            parts.append(ops.cast(lengths, inputs.dtype))
        return join_blocks(parts, axis)

    def get_config(self) -> dict:
        return {**super().get_config(), "epsilon": self.epsilon}


@keras.saving.register_keras_serializable(package="keras_gcnn")
class SteerablePooling(_Invariant):
    """Pools over the values of every field, a function on the group: one invariant channel each.

    It is exact under C_N and D_N, and under SO(2) and O(2) for the rotations by `2 pi / samples`.
    As a map, the result still rotates with the image, until the positions are pooled.

    Args:
        fields: `Fields` of the input, or the dict of their multiplicities.
        mode: `"max"` or `"mean"`. The mean of a field is its irrep 0.
        samples: see `FourierActivation`.
        **kwargs: arguments of `keras.Layer`, and `data_format`.

    Input shape:
        `(batch, ..., fields.channels)`, or channels first.

    Output shape:
        The same with one channel per field.

    Raises:
        ValueError: for an unknown mode, fields that are no functions on their group, a number of
            samples that does not fit, or if the channels do not match the fields.

    Example:

    >>> import numpy as np
    >>> from keras_gcnn.layers import Fields, SteerablePooling
    >>> SteerablePooling(Fields.regular(4, group="d8"))(np.zeros((1, 5, 5, 64))).shape[-1]
    4

    References:
        Weiler & Cesa 2019, "General E(2)-Equivariant Steerable CNNs", section 2.6.
    """

    def __init__(
        self, fields: FieldsLike, mode: str = "max", *, samples: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(fields, **kwargs)
        self.mode = check_choice("mode", mode, tuple(_REDUCE))
        self.samples = checked_samples(self.fields, samples)
        self.filters = self.fields.count

    def call(self, inputs: Tensor) -> Tensor:
        inputs, axis = as_numbers(inputs, self.compute_dtype), self.channel_axis
        parts = split_blocks(inputs, self.fields, axis)
        return join_blocks([self._pool(part, number) for number, part in enumerate(parts)], axis)

    def _pool(self, tensor: Tensor, number: int) -> Tensor:
        block, matrix = self.fields.blocks[number], self.to_values(number)
        values = mix_fields(tensor, matrix, self.channel_axis)
        shape, at = [*ops.shape(values)], self.channel_axis % len(tensor.shape)
        shape[at : at + 1] = [block.field_count, matrix.shape[1]]
        return _REDUCE[self.mode](ops.reshape(values, shape), axis=at + 1)

    def to_values(self, number: int) -> np.ndarray:
        """Returns the matrix from a field of a block, by its number, to its values."""
        return _values_of(self.fields.blocks[number], self.samples)

    def get_config(self) -> dict:
        return {**super().get_config(), "mode": self.mode, "samples": self.samples}


@outside_graphs
def _values_of(block: Block, samples: int) -> np.ndarray:
    return sampling_matrix(block, samples).T
