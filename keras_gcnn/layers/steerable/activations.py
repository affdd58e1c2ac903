"""Nonlinearities that commute with rotations of fields."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_gcnn.arguments import check_above_zero
from keras_gcnn.backend.constants import outside_graphs
from keras_gcnn.backend.fourier import activate_samples
from keras_gcnn.backend.ops import widened
from keras_gcnn.groups.field_functions import sampling_matrix
from keras_gcnn.groups.fields import Fields
from keras_gcnn.groups.point_group import TRIVIAL
from keras_gcnn.layers.common.base import along, as_numbers, fresh
from keras_gcnn.layers.common.pointwise import pointwise
from keras_gcnn.layers.steerable.base import (
    FieldsLike,
    SteerableLayer,
    gated_channels,
    join_blocks,
    mix_channels,
    positions_of,
    scalar_channels,
    split_blocks,
    vector_channels,
    vector_lengths,
)
from keras_gcnn.layers.steerable.samples import checked_samples
from keras_gcnn.types import Activation, Initializer, Shape, Tensor


@outside_graphs
def _sampling_matrix(fields: Fields, block: int, samples: int) -> np.ndarray:
    """Returns `sampling_matrix` for one of the blocks, by its number."""
    return sampling_matrix(fields.blocks[block], samples)


@keras.saving.register_keras_serializable(package="keras_gcnn")
class FourierActivation(SteerableLayer):
    """Applies an activation to fields as functions on their group.

    A field of frequencies 0 to L is a band-limited function of the angle, with mirrors one on each
    of two sheets. The layer samples it, applies the activation to each value and projects the
    results back to the irreps of the field. Under C_N and D_N the samples are the elements of the
    group, and the layer is exact. Under SO(2) and O(2) it is exact for rotations by multiples of
    `2 pi / samples`, among them quarter turns, and nearly exact for all others.

    Args:
        fields: `Fields` of the input, or the dict of their multiplicities.
        activation: name of an activation of one value at a time, or such a callable.
        samples: int, number of angles: a multiple of 4 and at least `2 L + 1`; more samples reduce
            the error from aliasing. The default is 16, or the next possible number. Under C_N and
            D_N it is N.
        **kwargs: arguments of `keras.Layer`, and `data_format`.

    Input shape:
        `(batch, rows, columns, fields.channels)`, or channels first.

    Output shape:
        Same as the input.

    Raises:
        ValueError: if there are too few samples, their number is no multiple of 4, a field has an
            irrep more often than a function on the group, or the channels do not match the fields.

    Example:

    >>> import numpy as np
    >>> from keras_gcnn.layers import Fields, FourierActivation
    >>> fields = Fields.regular(8, max_frequency=5)
    >>> FourierActivation(fields, "relu")(np.zeros((1, 5, 5, 88))).shape[-1]
    88

    References:
        Cesa et al. 2022, "A Program to Build E(N)-Equivariant Steerable CNNs", section 5; Franzen &
        Wand 2021, "Nonlinearities in Steerable SO(2)-Equivariant CNNs".
    """

    def __init__(
        self,
        fields: FieldsLike,
        activation: Activation = "elu",
        *,
        samples: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(fields, **kwargs)
        self.activation = pointwise(activation)
        self.samples = checked_samples(self.fields, samples)

    def call(self, inputs: Tensor) -> Tensor:
        inputs, axis = as_numbers(inputs, self.compute_dtype), self.channel_axis
        parts = [
            self._activate(part, number)
            for number, part in enumerate(split_blocks(inputs, self.fields, axis))
        ]
        return join_blocks(parts, axis)

    def _activate(self, tensor: Tensor, number: int) -> Tensor:
        block = self.fields.blocks[number]
        matrix = _sampling_matrix(self.fields, number, self.samples)
        inverse = matrix.T * (block.size / len(matrix))
        shape, channels_last = ops.shape(tensor), self.channel_axis == -1
        # With channels last, a single matrix product serves every rank.
        positions = () if channels_last else (positions_of(shape),)
        fields = ops.reshape(tensor, (-1, block.size, *positions))
        fields = activate_samples(fields, matrix, inverse, self.activation, channels_last)
        return ops.reshape(fields, (-1, *shape[1:]))

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "activation": keras.activations.serialize(self.activation),
            "samples": self.samples,
        }


@keras.saving.register_keras_serializable(package="keras_gcnn")
class NormActivation(SteerableLayer):
    """Applies an activation to the lengths of pairs of channels, which keep their directions.

    A pair v becomes `activation(|v| + b) v / |v|`, with a bias b for every copy of an irrep; so do
    single channels that change their sign, such as `"0-"`. Channels of irrep 0 become
    `activation(v + b)`.

    Args:
        fields: `Fields` of the input, or the dict of their multiplicities.
        activation: name of an activation of one value at a time, or such a callable.
        epsilon: float above 0, added to squared lengths, so that lengths have a gradient at zero.
            It is at most `activation(b) / sqrt(epsilon)` there: 1000 for the default and a bias
            of 1.
        bias_initializer: initializer.
        **kwargs: arguments of `keras.Layer`, and `data_format`.

    Input shape:
        `(batch, rows, columns, fields.channels)`, or channels first.

    Output shape:
        Same as the input.

    Raises:
        ValueError: if the channels do not match the fields.

    Example:

    >>> import numpy as np
    >>> from keras_gcnn.layers import Fields, NormActivation
    >>> NormActivation(Fields({0: 2, 1: 2}))(np.zeros((1, 5, 5, 6))).shape[-1]
    6

    References:
        Worrall et al. 2017, "Harmonic Networks", section 4; Weiler & Cesa 2019, section 2.6.
    """

    def __init__(
        self,
        fields: FieldsLike,
        activation: Activation = "relu",
        *,
        epsilon: float = 1e-6,
        bias_initializer: Initializer = "zeros",
        **kwargs: Any,
    ) -> None:
        super().__init__(fields, **kwargs)
        self.activation = pointwise(activation)
        self.epsilon = check_above_zero("epsilon", epsilon)
        self.bias_initializer = keras.initializers.get(bias_initializer)

    def build(self, input_shape: Shape) -> None:
        super().build(input_shape)  # first, since a refused input shall leave no weights
        initializer = self.bias_initializer
        self.scalar_bias = self._add_bias("scalar_bias", self.fields.scalars, initializer)
        pairs = len(vector_channels(self.fields))
        self.pair_bias = self._add_bias("pair_bias", pairs, fresh(initializer))

    def _add_bias(self, name: str, size: int, initializer: Initializer) -> keras.Variable | None:
        if not size:
            return None
        return self.add_weight(name=name, shape=(size,), initializer=initializer)

    def call(self, inputs: Tensor) -> Tensor:
        inputs = as_numbers(inputs, self.compute_dtype)
        axis, rank = self.channel_axis, len(inputs.shape)
        parts = []
        if self.scalar_bias is not None:
            scalars = scalar_channels(self.fields)
            values = mix_channels(inputs, scalars.T, axis) + along(self.scalar_bias, axis, rank)
            parts.append(mix_channels(self.activation(values), scalars, axis))
        if self.pair_bias is not None:
            lengths = vector_lengths(inputs, self.fields, self.epsilon, axis)
            bias = ops.cast(along(self.pair_bias, axis, rank), lengths.dtype)
            scales = self.activation(lengths + bias) / lengths
            # Multiplies before it rounds, since float16 cannot hold the scale of short pairs.
            pairs = widened(inputs) * mix_channels(scales, vector_channels(self.fields), axis)
            parts.append(ops.cast(pairs, inputs.dtype))
        return sum(parts[1:], parts[0])

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "activation": keras.activations.serialize(self.activation),
            "epsilon": self.epsilon,
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
        }


@keras.saving.register_keras_serializable(package="keras_gcnn")
class GatedActivation(SteerableLayer):
    """Scales the pairs of a field by a gate that its channel of irrep 0 controls.

    With s the channel of irrep 0 of a field, s becomes `activation(s)` and every other channel v
    of the field becomes `gate(s) v`.

    Args:
        fields: `Fields` of the input, or the dict of their multiplicities; every field needs the
            irrep 0, once.
        activation: name of an activation of one value at a time, or such a callable.
        gate: the same for the gates.
        **kwargs: arguments of `keras.Layer`, and `data_format`.

    Input shape:
        `(batch, rows, columns, fields.channels)`, or channels first.

    Output shape:
        Same as the input.

    Raises:
        ValueError: if a field does not have irrep 0 once, or the channels do not match the fields.

    Example:

    >>> import numpy as np
    >>> from keras_gcnn.layers import Fields, GatedActivation
    >>> GatedActivation(Fields({0: 2, 1: 2}))(np.zeros((1, 5, 5, 6))).shape[-1]
    6

    References:
        Weiler et al. 2018, "3D Steerable CNNs", section 4.3; Weiler & Cesa 2019, section 2.6.
    """

    def __init__(
        self,
        fields: FieldsLike,
        activation: Activation = "relu",
        *,
        gate: Activation = "sigmoid",
        **kwargs: Any,
    ) -> None:
        super().__init__(fields, **kwargs)
        self.activation = pointwise(activation)
        self.gate = pointwise(gate, "gate")
        wrong = [block for block in self.fields.blocks if block.irreps.count(TRIVIAL) != 1]
        if wrong:
            raise ValueError(
                f"GatedActivation received {self.fields!r}; {sum(b.field_count for b in wrong)} of "
                "these fields do not have frequency 0 once, which would be their gate. Give "
                f"frequency 0 a multiplicity of {self.fields.count}, or use NormActivation."
            )

    def call(self, inputs: Tensor) -> Tensor:
        inputs, axis = as_numbers(inputs, self.compute_dtype), self.channel_axis
        scalars = scalar_channels(self.fields)
        values = mix_channels(inputs, scalars.T, axis)
        gates = mix_channels(self.gate(values), gated_channels(self.fields), axis)
        return mix_channels(self.activation(values), scalars, axis) + inputs * gates

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "activation": keras.activations.serialize(self.activation),
            "gate": keras.activations.serialize(self.gate),
        }
