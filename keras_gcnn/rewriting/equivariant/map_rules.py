"""How normalisations, poolings, borders and dropout become those of maps on a group."""

from __future__ import annotations

from typing import Any

import keras

from keras_gcnn import layers
from keras_gcnn.rewriting.equivariant.convolution_rules import square
from keras_gcnn.rewriting.equivariant.roles import Role
from keras_gcnn.rewriting.equivariant.translator import GroupTranslator
from keras_gcnn.types import Tensor

_WEIGHTS = (
    "center",
    "scale",
    "beta_initializer",
    "gamma_initializer",
    "beta_regularizer",
    "gamma_regularizer",
    "beta_constraint",
    "gamma_constraint",
)


def keep(translator: GroupTranslator, *args: Any, **kwargs: Any) -> Tensor:
    """Keeps a layer that treats every channel and position alike."""
    return translator.keep(*args, **kwargs)


def _on_channels(translator: GroupTranslator, inputs: Tensor, axis: Any) -> bool:
    """Whether an axis is that of the channels; several axes never are."""
    if isinstance(axis, list | tuple):
        if len(axis) != 1:
            return False
        (axis,) = axis
    rank = len(inputs.shape)
    expected = translator.channel_axis if rank == 4 else -1
    return axis % rank == expected % rank


def check_axis(translator: GroupTranslator, inputs: Tensor) -> None:
    """Raises a `ValueError` if a normalisation is not along the channels."""
    if not _on_channels(translator, inputs, translator.layer.axis):
        raise translator.fail(
            f"normalizes along axis={translator.layer.axis}, which is not that of the channels",
            f"Use axis={translator.channel_axis}.",
        )


def batch_normalization(translator: GroupTranslator, inputs: Tensor) -> Tensor:
    """Adds the layer with statistics for each field."""
    more = ("momentum", "epsilon", "synchronized")
    names = (*more, *_WEIGHTS, "moving_mean_initializer", "moving_variance_initializer")
    return _normalized(translator, inputs, layers.GBatchNormalization, names)


def layer_normalization(translator: GroupTranslator, inputs: Tensor) -> Tensor:
    """Adds the layer with a scale and an offset for each field."""
    return _normalized(translator, inputs, layers.GLayerNormalization, ("epsilon", *_WEIGHTS))


def rms_normalization(translator: GroupTranslator, inputs: Tensor) -> Tensor:
    """Adds the layer with a scale for each field."""
    return _normalized(translator, inputs, layers.GRMSNormalization, ("epsilon",))


def _normalized(
    translator: GroupTranslator,
    inputs: Tensor,
    layer_class: type[keras.layers.Layer],
    names: tuple[str, ...],
) -> Tensor:
    """Adds a normalisation with these entries of the given layer's configuration."""
    check_axis(translator, inputs)
    if translator.role(inputs) is not Role.ON_GROUP:
        return translator.keep(inputs)
    config = translator.config
    options = {name: config[name] for name in names}
    axis = translator.axis_of(inputs.shape)
    return translator.add(layer_class, inputs, translator.group, axis=axis, **options)


def group_normalization(translator: GroupTranslator, inputs: Tensor) -> Tensor:
    """Adds the layer with statistics for groups of whole fields."""
    check_axis(translator, inputs)
    if translator.role(inputs) is not Role.ON_GROUP:
        return translator.keep(inputs)
    config = translator.config
    options = {name: config[name] for name in ("epsilon", *_WEIGHTS)}
    axis = translator.axis_of(inputs.shape)
    fields = translator.channels_of(inputs.shape) // translator.group.order
    plain = translator.plain_shapes()[0][translator.layer.axis]
    wanted = config["groups"]
    if wanted in (-1, plain):  # instance normalisation
        groups = fields
    else:
        groups = max(number for number in range(1, wanted + 1) if fields % number == 0)
    if groups != wanted and wanted != -1:
        translator.note(f"{wanted} groups of channels became {groups}")
    return translator.add(
        layers.GGroupNormalization, inputs, groups, translator.group, axis=axis, **options
    )


def parametric_relu(translator: GroupTranslator, inputs: Tensor) -> Tensor:
    """Adds a slope for each field, the same at all positions."""
    config = translator.config
    options = {
        f"alpha_{name}": config[f"alpha_{name}"]
        for name in ("initializer", "regularizer", "constraint")
    }
    positions = {axis for axis in range(1, len(inputs.shape))}
    positions.discard(translator.axis_of(inputs.shape) % len(inputs.shape))
    shared = {axis % len(inputs.shape) for axis in translator.layer.shared_axes or ()}
    if positions - shared:
        translator.note("its slopes became equal at all positions")
    if translator.role(inputs) is not Role.ON_GROUP:
        return translator.restyle(inputs, shared_axes=sorted(positions | shared))
    return translator.add(
        layers.GPReLU,
        inputs,
        translator.group,
        data_format=translator.book.data_format,
        **options,
    )


def layer_scale(translator: GroupTranslator, inputs: Tensor) -> Tensor:
    """Adds a factor for each field (ConvNeXt)."""
    if translator.role(inputs) is not Role.ON_GROUP:
        return translator.keep(inputs)
    return translator.add(
        layers.GLayerScale,
        inputs,
        translator.layer.init_values,
        translator.group,
        data_format=translator.book.data_format,
    )


def pooling(translator: GroupTranslator, inputs: Tensor) -> Tensor:
    """Keeps the window, or adds the one that fits every size."""
    layer = translator.layer
    is_max = type(layer).__name__.startswith("Max")
    layer_class: Any = layers.GMaxPooling2D if is_max else layers.GAveragePooling2D
    strides = square(translator, layer.strides, "strides")
    options = {"data_format": translator.book.data_format}
    if max(strides) == 1 or translator.book.downsampling == "stride":
        window = square(translator, layer.pool_size, "pool_size")
        padding = layer.padding
        return translator.add(
            layer_class, inputs, window, strides, padding, equivariance="ignore", **options
        )
    translator.note("its window became the one that fits the size")
    return translator.add(layer_class, inputs, None, strides, **options)


def padding(translator: GroupTranslator, inputs: Tensor) -> Tensor:
    """Pads all sides alike; exact strides pad by themselves."""
    book = translator.book
    readers = book.flow.readers[id(translator.layer)]
    if book.downsampling == "exact" and readers and all(map(_has_strides, readers)):
        translator.note("was left out, since exact strides need no padding")
        return inputs
    return _border(translator, inputs, "padding")


def _has_strides(operation: keras.Operation) -> bool:
    strides = getattr(operation, "strides", 1)
    return (max(strides) if isinstance(strides, tuple | list) else strides) > 1


def cropping(translator: GroupTranslator, inputs: Tensor) -> Tensor:
    """Crops all sides alike."""
    return _border(translator, inputs, "cropping")


def _border(translator: GroupTranslator, inputs: Tensor, name: str) -> Tensor:
    rows, columns = pairs = tuple(map(tuple, getattr(translator.layer, name)))
    widest = [max(pair) for pair in pairs]
    if translator.group.swaps_axes:
        widest = [max(widest)] * 2
    reverses = translator.group.reverses_axis
    even = tuple(
        (width, width) if turns else pair
        for width, turns, pair in zip(widest, reverses, pairs, strict=True)
    )
    if even != (rows, columns):
        translator.note(f"{name} {(rows, columns)} became {even}")
    changes: dict[str, Any] = {name: even}
    return translator.restyle(inputs, **changes)


def upsampling(translator: GroupTranslator, inputs: Tensor) -> Tensor:
    """Keeps the layer; it enlarges symmetrically."""
    square(translator, translator.layer.size, "size")
    return translator.keep(inputs)


def dropout(translator: GroupTranslator, inputs: Tensor, **options: Any) -> Tensor:
    """Drops whole fields."""
    layer = translator.layer
    spatial = isinstance(layer, keras.layers.SpatialDropout2D)
    rank, noise = len(inputs.shape), getattr(layer, "noise_shape", None)
    if noise is not None and rank == 4:
        # Sizes of 1 share a mask. For rows without columns or the other way round, it would rotate.
        shared = {axis for axis in range(1, 4) if noise[axis] == 1}
        positions = {1, 2, 3} - {translator.channel_axis % 4}
        if len(shared & positions) == 1 or noise[0] == 1:
            raise translator.fail(
                f"has noise_shape={noise}, which no dropout of fields has",
                "Leave noise_shape out, or share the mask over all positions or over the channels.",
            )
        if shared - positions:
            return translator.keep(inputs, **options)
        spatial = shared == positions
    if translator.role(inputs) is not Role.ON_GROUP or rank not in (2, 4):
        return translator.keep(inputs, **options)
    return translator.add(
        layers.GDropout,
        inputs,
        layer.rate,
        translator.group,
        spatial=spatial,
        seed=layer.seed,
        data_format=translator.book.data_format,
    )


MAPS = {
    "AveragePooling2D": pooling,
    "BatchNormalization": batch_normalization,
    "Cropping2D": cropping,
    "Dropout": dropout,
    "GroupNormalization": group_normalization,
    "LayerNormalization": layer_normalization,
    "LayerScale": layer_scale,
    "MaxPooling2D": pooling,
    "PReLU": parametric_relu,
    "RMSNormalization": rms_normalization,
    "SpatialDropout2D": dropout,
    "UpSampling2D": upsampling,
    "ZeroPadding2D": padding,
}
"""Rules by the names of stock classes."""
