"""What to do about a layer that breaks equivariance."""

from __future__ import annotations

from keras_gcnn.analysis.fields import Field
from keras_gcnn.analysis.models import own_group
from keras_gcnn.groups import Group

_POOL_FIRST = "pool over orientations first, with GGlobalPooling or GPooling"
_REPLACE = {
    "AveragePooling2D": "use GAveragePooling2D",
    "BatchNormalization": "use GBatchNormalization, whose statistics are shared by orientations",
    "Conv1D": "use GConv2D",
    "Conv2D": "use LiftingConv2D on images and GConv2D on feature maps",
    "Conv2DTranspose": "use GConv2DTranspose",
    "DepthwiseConv2D": "use GSeparableConv2D",
    "Dense": _POOL_FIRST,
    "Flatten": "use GGlobalPooling instead",
    "GlobalAveragePooling2D": "use GGlobalPooling",
    "GlobalMaxPooling2D": "use GGlobalPooling",
    "MaxPooling2D": "use GMaxPooling2D",
    "Reshape": _POOL_FIRST,
    "SeparableConv2D": "use GSeparableConv2D",
}
_INVARIANT_FIRST = "make the channels invariant first, with InvariantMap or NormPooling"
_REPLACE_ON_FIELDS = {
    "Activation": "use FourierActivation, NormActivation or GatedActivation",
    "AveragePooling2D": "use SteerableAveragePooling2D",
    "BatchNormalization": "use SteerableBatchNormalization",
    "Concatenate": "concatenate in an order that Fields + Fields has",
    "Conv2D": "use SteerableConv2D",
    "Conv2DTranspose": "use SteerableConv2DTranspose",
    "Dense": _INVARIANT_FIRST,
    "ELU": "use FourierActivation, NormActivation or GatedActivation",
    "Flatten": _INVARIANT_FIRST,
    "MaxPooling2D": "use SteerableAveragePooling2D",
    "ReLU": "use FourierActivation, NormActivation or GatedActivation",
}
_OTHERWISE_ON_FIELDS = f"use a layer for fields, such as SteerableConv2D, or {_INVARIANT_FIRST}"
_OTHERWISE = (
    "replace it by a layer that treats all orientations alike, or put a Restriction to {held} "
    "before it"
)


def remedy(
    op, input_shape: tuple[int, ...], field: Field, group: Group, held: Group
) -> tuple[str, str]:
    """What is wrong with an operation, and what to do.

    Args:
        op: the layer or operation.
        input_shape: shape of its input, with the batch.
        field: what its input's channels are.
        group: the group under which it should be equivariant.
        held: the largest subgroup under which it is.

    Returns:
        The problem and the fix, two clauses.
    """
    kept = f"only equivariant under {held.name}" if held.order > 1 else "not equivariant"
    explain = getattr(op, "equivariance_problem", None)
    found = explain(input_shape) if explain else None
    if found:
        return f"{kept}: {found[0]}", found[1]
    own = own_group(op) or group
    if not own.contains(group):
        return f"made for {own.name}, the input obeys {group.name}", f"use group={group.name!r}"
    replacements, otherwise = _REPLACE, _OTHERWISE.format(held=held.name)
    if field.type == "steerable":
        replacements, otherwise = _REPLACE_ON_FIELDS, _OTHERWISE_ON_FIELDS
    fix = replacements.get(type(op).__name__, otherwise)
    return f"{kept} on {field} channels of shape {tuple(input_shape[1:])}", fix
