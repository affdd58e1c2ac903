"""How stock convolutions become convolutions on a group."""

from __future__ import annotations

import math
from typing import Any

import keras

from keras_gcnn import layers
from keras_gcnn.rewriting.equivariant.roles import Role
from keras_gcnn.rewriting.equivariant.translator import GroupTranslator
from keras_gcnn.types import Tensor

BIAS = (
    "use_bias",
    "bias_initializer",
    "bias_regularizer",
    "bias_constraint",
    "activity_regularizer",
)
KERNEL = ("kernel_initializer", "kernel_regularizer", "kernel_constraint")
_DEPTHWISE = ("depthwise_initializer", "depthwise_regularizer", "depthwise_constraint")
_POINTWISE = ("pointwise_initializer", "pointwise_regularizer", "pointwise_constraint")


def convolution(translator: GroupTranslator, inputs: Tensor) -> Tensor:
    """Adds a lifting convolution on an image, and one on the group behind it."""
    layer = translator.layer
    channels = translator.channels_of(inputs.shape)
    config = translator.config
    if 1 < layer.groups == layer.filters == translator.channels_of(translator.plain_shapes()[0]):
        weights = dict(zip(_DEPTHWISE, (config[name] for name in KERNEL), strict=True))
        return _depthwise(translator, inputs, 1, weights)
    if translator.role(inputs) is Role.INVARIANT:
        return gate(translator, inputs, config)
    if layer.groups > 1:
        return _grouped(translator, inputs, config, channels)
    if is_readout(translator, inputs):
        return _readout(translator, inputs, config)
    fields = translator.fields(layer.filters)
    return _windowed(translator, inputs, fields, config, pick(config, KERNEL))


def is_readout(translator: GroupTranslator, inputs: Tensor) -> bool:
    """Whether the channels that a layer makes are those of an output of the model."""
    book = translator.book
    return (
        book.head == "invariant"
        and id(translator.layer) in book.flow.reading_out
        and translator.role(inputs) is not Role.INVARIANT
    )


def _readout(translator: GroupTranslator, inputs: Tensor, config: dict) -> Tensor:
    """Adds the layers that end at a map without orientations, with the channels of the plain one.

    A pointwise convolution of the pooled map costs least. A larger kernel cannot turn with a map
    that has no orientations, so there the convolution comes first.
    """
    layer = translator.layer
    if max(layer.kernel_size) == 1 and max(layer.strides) == 1:
        if translator.role(inputs) is Role.ON_GROUP:
            inputs = translator.pool_orientations(inputs)
            translator.note("pools over orientations first")
        return translator.restyle(inputs)
    translator.note("is averaged over orientations")
    maps = _windowed(
        translator,
        inputs,
        layer.filters,
        {**config, "activation": None},
        pick(config, KERNEL),
        part="fields",
    )
    maps = translator.pool_orientations(maps, "mean")
    return translator.add(keras.layers.Activation, maps, layer.activation)


def gate(translator: GroupTranslator, inputs: Tensor, config: dict) -> Tensor:
    """Adds a layer on numbers without orientations whose outputs are merged with a map."""
    name = "filters" if "filters" in config else "units"
    changes: dict[str, Any] = {name: translator.fields(config[name])}
    return translator.restyle(inputs, **changes)


def _grouped(translator: GroupTranslator, inputs: Tensor, config: dict, channels: int) -> Tensor:
    """Adds a convolution in groups of fields; there are as many groups as the widths allow."""
    fields = translator.fields(translator.layer.filters)
    if translator.role(inputs) is Role.IMAGE:
        raise translator.fail(
            "convolves the channels of an image in groups", "Use groups=1 in the first layer."
        )
    groups = math.gcd(config["groups"], fields, channels // translator.group.order)
    if groups != config["groups"]:
        translator.note(f"{config['groups']} groups became {groups}")
    more = {**pick(config, KERNEL), "groups": groups}
    return _windowed(translator, inputs, fields, config, more)


def _windowed(
    translator: GroupTranslator,
    inputs: Tensor,
    fields: int,
    config: dict,
    weights: dict[str, Any],
    *,
    part: str = "",
    depthwise: bool = False,
) -> Tensor:
    """Adds a convolution with the strides of the layer, exact ones if they are asked for."""
    strides = tuple(config["strides"])
    exact = max(strides) > 1 and translator.book.downsampling == "exact"
    kernel_size = square(translator, config["kernel_size"], "kernel_size")
    if exact and any(side % 2 == 0 for side in kernel_size):
        # Around a window without a centre, padding cannot be the same on both sides.
        rows, columns = kernel_size
        kernel_size = rows + 1 - rows % 2, columns + 1 - columns % 2
        translator.note(f"kernel_size {tuple(config['kernel_size'])} became {kernel_size}")
    options = {
        "kernel_size": kernel_size,
        "strides": 1 if exact else square(translator, strides, "strides"),
        "padding": "same" if exact else config["padding"],
        "dilation_rate": square(translator, config["dilation_rate"], "dilation_rate"),
        "data_format": translator.book.data_format,
        **pick(config, BIAS),
        **weights,
        "equivariance": "ignore",  # the report says it
    }
    if depthwise:
        layer_class: Any = layers.GDepthwiseConv2D
    elif translator.role(inputs) is Role.ON_GROUP:
        layer_class, options["filters"] = layers.GConv2D, fields
    else:
        layer_class, options["filters"] = layers.LiftingConv2D, fields
    options["group"] = translator.group
    activation = keras.activations.get(config["activation"])
    if not exact:
        maps = translator.add(layer_class, inputs, part=part, activation=activation, **options)
        return translator.mark(maps, Role.ON_GROUP)
    translator.note(f"the stride of {max(strides)} became an average over windows that fit")
    pool = {"strides": strides, "data_format": translator.book.data_format}
    if max(kernel_size) == 1:  # an average and a pointwise convolution commute; this costs less
        inputs = translator.add(layers.GAveragePooling2D, inputs, part="pool", **pool)
        maps = translator.add(layer_class, inputs, part=part, activation=activation, **options)
        return translator.mark(maps, Role.ON_GROUP)
    linear = activation in (None, keras.activations.linear)
    maps = translator.add(layer_class, inputs, part="full", **options)
    translator.mark(maps, Role.ON_GROUP)
    maps = translator.add(layers.GAveragePooling2D, maps, part=part if linear else "pool", **pool)
    return maps if linear else translator.add(keras.layers.Activation, maps, activation, part=part)


def square(translator: GroupTranslator, pair: Any, what: str) -> tuple[int, int]:
    """Returns a window of equal area that the group can turn, and reports it if it is another."""
    rows, columns = pair = (pair, pair) if isinstance(pair, int) else tuple(pair)
    if rows == columns or not translator.group.swaps_axes:
        return pair
    if what in ("strides", "size"):
        raise translator.fail(
            f"has {what}={pair}, and quarter turns exchange rows and columns",
            'Use the same number for both, or a group without quarter turns, such as "z2".',
        )
    side = math.ceil(math.sqrt(rows * columns))
    side += 1 - side % 2  # odd, so that padding is the same on both sides
    translator.note(f"{what} {pair} became {(side, side)}")
    return side, side


def depthwise_convolution(translator: GroupTranslator, inputs: Tensor) -> Tensor:
    """Adds one filter for each field."""
    layer = translator.layer
    weights = pick(translator.config, _DEPTHWISE)
    return _depthwise(translator, inputs, layer.depth_multiplier, weights)


def _depthwise(
    translator: GroupTranslator, inputs: Tensor, multiplier: int, weights: dict[str, Any]
) -> Tensor:
    if translator.role(inputs) is not Role.ON_GROUP:
        raise translator.fail(
            "convolves the channels of an image one by one",
            "Put a Conv2D before it, which makes maps on the group.",
        )
    more = {**weights, "depth_multiplier": multiplier}
    config = translator.config
    return _windowed(translator, inputs, 0, config, more, depthwise=True)


def separable_convolution(translator: GroupTranslator, inputs: Tensor) -> Tensor:
    """Adds one filter for each field and a pointwise convolution; on an image, a full one."""
    layer, config = translator.layer, translator.config
    fields = translator.fields(layer.filters)
    pointwise = dict(zip(KERNEL, (config[name] for name in _POINTWISE), strict=True))
    if translator.role(inputs) is not Role.ON_GROUP:
        translator.note("became a full convolution, since it reads an image")
        return _windowed(translator, inputs, fields, config, pointwise)
    spatial = {**config, "activation": None, "use_bias": False}
    more = {**pick(config, _DEPTHWISE), "depth_multiplier": layer.depth_multiplier}
    maps = _windowed(translator, inputs, 0, spatial, more, part="depthwise", depthwise=True)
    return translator.add(
        layers.GConv2D,
        maps,
        fields,
        1,
        translator.group,
        data_format=translator.book.data_format,
        activation=keras.activations.get(config["activation"]),
        **pick(config, BIAS),
        **pointwise,
    )


def transposed_convolution(translator: GroupTranslator, inputs: Tensor) -> Tensor:
    """Adds the transposed convolution on the group."""
    layer, config = translator.layer, translator.config
    readout = is_readout(translator, inputs)
    fields = layer.filters if readout else translator.fields(layer.filters)
    maps = translator.add(
        layers.GConv2DTranspose,
        translator.on_group(inputs),
        fields,
        square(translator, layer.kernel_size, "kernel_size"),
        translator.group,
        strides=square(translator, layer.strides, "strides"),
        padding=layer.padding,
        output_padding=layer.output_padding,
        dilation_rate=square(translator, layer.dilation_rate, "dilation_rate"),
        data_format=translator.book.data_format,
        activation=None if readout else layer.activation,
        equivariance="ignore",
        part="fields" if readout else "",
        **pick(config, BIAS),
        **pick(config, KERNEL),
    )
    if not readout:
        return maps
    translator.note("is averaged over orientations")
    maps = translator.pool_orientations(maps, "mean")
    return translator.add(keras.layers.Activation, maps, layer.activation)


def pick(config: dict, names: tuple[str, ...]) -> dict[str, Any]:
    """Returns those entries of a configuration that it has."""
    return {name: config[name] for name in names if name in config}


CONVOLUTIONS = {
    "Conv2D": convolution,
    "Conv2DTranspose": transposed_convolution,
    "DepthwiseConv2D": depthwise_convolution,
    "SeparableConv2D": separable_convolution,
}
"""Rules by the names of stock classes."""
