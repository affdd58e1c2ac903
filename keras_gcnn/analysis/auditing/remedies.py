"""What to do about a layer that breaks equivariance."""

from __future__ import annotations

import keras

from keras_gcnn.analysis.auditing.tokens import TokenType
from keras_gcnn.analysis.auditing.trial import Traced
from keras_gcnn.groups import Group
from keras_gcnn.groups.fields import Fields
from keras_gcnn.groups.point_group import pixel_point_group
from keras_gcnn.model_graph import group_of, unwrap

_POOL_FIRST = "pool over orientations first, with GGlobalPooling or GPooling"
_PAD_ALIKE = "give all four sides the same number"
_REPLACE = {
    "AveragePooling2D": "use GAveragePooling2D",
    "BatchNormalization": "use GBatchNormalization, whose statistics are shared by orientations",
    "Conv1D": "use GConv2D",
    "Conv2D": "use LiftingConv2D on images and GConv2D on feature maps",
    "Conv2DTranspose": "use GConv2DTranspose",
    "Cropping2D": _PAD_ALIKE,
    "DepthwiseConv2D": "use GDepthwiseConv2D",
    "Dense": _POOL_FIRST,
    "Flatten": "use GGlobalPooling instead",
    "GlobalAveragePooling2D": "use GGlobalPooling",
    "GlobalMaxPooling2D": "use GGlobalPooling",
    "GroupNormalization": "use GGroupNormalization, which has channel groups of whole fields and "
    "weights per field",
    "LayerNormalization": "use GLayerNormalization, whose weights are shared by orientations",
    "MaxPooling2D": "use GMaxPooling2D",
    "PReLU": "use GPReLU, whose slopes are shared by orientations and positions; on images "
    "PReLU(shared_axes=[1, 2])",
    "RMSNormalization": "use GRMSNormalization, whose scale is shared by orientations",
    "Reshape": _POOL_FIRST,
    "SeparableConv2D": "use GSeparableConv2D",
    "ZeroPadding2D": _PAD_ALIKE,
}
_REPLACE_ON_MAPS = {
    "Dense": "use GConv2D(units, 1), which does the same at every position and treats all "
    "orientations alike",
    "EinsumDense": "use GConv2D(units, 1)",
}
_INVARIANT_FIRST = "make the channels invariant first, with InvariantMap or NormPooling"
_ACTIVATE_FIELDS = "use FourierActivation, NormActivation or GatedActivation"
_REPLACE_ON_FIELDS = {
    "Activation": _ACTIVATE_FIELDS,
    "AveragePooling2D": "use SteerableAveragePooling2D",
    "BatchNormalization": "use SteerableBatchNormalization",
    "Concatenate": "concatenate fields of one group",
    "Conv2D": "use SteerableConv2D",
    "Conv2DTranspose": "use SteerableConv2DTranspose",
    "Dense": f"use SteerableConv2D with kernel size 1 on maps, or {_INVARIANT_FIRST}",
    "ELU": _ACTIVATE_FIELDS,
    "Flatten": _INVARIANT_FIRST,
    "FourierActivation": "let its activation treat every value by itself and alike, e.g. 'elu'",
    "GMaxPooling2D": "use SteerableAveragePooling2D",
    "GroupNormalization": "use SteerableGroupNormalization",
    "LayerNormalization": "use SteerableLayerNormalization",
    "MaxPooling2D": "use SteerableAveragePooling2D",
    "PReLU": f"{_ACTIVATE_FIELDS}; a slope, even a shared one, changes the channels of a pair one "
    "by one, so that they do not rotate together",
    "RMSNormalization": "use SteerableLayerNormalization",
    "ReLU": _ACTIVATE_FIELDS,
}
_OTHERWISE_ON_FIELDS = f"use a layer for fields, such as SteerableConv2D, or {_INVARIANT_FIRST}"
_OTHERWISE = (
    "replace it by a layer that treats all orientations alike, or put a Restriction to {held} "
    "before it"
)


def remedy(op: keras.Operation, before: Traced, held: Group, axes_known: bool) -> tuple[str, str]:
    """Returns what is wrong with an operation, and what to do.

    Args:
        op: the layer or operation.
        before: its input, with the group under which the operation should be equivariant.
        held: the largest subgroup under which it is.
        axes_known: whether the shapes of its outputs show how they rotate with the image.

    Returns:
        The problem and the fix, two clauses.
    """
    input_shape, channel_type, group = before.shape, before.types[0], before.group
    kept = f"only equivariant under {held.name}" if held.order > 1 else "not equivariant"
    explain = getattr(unwrap(op), "equivariance_problem", None)
    explanation = explain(input_shape) if explain else None
    if explanation:
        return f"{kept}: {explanation[0]}", explanation[1]
    layer_group = group_of(op) or group
    if not layer_group.contains(group):
        return _of_a_smaller_group(unwrap(op), layer_group, group)
    problem = f"{kept} on {channel_type} channels of shape {tuple(input_shape[1:])}"
    class_name = type(unwrap(op)).__name__
    if not axes_known and (class_name == "Reshape" or class_name not in _REPLACE):
        return (
            "the audit does not know how an output of this shape rotates with the image, and so it "
            "cannot judge this layer and what follows",
            "measure the model as a whole by equivariance_error, or keep maps, and tokens that are "
            "all positions of a map",
        )
    if channel_type.name == "trivial" and len(input_shape) == 3:
        problem += ", which the audit takes for images without channels"
    if isinstance(channel_type, TokenType):
        if channel_type.channels.name == "trivial":
            return (
                problem,
                "leave out whatever depends on the place of a token, or on the order of tokens",
            )
        return problem, "make the channels invariant before they become tokens, with GPooling"
    if before.pooled_by is not None and len(input_shape) == 2:
        return (
            f"{problem}, which {before.pooled_by} left oriented",
            f"use GGlobalPooling in place of {before.pooled_by}",
        )
    replacements, otherwise = _REPLACE, _OTHERWISE.format(held=held.name)
    if len(input_shape) == 4:
        replacements = {**_REPLACE, **_REPLACE_ON_MAPS}
    if channel_type.name == "steerable":
        replacements, otherwise = _REPLACE_ON_FIELDS, _OTHERWISE_ON_FIELDS
    return problem, replacements.get(class_name, otherwise)


def _of_a_smaller_group(layer: object, layer_group: Group, group: Group) -> tuple[str, str]:
    """Returns the problem and the fix of a layer whose group lacks elements of the input's."""
    fields = getattr(layer, "fields_out", None)
    if not isinstance(fields, Fields):
        problem = f"made for {layer_group.name}, the input obeys {group.name}"
        return problem, f"use group={group.name!r}"
    asked = pixel_point_group(group)
    problem = (
        f"made for fields of {fields.group}, whose elements that move pixels to pixels are those "
        f"of {layer_group.name}; the input obeys {group.name}"
    )
    if asked is None:
        return problem, "use fields of a group that contains it"
    return problem, f"make all fields with group={fields.group.joined(asked).name!r}"
