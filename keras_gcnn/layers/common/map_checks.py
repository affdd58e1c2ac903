"""Whether a layer gets the map that it was made for, in models whose tensors are symbolic."""

from __future__ import annotations

import keras

from keras_gcnn.layers.common.lineage import Lineage, lineage, name_of, ordinary
from keras_gcnn.layers.common.stock_layers import MapType


def find_problems(
    layer: keras.Layer, tensor: keras.KerasTensor, certain: bool = False
) -> tuple[str | None, str | None]:
    """What is wrong with an input of one of this library's layers.

    Args:
        layer: the layer, with `map_in`, `symmetry` and `channel_axis`.
        tensor: symbolic input.
        certain: bool, whether to leave out what layers of Keras do to a map that none of this
            library's layers made: in a network that was converted they are right.

    Returns:
        Two messages, or None for each: that the map is on another group or of other fields than the
        layer reads, and that a layer of Keras has broken its equivariance.
    """
    given, wanted = lineage(tensor), None
    if layer.map_in is not None:
        wanted = MapType(layer.map_in, layer.symmetry)
    return _mismatch(layer, wanted, given), _broken(layer, wanted, given, certain)


def _mismatch(layer: keras.Layer, wanted: MapType | None, given: Lineage) -> str | None:
    if wanted is None or given.channels is None or ordinary(wanted.channels) == given.channels:
        return None
    met = given.type or MapType(given.channels, wanted.symmetry)
    return (
        f"{name_of(layer)} reads {wanted}, but {given.maker} made {met}. "
        f"To fix: {_fix(layer, wanted, met)}."
    )


def _fix(layer: keras.Layer, wanted: MapType, given: MapType) -> str:
    """How to give a layer a map that it can read."""
    if wanted.steerable and given.steerable:
        return f"give it the fields_out of the layer before it, {given.channels!r}"
    if given.steerable:
        return "put InvariantMap or NormPooling before it, whose channels are ordinary"
    if given.ordinary:
        if wanted.steerable:
            return "give it Fields.trivial(n) of an input of n channels"
        return f"make the map by LiftingConv2D(..., group={wanted.channels.name!r})"
    name = given.channels.name
    if wanted.steerable:
        return f"put GPooling(group={name!r}) before it, whose channels are ordinary"
    if getattr(layer, "lifting", False) and layer.group.order > 1:
        return f"use GConv2D(..., group={name!r})"
    if given.channels.contains(wanted.channels):
        restriction = f"Restriction({name!r}, {wanted.channels.name!r})"
        return f"use group={name!r}, or put {restriction} before it"
    return f"use group={name!r}"


def _broken(
    layer: keras.Layer, wanted: MapType | None, given: Lineage, certain: bool
) -> str | None:
    found = [
        (suspect.op, problem)
        for suspect in given.suspects
        if (problem := suspect.problem(None if certain else wanted, layer.channel_axis))
    ]
    if not found:
        return None
    op, (problem, fix) = found[0]
    names = [name_of(other) for other, _ in found[1:]]
    others = ""
    if names:
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        verb = "does" if len(names) == 1 else "do"
        others = f" So {verb} {', '.join(names[:3])}{more}."
    return (
        f"{name_of(op)}, before {name_of(layer)}, breaks the equivariance: it {problem}. "
        f"To fix: {fix}.{others}"
    )
