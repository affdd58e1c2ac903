"""The channel types that the outputs of an operation may have."""

from __future__ import annotations

from collections.abc import Sequence

import keras

from keras_gcnn.analysis.auditing.channel_types import (
    ChannelType,
    SteerableType,
    VectorType,
    channel_type_of,
)
from keras_gcnn.analysis.auditing.tokens import token_types
from keras_gcnn.groups import Group
from keras_gcnn.groups.fields import Fields
from keras_gcnn.groups.vectors import COMPONENTS
from keras_gcnn.model_graph import group_of, unwrap

Inputs = Sequence[tuple[tuple[int, ...], tuple[ChannelType, ...]]]
"""The shape and the types of every input of an operation."""


def candidate_types(
    op: keras.Operation, inputs: Inputs, held: Group, data_format: str
) -> list[ChannelType]:
    """Returns the types that outputs of an operation may have, the most likely first.

    Args:
        op: layer or operation.
        inputs: shapes and types of its inputs.
        held: the group under which the types are tried.
        data_format: data format of the model.
    """
    input_types = [channel_type for _, types in inputs for channel_type in types]
    input_groups = [t.group for t in input_types if not isinstance(t, SteerableType)]
    fibre_groups = dict.fromkeys([group_of(op) or held, *input_groups, held])
    types = [ChannelType("trivial", held)]
    types += [ChannelType("regular", group) for group in fibre_groups]
    types += _steerable(op, inputs, held, data_format)
    types += _vectors(op, input_types, held)
    first_types, shapes = [types[0] for _, types in inputs], [shape for shape, _ in inputs]
    types += token_types(first_types, shapes, types.copy())
    return [*types, ChannelType("invariant", held)]


def _vectors(
    op: keras.Operation, input_types: Sequence[ChannelType], held: Group
) -> list[ChannelType]:
    """Returns the types of the vectors that a layer makes or receives."""
    layer = unwrap(op)
    components = [one.components for one in input_types if isinstance(one, VectorType)]
    if getattr(layer, "makes_vectors", False):
        components.append(getattr(layer, "components", COMPONENTS))
    return [VectorType("vectors", held, pair) for pair in dict.fromkeys(components)]


def _steerable(
    op: keras.Operation, inputs: Inputs, held: Group, data_format: str
) -> list[ChannelType]:
    """Returns the types with the layer's own fields, with the inputs' fields, and with both."""
    input_fields = [t.fields for _, types in inputs for t in types if isinstance(t, SteerableType)]
    layer_fields = getattr(unwrap(op), "fields_out", None)
    candidates = [layer_fields] if isinstance(layer_fields, Fields) else []
    candidates += input_fields
    if input_fields:
        candidates += _joined(inputs, data_format)
    return [
        channel_type_of(fields, fields.group.pixel_group)
        for fields in dict.fromkeys(candidates)
        if not fields.is_trivial and fields.group.pixel_group.contains(held)
    ]


def _joined(inputs: Inputs, data_format: str) -> list[Fields]:
    """Returns the fields of all inputs concatenated; empty if they cannot be concatenated."""
    axis = -1 if data_format == "channels_last" else 1
    parts = []
    for shape, (first, *_) in inputs:
        if first.name == "regular":
            return []
        if isinstance(first, SteerableType):
            parts.append(first.fields)
        else:
            parts.append(Fields.trivial(shape[axis]))
    try:
        return [sum(parts[1:], parts[0])]
    except ValueError:  # fields of different groups
        return []
