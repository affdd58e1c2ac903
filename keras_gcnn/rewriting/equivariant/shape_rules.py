"""How layers that merge, reshape and pool away positions act on maps on a group."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_gcnn.layers.common.stock_layers import HARMLESS, KEEPING, MERGING
from keras_gcnn.rewriting.equivariant.convolution_rules import CONVOLUTIONS
from keras_gcnn.rewriting.equivariant.dense_rules import dense
from keras_gcnn.rewriting.equivariant.image_rules import IMAGES, rescaling
from keras_gcnn.rewriting.equivariant.map_rules import MAPS, dropout, keep
from keras_gcnn.rewriting.equivariant.roles import Role
from keras_gcnn.rewriting.equivariant.translator import GroupTranslator
from keras_gcnn.types import Shape, Tensor


def merge(translator: GroupTranslator, *args: Any, **kwargs: Any) -> Tensor:
    """Merges tensors on one group, to which images and vectors are lifted."""
    tensors = [each for each in keras.tree.flatten(args) if isinstance(each, keras.KerasTensor)]
    if len({(len(each.shape), translator.role(each)) for each in tensors}) > 1:
        translator.check_axes(tensors)  # which of their axes lie on each other
    lifted = _alike(translator, tensors)
    fields = [translator.channels_of(each.shape) for each in lifted if len(each.shape) in (2, 4)]
    if len(set(fields)) > 1:
        order = translator.group.order
        counts = " and ".join(str(count // order) for count in fields)
        raise translator.fail(
            f"joins maps of {counts} fields, since widths were rounded",
            f"Choose channels that are multiples of {order}.",
        )
    by_id = {id(old): new for old, new in zip(tensors, lifted, strict=True)}
    args = keras.tree.map_structure(lambda each: by_id.get(id(each), each), args)
    return translator.keep(*args, **kwargs)


def _alike(translator: GroupTranslator, tensors: list[Tensor]) -> list[Tensor]:
    """Lifts all tensors if one is on the group, and repeats single fields for all fields."""
    if all(translator.role(each) is not Role.ON_GROUP for each in tensors):
        return tensors
    lifted = []
    most = max(
        translator.channels_of(each.shape)
        for each in tensors
        if translator.role(each) is Role.ON_GROUP
    )
    for tensor in tensors:
        single = translator.role(tensor) is not Role.ON_GROUP and (
            len(tensor.shape) not in (2, 4) or translator.channels_of(tensor.shape) == 1
        )
        if not single:
            tensor = translator.on_group(tensor)
            if translator.channels_of(tensor.shape) == translator.group.order < most:
                tensor = _tile(translator, tensor, most // translator.group.order)
        elif len(tensor.shape) in (2, 4):
            tensor = translator.mark(
                ops.repeat(tensor, most, axis=translator.axis_of(tensor.shape)), Role.ON_GROUP
            )
        lifted.append(tensor)
    return lifted


def _tile(translator: GroupTranslator, tensor: Tensor, times: int) -> Tensor:
    """Repeats the only field of a map, such as a mask, for several fields."""
    repeats = [1] * len(tensor.shape)
    repeats[translator.axis_of(tensor.shape)] = times
    return translator.mark(ops.tile(tensor, repeats), Role.ON_GROUP)


def concatenate(translator: GroupTranslator, *args: Any, **kwargs: Any) -> Tensor:
    """Concatenates the fields of maps."""
    tensors = [each for each in keras.tree.flatten(args) if isinstance(each, keras.KerasTensor)]
    rank = len(tensors[0].shape)
    axis = translator.layer.axis % rank
    if axis != translator.axis_of(tensors[0].shape) % rank:
        raise translator.fail(
            f"joins maps along axis {axis}, which is not that of the channels",
            "Join them along the channels.",
        )
    if any(translator.role(each) is Role.ON_GROUP for each in tensors):
        tensors = [translator.on_group(each) for each in tensors]
        fields = sum(translator.channels_of(each.shape) for each in tensors)
        plain = translator.channels_of(translator.plain_shapes()[1])
        translator.book.widths.note_join(plain, fields // translator.group.order)
    return translator.keep(tensors)


def global_pooling(translator: GroupTranslator, inputs: Tensor) -> Tensor:
    """Pools over positions, and over orientations too unless the numbers return to a map."""
    book = translator.book
    returns = id(translator.layer) in book.flow.returning
    if translator.role(inputs) is not Role.ON_GROUP:
        return translator.mark(translator.keep(inputs), Role.INVARIANT)
    if returns:
        return translator.keep(inputs)
    if book.head == "orientations":
        return _with_orientations(translator, translator.keep(inputs))
    translator.note_features(translator.channels_of(inputs.shape))
    vector = translator.restyle(inputs, part="positions")
    return translator.pool_orientations(vector, part="")


def reduction(translator: GroupTranslator, inputs: Tensor, weights: Any = None) -> Tensor:
    """Keeps means and maxima over all positions, as `keras.ops` computes them.

    That of `keras.ops.average`, the only one with weights, has one axis and is always refused.
    """
    rank, op = len(inputs.shape), translator.layer
    axes = op.axis if isinstance(op.axis, list | tuple) else (op.axis,)
    positions = sorted({1, 2, 3} - {translator.channel_axis % 4})
    if rank != 4 or None in axes or sorted(axis % rank for axis in axes) != positions:
        raise translator.fail(
            f"reduces along axis={op.axis}", f"Reduce a map along both axes {tuple(positions)}."
        )
    outputs = translator.keep(inputs)
    if translator.role(inputs) is not Role.ON_GROUP:
        return translator.mark(outputs, Role.INVARIANT)
    book = translator.book
    if id(op) in book.flow.returning:
        return outputs
    if book.head == "orientations":
        return _with_orientations(translator, outputs)
    translator.note_features(translator.channels_of(inputs.shape))
    return translator.pool_orientations(outputs)


def along_axes(translator: GroupTranslator, inputs: Tensor) -> Tensor:
    """Keeps a normalisation over the channels or over all positions, such as a softmax."""
    rank, axes = len(inputs.shape), translator.layer.axis
    axes = range(1, rank) if axes is None else axes if isinstance(axes, list | tuple) else (axes,)
    over = {axis % rank for axis in axes} - {translator.axis_of(inputs.shape) % rank}
    positions = {1, 2, 3} - {translator.channel_axis % 4}
    if over and not (rank == 4 and over == positions):
        raise translator.fail(
            f"acts along axis={translator.layer.axis}, and rows and columns change places",
            f"Use axis={translator.axis_of(inputs.shape)}, that of the channels, or all of "
            f"{tuple(sorted(positions))}.",
        )
    return translator.keep(inputs)


def _with_orientations(translator: GroupTranslator, vector: Tensor) -> Tensor:
    """Leaves the orientations to the layers behind, which read them one by one."""
    translator.report_orientations()
    return translator.mark(vector, Role.INVARIANT)


def reshape(translator: GroupTranslator, inputs: Tensor, **_: Any) -> Tensor:
    """Keeps a change of shape that only adds or removes axes of length one."""
    before, after = (shape[1:] for shape in translator.plain_shapes())
    moved = isinstance(translator.layer, keras.layers.Permute) and len(_without_ones(before)) > 1
    if moved or _without_ones(before) != _without_ones(after):
        raise translator.fail(
            f"changes the shape {before} to {after}, which mixes rows, columns and channels",
            "Keep maps in rows, columns and channels.",
        )
    if before == after:
        return _identity(translator, inputs)
    if None in before or len(_without_ones(before)) != 1:
        return translator.keep(inputs)
    channels = inputs.shape[1:][before.index(_without_ones(before)[0])]
    target = tuple(channels if size != 1 else 1 for size in after)
    return translator.add(keras.layers.Reshape, inputs, target)


def flatten(translator: GroupTranslator, inputs: Tensor) -> Tensor:
    """Removes axes of length one, or is put off until the layer that reads all positions."""
    if not translator.has_positions(inputs):
        return translator.keep(inputs)
    translator.note("is part of the Dense layer after it")
    # A tensor of its own, since others may read the map as it is.
    maps = _identity(translator, inputs)
    translator.book.flattened[id(maps)] = maps, translator.layer
    return maps


def _identity(translator: GroupTranslator, inputs: Tensor) -> Tensor:
    # Keras saves an Identity only if its type is given by name; an operation has no policy.
    policy = getattr(translator.layer, "dtype_policy", None)
    name = keras.backend.standardize_dtype(inputs.dtype) if policy is None else policy.name
    return translator.add(keras.layers.Identity, inputs, dtype=name)


def _without_ones(shape: Shape) -> list[int | None]:
    return [size for size in shape if size != 1]


SHAPES = {
    "Concatenate": concatenate,
    "ExpandDims": reshape,
    "Flatten": flatten,
    "GlobalAveragePooling2D": global_pooling,
    "GlobalMaxPooling2D": global_pooling,
    "Max": reduction,
    "Mean": reduction,
    "LogSoftmax": along_axes,
    "Permute": reshape,
    "Reshape": reshape,
    "Softmax": along_axes,
    "Squeeze": reshape,
    "UnitNormalization": along_axes,
    **dict.fromkeys(sorted(MERGING), merge),
    "CustomScaleLayer": merge,  # of Keras's InceptionResNetV2
}
"""Rules by the names of stock classes."""

_POINTWISE = sorted(
    name
    for name in {*KEEPING, *HARMLESS}
    if name not in MAPS and name not in SHAPES and name not in IMAGES
)
RULES = {
    **dict.fromkeys(_POINTWISE, keep),
    **IMAGES,
    "StochasticDepth": keep,  # of Keras's ConvNeXt: it drops the maps of whole images
    "Dense": dense,
    **CONVOLUTIONS,
    **MAPS,
    **SHAPES,
}
"""All rules of `convert`, by the names of classes of Keras."""

_OF_NO_AXIS = (keep, dropout, merge, rescaling, reshape)
# Masking looks at all numbers along the last axis.
ON_ANY_AXES = frozenset(name for name, rule in RULES.items() if rule in _OF_NO_AXIS) - {"Masking"}
"""Those whose rules need not know which axis is that of the channels."""
