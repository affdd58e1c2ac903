"""How dense layers become pointwise convolutions, or kernels as large as a map."""

from __future__ import annotations

import keras

from keras_gcnn import layers
from keras_gcnn.rewriting.equivariant.convolution_rules import (
    BIAS,
    KERNEL,
    gate,
    is_readout,
    pick,
)
from keras_gcnn.rewriting.equivariant.roles import Role
from keras_gcnn.rewriting.equivariant.translator import GroupTranslator
from keras_gcnn.types import Tensor


def dense(translator: GroupTranslator, inputs: Tensor) -> Tensor:
    """Adds a pointwise convolution; after Flatten, one whose kernel covers the whole map."""
    layer, config = translator.layer, translator.config
    if translator.role(inputs) is Role.INVARIANT:
        return gate(translator, inputs, config)
    data_format = translator.book.data_format
    weights = {**pick(config, BIAS), **pick(config, KERNEL), "equivariance": "ignore"}
    if id(inputs) in translator.book.flattened:
        return _dense_behind_flatten(translator, inputs, weights)
    if len(inputs.shape) == 4 and data_format == "channels_first":
        raise translator.fail("acts on the columns of a map", "Use a Conv2D with a kernel of 1.")
    if is_readout(translator, inputs):
        if translator.role(inputs) is Role.ON_GROUP:
            inputs = translator.pool_orientations(inputs)
        return translator.restyle(inputs)
    maps = inputs
    if len(inputs.shape) == 2:
        channels = inputs.shape[-1]
        shape = (1, 1, channels) if data_format == "channels_last" else (channels, 1, 1)
        maps = translator.add(keras.layers.Reshape, inputs, shape, part="map")
    fields = translator.fields(layer.units)
    on_group = translator.role(inputs) is Role.ON_GROUP
    outputs = translator.add(
        layers.GConv2D if on_group else layers.LiftingConv2D,
        maps,
        fields,
        1,
        translator.group,
        data_format=data_format,
        activation=layer.activation,
        part="convolution" if len(inputs.shape) == 2 else "",
        **weights,
    )
    translator.mark(outputs, Role.ON_GROUP)
    if len(inputs.shape) == 2:
        channels = fields * translator.group.order
        outputs = translator.add(keras.layers.Reshape, outputs, (channels,))
    return outputs


def _dense_behind_flatten(translator: GroupTranslator, inputs: Tensor, weights: dict) -> Tensor:
    layer, book = translator.layer, translator.book
    axes = (1, 2) if book.data_format == "channels_last" else (2, 3)
    sizes = tuple(inputs.shape[axis] for axis in axes)
    if None in sizes:
        raise translator.fail(
            "reads a map of unknown size after Flatten", "Pass input_shape to convert."
        )
    translator.note(f"Flatten and Dense became a convolution with a kernel of {sizes}")
    readout = is_readout(translator, inputs)
    fields = layer.units if readout else translator.fields(layer.units)
    on_group = translator.role(inputs) is Role.ON_GROUP
    maps = translator.add(
        layers.GConv2D if on_group else layers.LiftingConv2D,
        inputs,
        fields,
        sizes,
        translator.group,
        data_format=book.data_format,
        activation=None if readout else layer.activation,
        part="convolution",
        **weights,
    )
    translator.mark(maps, Role.ON_GROUP)
    if book.head == "invariant":
        if not readout:
            translator.note_features(fields * translator.group.order)
        maps = translator.pool_orientations(maps)
    else:
        translator.report_orientations()
        translator.mark(maps, Role.INVARIANT)
        fields *= translator.group.order
    part = "vector" if readout else ""
    outputs = translator.add(keras.layers.Reshape, maps, (fields,), part=part)
    if readout:
        outputs = translator.add(keras.layers.Activation, outputs, layer.activation)
    return outputs
