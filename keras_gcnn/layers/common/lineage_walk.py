"""The walk back from a symbolic tensor over the operations that made it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from operator import add
from typing import Any

import keras

from keras_gcnn.groups import Group
from keras_gcnn.groups.fields import Fields
from keras_gcnn.layers.common import stock_layers
from keras_gcnn.layers.common.lineage import (
    Lineage,
    Suspect,
    format_problem,
    name_of,
    ordinary,
)
from keras_gcnn.layers.common.map_type import Problem, describe
from keras_gcnn.layers.common.stock_layers import position_count, stock_name
from keras_gcnn.layers.common.stock_rule import Rule
from keras_gcnn.model_graph import is_graph
from keras_gcnn.types import Shape

_ATTRIBUTE = "_keras_gcnn_lineage"  # of tensors, so that the walk visits each of them once

Rules = dict[str, Rule]


def lineage(tensor: keras.KerasTensor) -> Lineage:
    """Returns the lineage of a symbolic tensor, from the operations that made it."""
    return _Walk().of(tensor)


class _Walk:
    """A walk back from tensors.

    Args:
        inputs: lineages of the inputs of a model inside another, by the ids of its input tensors.
            Results in such a model depend on the call, so the walk keeps them; otherwise the
            tensors keep them.
    """

    def __init__(self, inputs: dict[int, Lineage] | None = None) -> None:
        self._in_model = inputs

    def _known(self, tensor: keras.KerasTensor) -> Lineage | None:
        if self._in_model is None:
            return getattr(tensor, _ATTRIBUTE, None)
        return self._in_model.get(id(tensor))

    def _keep(self, tensor: keras.KerasTensor, result: Lineage) -> None:
        if self._in_model is None:
            setattr(tensor, _ATTRIBUTE, result)
        else:
            self._in_model[id(tensor)] = result

    def of(self, tensor: keras.KerasTensor) -> Lineage:
        waiting = [tensor]  # a list and no recursion: networks can be deep
        while waiting:
            current = waiting[-1]
            op, node, index = _origin(current)
            sources = node.input_tensors if node is not None and _is_followed(op) else []
            before = [known for source in sources if (known := self._known(source))]
            if len(before) < len(sources):
                waiting += [source for source in sources if self._known(source) is None]
                continue
            waiting.pop()
            if self._known(current) is None:
                self._keep(current, _after(op, index, sources, before, current.shape))
        return self._known(tensor) or Lineage()


def _origin(tensor: keras.KerasTensor) -> tuple[Any, Any, int]:
    """Returns the operation that made a tensor, the node of that call and the output's index."""
    history = getattr(tensor, "_keras_history", None)
    if history is None or history.operation is None:
        return None, None, 0
    return history.operation, history.operation._inbound_nodes[history.node_index], history[2]


def _rules_of(op: keras.Operation) -> Rules:
    """Returns the table that has a rule for an operation of Keras; {} if there is none.

    A user's subclass may do something else, so it has no rule.
    """
    tables = (stock_layers.MIXING, stock_layers.KEEPING)
    return next((rules for rules in tables if stock_name(op) in rules), {})


def _is_followed(op: keras.Operation) -> bool:
    """Whether the lineage of an operation's output depends on those of its inputs."""
    if hasattr(op, "map_out"):
        return op.map_out is None
    if _is_open(op) or _rules_of(op):
        return True
    known = {*stock_layers.HARMLESS, *stock_layers.MERGING, "Concatenate"}
    return stock_name(op) in known


def _is_open(op: keras.Operation) -> bool:
    """Whether an operation is a model whose layers the walk can follow."""
    return is_graph(op) and hasattr(op, "inputs")


def _after(
    op: keras.Operation | None,
    index: int,
    sources: Sequence[keras.KerasTensor],
    before: list[Lineage],
    shape: Shape,
) -> Lineage:
    """Returns the lineage of an output of an operation, from those of its inputs."""
    layer: Any = getattr(op, "layer", op) if isinstance(op, keras.layers.Wrapper) else op
    if getattr(layer, "map_out", None) is not None:
        return Lineage(ordinary(layer.map_out), layer.channel_axis, name_of(layer))
    if not before or op is None:
        return Lineage()
    first = before[0]
    gains_axes = len(shape) > 2 and all(len(source.shape) <= 2 for source in sources)
    if gains_axes and not first.reshaped_from and position_count(shape, first.axis) != 1:
        return Lineage(from_vectors=True)
    if hasattr(op, "map_out"):  # it has reported the certain problems itself
        suspects = tuple(suspect for suspect in first.suspects if not suspect.certain)
        return replace(first, suspects=suspects)
    if _is_open(op):
        return _through(op, index, before)
    if stock_name(op) in {*stock_layers.MERGING, "Concatenate"}:
        return _merged(op, [source.shape for source in sources], before, shape)
    rules = _rules_of(op)
    if other_format := format_problem(layer, first, len(sources[0].shape)):
        suspects = (*first.suspects, Suspect(op, sources[0].shape, None, other_format))
        return Lineage(None, first.axis, first.maker, suspects)
    return _past(op, rules, sources[0].shape, first, shape) if rules else first


def _through(model: keras.Model, index: int, before: list[Lineage]) -> Lineage:
    """Returns the lineage of an output of a model inside another."""
    inputs = {id(inner): outer for inner, outer in zip(model.inputs, before, strict=False)}
    return _Walk(inputs).of(model.outputs[index])


def _past(op: keras.Operation, rules: Rules, shape: Shape, first: Lineage, after: Shape) -> Lineage:
    """Returns the lineage after a layer that has a rule."""
    if isinstance(op, keras.layers.Reshape | keras.layers.Flatten):
        return _reshaped(op, rules, shape, first, after)
    rule = rules[type(op).__name__]
    problem = rule(op, shape, first.axis, first.type) if first.type else None
    suspects = first.suspects
    if problem or (first.type is None and not first.from_vectors):
        suspects += (Suspect(op, shape, rule, problem),)
    if rules is stock_layers.KEEPING:
        return replace(first, suspects=suspects)
    if len(after) <= 2 and first.type is None:
        return Lineage()
    return Lineage(None, first.axis, first.maker, suspects, from_vectors=first.from_vectors)


def _reshaped(
    op: keras.Operation, rules: Rules, shape: Shape, first: Lineage, after: Shape
) -> Lineage:
    shape, after = tuple(shape[1:]), tuple(after[1:])
    if [size for size in shape if size != 1] == [size for size in after if size != 1]:
        return first
    original_shape, original = first.reshaped_from or (shape, first)
    if after == original_shape:
        return original
    origin = (original_shape, original)
    channels_last = first.axis == -1
    if channels_last and after[-1] == shape[-1]:  # positions along other axes
        return replace(first, reshaped_from=origin)
    size = len(shape) - 1
    positions = (after[:size], shape[:size]) if channels_last else (after[-size:], shape[-size:])
    if first.type is None or positions[0] == positions[1]:
        return Lineage(None, first.axis, first.maker, first.suspects, origin)
    problem = rules[type(op).__name__](op, (None, *shape), first.axis, first.type)
    suspects = (*first.suspects, *([Suspect(op, shape, None, problem)] if problem else []))
    return Lineage(None, first.axis, first.maker, suspects, origin)


def _merged(
    op: keras.Operation, shapes: list[Shape], before: list[Lineage], after: Shape
) -> Lineage:
    """Returns the lineage of the output of a layer that merges several maps."""
    main = next((each for each in before if each.type), None)
    if main is None:
        main = next((each for each in before if each.channels is None), before[0])
        return replace(main, suspects=_union(before), reshaped_from=None)
    suspects = tuple(suspect for suspect in _union(before) if suspect.certain)
    axis, channels = main.axis, main.channels
    concatenates = type(op).__name__ == "Concatenate" and op.axis % len(after) == axis % len(after)
    if concatenates and isinstance(channels, Fields):
        channels, problem = _joined(before, [shape[axis] for shape in shapes])
    else:
        problem = _unequal(main, before, shapes, concatenates)
    if not concatenates:
        problem = problem or _joined_positions(op, main, len(after))
        if isinstance(main.channels, Fields):
            problem = problem or _wrong_on_fields(op, main.channels, before, shapes, axis)
    if problem:
        suspects += (Suspect(op, shapes[0], None, problem),)
        channels = None
    return Lineage(channels, axis, main.maker, suspects)


def _unequal(
    main: Lineage, before: list[Lineage], shapes: list[Shape], concatenates: bool
) -> Problem | None:
    """Returns the problem of maps whose channels mean different things, and the fix."""
    for each, shape in zip(before, shapes, strict=True):
        # A map of one channel masks or weighs all channels alike.
        shared = len(shape) <= 1 or (shape[main.axis] == 1 and not concatenates)
        if each.channels is not None and each.channels != main.channels and not shared:
            on_group = isinstance(main.channels, Group)
            return (
                f"joins {describe(main.channels)}, made by {main.maker}, and "
                f"{describe(each.channels)}, made by {each.maker}",
                "give both the same group" if on_group else "give both the same fields",
            )
    return None


def _joined_positions(op: keras.Operation, main: Lineage, rank: int) -> Problem | None:
    """Returns the problem of maps that are put beside or below each other, and the fix."""
    if type(op).__name__ != "Concatenate" or rank <= 2 or op.axis % rank == 0:
        return None
    symmetry = main.type.symmetry if main.type else None
    if symmetry is None or symmetry.order == 1:
        return None
    return (
        f"puts maps beside each other along axis={op.axis}, which does not rotate with the image",
        f"use Concatenate(axis={main.axis}), along the channels",
    )


def _wrong_on_fields(
    op: keras.Operation, fields: Fields, before: list[Lineage], shapes: list[Shape], axis: int
) -> Problem | None:
    """Returns what a merging layer does to a map of fields that it may do to other maps."""
    name, several = type(op).__name__, sum(isinstance(each.channels, Fields) for each in before) > 1
    if name in stock_layers.COMPARING or (several and name in stock_layers.NOT_OF_FIELDS):
        return (
            f"acts on every channel of {describe(fields)} by itself",
            "use Add or Concatenate, or GatedActivation",
        )
    has_one_number = len(shapes) == 1 or any(
        len(shape) <= 1 or shape[axis] == 1 for shape in shapes
    )
    if name in stock_layers.ADDING and has_one_number and fields.channels > 1:
        return (
            f"adds one number to all channels of {describe(fields)}, of which only those of "
            "irrep 0 may have one",
            "add maps of equal fields",
        )
    return None


def _union(before: list[Lineage]) -> tuple[Suspect, ...]:
    suspects = (suspect for each in before for suspect in each.suspects)
    return tuple({id(suspect.op): suspect for suspect in suspects}.values())


def _joined(before: list[Lineage], sizes: list[Any]) -> tuple[Fields | None, Problem | None]:
    """Returns the fields of concatenated maps, None if unknown, and a problem or None."""
    if any(each.channels is None for each in before) or None in sizes:
        return None, None
    parts: list[Fields] = []
    for each, size in zip(before, sizes, strict=True):
        if each.type is None:
            parts.append(Fields.trivial(size))
        elif isinstance(each.channels, Fields):
            parts.append(each.channels)
        else:
            return None, (
                f"joins a map of fields and {describe(each.channels)}, made by {each.maker}",
                "make both maps by steerable layers",
            )
    try:
        return reduce(add, parts), None
    except ValueError as error:
        return None, (
            "joins fields of different groups",
            f"give both the same group ({error})",
        )
