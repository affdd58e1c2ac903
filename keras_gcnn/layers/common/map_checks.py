"""Checks that a layer receives the type of map it reads, in models of symbolic tensors."""

from __future__ import annotations

import keras

from keras_gcnn.groups import Group
from keras_gcnn.groups.field_restriction import group_fields
from keras_gcnn.groups.fields import Fields
from keras_gcnn.groups.point_group import pixel_point_group
from keras_gcnn.layers.common.lineage import Lineage, format_problem, name_of, ordinary
from keras_gcnn.layers.common.lineage_walk import lineage
from keras_gcnn.layers.common.map_type import Channels, MapType
from keras_gcnn.layers.common.reporting import broken_message


def find_problems(
    layer: keras.Layer, tensor: keras.KerasTensor, certain: bool = False
) -> tuple[str | None, str | None]:
    """Checks the input of one of this library's layers.

    Args:
        layer: the layer, with `map_in`, `symmetry` and `channel_axis`.
        tensor: symbolic input.
        certain: bool, whether to report only certain problems, not what layers of Keras do to a
            map that no layer of this library made: in a converted network they are correct.

    Returns:
        Two messages, or None in place of either. The first says that the layer reads another
        `data_format`, group or fields than its map has; the second, that a layer of Keras before
        it, or the layer itself, breaks the equivariance.
    """
    given, wanted = lineage(tensor), None
    if layer.map_in is not None:
        wanted = MapType(layer.map_in, layer.symmetry)
    mismatch = _other_format(layer, given, len(tensor.shape)) or _mismatch(layer, wanted, given)
    return mismatch, _broken(layer, wanted, given, certain) or _breaks_itself(layer, given)


def _other_format(layer: keras.Layer, given: Lineage, rank: int) -> str | None:
    problem = format_problem(layer, given, rank)
    return problem and f"{name_of(layer)} {problem[0]}. To fix: {problem[1]}."


def _mismatch(layer: keras.Layer, wanted: MapType | None, given: Lineage) -> str | None:
    if wanted is None or given.channels is None or ordinary(wanted.channels) == given.channels:
        return None
    received = given.type or MapType(given.channels, wanted.symmetry)
    return (
        f"{name_of(layer)} reads {wanted}, but {given.maker} made {received}. "
        f"To fix: {_fix(layer, wanted, received)}."
    )


def _fix(layer: keras.Layer, wanted: MapType, given: MapType) -> str:
    """Returns how to give the layer a map that it can read."""
    if isinstance(given.channels, Fields):
        return _fix_of_fields(wanted.channels, given.channels)
    group = wanted.channels
    if given.ordinary:
        if not isinstance(group, Group):
            return "give it Fields.trivial(n) for an input of n channels"
        return f"make the map by LiftingConv2D(..., group={group.name!r})"
    name = given.symmetry.name
    if not isinstance(group, Group):
        pooling = f"put GPooling(group={name!r}) before it, whose channels are ordinary"
        if group.is_trivial or pixel_point_group(given.symmetry) is None:
            return pooling
        return (
            f"put ToFields({name!r}) before it, and give it that layer's fields_out; or {pooling}"
        )
    if getattr(layer, "lifting", False) and layer.group.order > 1:
        return f"use GConv2D(..., group={name!r})"
    if given.symmetry.contains(group):
        restriction = f"Restriction({name!r}, {group.name!r})"
        return f"use group={name!r}, or put {restriction} before it"
    return f"use group={name!r}"


def _fix_of_fields(wanted: Channels, given: Fields) -> str:
    """Returns how to give a map of these fields to a layer that reads another map."""
    if isinstance(wanted, Group):
        reading = _as_maps(given, wanted)
        if reading is None or wanted.order == 1:
            return "put InvariantMap or NormPooling before it, whose channels are ordinary"
        return f"put {reading} before it"
    if given.group == wanted.group or wanted.is_trivial:
        return f"give it the fields_out of the layer before it, {given!r}"
    if given.group.contains(wanted.group):
        restriction = f"SteerableRestriction({given!r}, {wanted.group.name!r})"
        return f"put {restriction} before it, and give it that layer's fields_out"
    return (
        f"give it the fields_out of the layer before it, {given!r}, or make all fields of the "
        f"network with group={given.group.joined(wanted.group).name!r}"
    )


def _as_maps(given: Fields, group: Group) -> str | None:
    """Returns the layers that read fields as a map on a group, or None if none do."""
    smaller = pixel_point_group(group)
    if smaller is None or not given.group.contains(smaller):
        return None
    fields = given.restrict(smaller)
    if fields != group_fields(fields.count, group):
        return None
    if smaller == given.group:
        return f"ToGroupMaps({given!r})"
    return f"SteerableRestriction({given!r}, {smaller.name!r}) and ToGroupMaps of its fields_out"


def _broken(
    layer: keras.Layer, wanted: MapType | None, given: Lineage, certain: bool
) -> str | None:
    problems = [
        (suspect.op, pair)
        for suspect in given.suspects
        if (pair := suspect.problem(None if certain else wanted, layer.channel_axis))
    ]
    if not problems:
        return None
    op, (problem, fix) = problems[0]
    names = [name_of(other) for other, _ in problems[1:]]
    others = ""
    if names:
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        verb = "does" if len(names) == 1 else "do"
        others = f" So {verb} {', '.join(names[:3])}{more}."
    return (
        f"{name_of(op)}, before {name_of(layer)}, breaks the equivariance: it {problem}. "
        f"To fix: {fix}.{others}"
    )


def _breaks_itself(layer: keras.Layer, given: Lineage) -> str | None:
    problem = layer.problem_on(given.type) if given.type else None
    return problem and broken_message(layer, f"it {problem[0]}", problem[1])
