"""What a symbolic tensor of Keras is: which layer made it, and what broke it on the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import keras

from keras_gcnn import groups
from keras_gcnn.groups import Group
from keras_gcnn.groups.fields import Fields
from keras_gcnn.layers.common import stock_layers
from keras_gcnn.layers.common.stock_layers import Channels, MapType, Problem, describe, is_ordinary
from keras_gcnn.model_graph import is_graph
from keras_gcnn.types import Shape, Tensor

ORDINARY = groups.get("z2")  # stands for all ordinary channels
ROTATIONS = groups.get("p4")  # all that the pixel grid has
_KEPT = "_keras_gcnn_lineage"  # an attribute of tensors, so that each is looked at once


@dataclass(frozen=True)
class Suspect:
    """A layer or operation of Keras between a map and its reader.

    Args:
        op: the layer or operation.
        shape: shape of its input, batch included.
        rule: the rule of `stock_layers`, or None.
        found: what it breaks on the map that it met; None if that depends on the reader, since the
            map was unknown or of ordinary channels.
    """

    op: keras.Operation
    shape: Shape
    rule: stock_layers.Rule | None
    found: Problem | None = None

    def problem(self, wanted: MapType | None, axis: int) -> Problem | None:
        """What it breaks for a layer that wants such a map, and the fix."""
        if self.found or wanted is None or self.rule is None:
            return self.found
        return self.rule(self.op, self.shape, axis, wanted)


@dataclass(frozen=True)
class Lineage:
    """What is known of a tensor.

    Args:
        channels: what its channels are; None if unknown.
        axis: the channel axis, `-1` or `1`.
        maker: the layer that made the map, in words.
        suspects: layers since then that can break its equivariance.
        laid_out: shape and lineage of the map whose numbers this tensor holds in another shape.
        drawn: whether the map was made from numbers without positions, as a decoder does. It then
            turns with no image.
    """

    channels: Channels | None = None
    axis: int = -1
    maker: str = ""
    suspects: tuple[Suspect, ...] = ()
    laid_out: tuple[tuple, Lineage] | None = None
    drawn: bool = False

    @property
    def type(self) -> MapType | None:
        """What the map is, if it is known and its channels turn with the image."""
        if self.channels is None or is_ordinary(self.channels):
            return None
        steerable = isinstance(self.channels, Fields)
        return MapType(self.channels, ROTATIONS if steerable else self.channels)


def name_of(op: keras.Operation) -> str:
    """A layer or operation, in words."""
    return f"{type(op).__name__} {op.name!r}"


def lineage(tensor: keras.KerasTensor) -> Lineage:
    """What is known of a symbolic tensor, from the operations that led to it."""
    return _Walk().of(tensor)


class _Walk:
    """A walk back from tensors; `inputs` are the lineages of the inputs of a model inside another.

    There what is found depends on the call and is kept by the walk, otherwise by the tensors.
    """

    def __init__(self, inputs: dict[int, Lineage] | None = None) -> None:
        self._found = inputs

    def _known(self, tensor: Tensor) -> Lineage | None:
        if self._found is None:
            return getattr(tensor, _KEPT, None)
        return self._found.get(id(tensor))

    def _keep(self, tensor: Tensor, found: Lineage) -> None:
        if self._found is None:
            setattr(tensor, _KEPT, found)
        else:
            self._found[id(tensor)] = found

    def of(self, tensor: keras.KerasTensor) -> Lineage:
        waiting = [tensor]  # a list and no recursion: networks can be deep
        while waiting:
            now = waiting[-1]
            op, node, index = _origin(now)
            sources = node.input_tensors if node is not None and _is_followed(op) else []
            missing = [one for one in sources if self._known(one) is None]
            if missing:
                waiting += missing
                continue
            waiting.pop()
            if self._known(now) is None:
                before = [self._known(one) for one in sources]
                self._keep(now, _after(op, index, sources, before, now.shape))
        return self._known(tensor)


def _origin(tensor: Tensor):
    """The operation that made a tensor, the node of that call, and which output it is."""
    history = getattr(tensor, "_keras_history", None)
    if history is None or history.operation is None:
        return None, None, 0
    return history.operation, history.operation._inbound_nodes[history.node_index], history[2]


def _rules_of(op) -> dict[str, stock_layers.Rule]:
    """The table that names an operation of Keras; a subclass of the user may do something else."""
    name = type(op).__name__
    if type(op).__module__.startswith("keras."):
        for rules in (stock_layers.MIXING, stock_layers.KEEPING):
            if name in rules:
                return rules
    return {}


def _is_followed(op) -> bool:
    """Whether what an operation returns depends on what its inputs are."""
    if hasattr(op, "map_out"):
        return op.map_out is None
    if _is_open(op) or _rules_of(op):
        return True
    known = {*stock_layers.HARMLESS, *stock_layers.MERGING, "Concatenate"}
    return type(op).__module__.startswith("keras.") and type(op).__name__ in known


def _is_open(op) -> bool:
    """Whether an operation is a model whose layers can be looked at."""
    return is_graph(op) and hasattr(op, "inputs")


def ordinary(channels: Channels | None) -> Channels | None:
    """The same channels, with one value for all that are ordinary."""
    return ORDINARY if channels is not None and is_ordinary(channels) else channels


def _after(op, index: int, sources: Sequence, before: list[Lineage], shape: tuple) -> Lineage:
    """The lineage of an output of an operation, from those of its inputs."""
    layer = getattr(op, "layer", op) if isinstance(op, keras.layers.Wrapper) else op
    if getattr(layer, "map_out", None) is not None:
        return Lineage(ordinary(layer.map_out), layer.channel_axis, name_of(layer))
    if not before:
        return Lineage()
    first = before[0]
    placed = len(shape) > 2 and all(len(one.shape) <= 2 for one in sources)
    if placed and first.laid_out is None and stock_layers.positions(shape, first.axis) != 1:
        return Lineage(drawn=True)
    if hasattr(op, "map_out"):  # it has warned of what is certain
        return replace(first, suspects=tuple(one for one in first.suspects if not one.found))
    if _is_open(op):
        return _through(op, index, before)
    name = type(op).__name__
    if name in stock_layers.MERGING or name == "Concatenate":
        return _merged(op, [one.shape for one in sources], before, shape)
    rules = _rules_of(op)
    return _past(op, rules, sources[0].shape, first, shape) if rules else first


def _through(model: keras.Model, index: int, before: list[Lineage]) -> Lineage:
    """The lineage of an output of a model inside another."""
    inner = {id(one): outer for one, outer in zip(model.inputs, before, strict=False)}
    return _Walk(inner).of(model.outputs[index])


def _past(op, rules, shape: tuple, first: Lineage, after: tuple) -> Lineage:
    """The lineage after a layer for which there is a rule."""
    if isinstance(op, keras.layers.Reshape | keras.layers.Flatten):
        return _reshaped(op, rules, shape, first, after)
    rule = rules[type(op).__name__]
    found = rule(op, shape, first.axis, first.type) if first.type else None
    suspects = first.suspects
    if found or (first.type is None and not first.drawn):
        suspects += (Suspect(op, shape, rule, found),)
    if rules is stock_layers.KEEPING:
        return replace(first, suspects=suspects)
    if len(after) <= 2 and first.type is None:
        return Lineage()
    return Lineage(None, first.axis, first.maker, suspects, drawn=first.drawn)


def _reshaped(op, rules, shape: tuple, first: Lineage, after: tuple) -> Lineage:
    shape, after = tuple(shape[1:]), tuple(after[1:])
    if [size for size in shape if size != 1] == [size for size in after if size != 1]:
        return first
    before, map_ = first.laid_out or (shape, first)
    if after == before:
        return map_
    last = first.axis == -1
    if last and after[-1] == shape[-1]:  # positions along other axes
        return replace(first, laid_out=(before, map_))
    size = len(shape) - 1
    positions = (after[:size], shape[:size]) if last else (after[-size:], shape[-size:])
    if first.type is None or positions[0] == positions[1]:
        return Lineage(None, first.axis, first.maker, first.suspects, (before, map_))
    found = rules[type(op).__name__](op, (None, *shape), first.axis, first.type)
    suspects = (*first.suspects, *([Suspect(op, shape, None, found)] if found else []))
    return Lineage(None, first.axis, first.maker, suspects, (before, map_))


def _merged(op, shapes: list[tuple], before: list[Lineage], after: tuple) -> Lineage:
    """The lineage of what several maps become together."""
    main = next((one for one in before if one.type), None)
    if main is None:
        main = next((one for one in before if one.channels is None), before[0])
        return replace(main, suspects=_union(before), laid_out=None)
    suspects = tuple(one for one in _union(before) if one.found)
    axis = main.axis

    def conflicting(one: Lineage, shape: tuple) -> bool:
        # A map of one channel masks or weighs all channels alike.
        spread = len(shape) <= 1 or (shape[axis] == 1 and not is_concatenation)
        return one.channels is not None and one.channels != main.channels and not spread

    is_concatenation = type(op).__name__ == "Concatenate"
    if is_concatenation and op.axis % len(after) != axis % len(after):
        is_concatenation = False
    channels, problem = main.channels, None
    if is_concatenation and isinstance(channels, Fields):
        channels, problem = _joined(before, [shape[axis] for shape in shapes])
    else:
        others = [one for one, shape in zip(before, shapes, strict=True) if conflicting(one, shape)]
        if others:
            problem = (
                f"joins {describe(main.channels)}, made by {main.maker}, and "
                f"{describe(others[0].channels)}, made by {others[0].maker}",
                "give both the same group"
                if isinstance(main.channels, Group)
                else "give both the same fields",
            )
    fields_met = [one for one in before if isinstance(one.channels, Fields)]
    if len(fields_met) > 1 and type(op).__name__ in stock_layers.NOT_OF_FIELDS:
        problem = (
            f"acts on every channel of {describe(main.channels)} by itself",
            "use Add or Concatenate, or GatedActivation",
        )
    if problem:
        suspects += (Suspect(op, shapes[0], None, problem),)
        channels = None
    return Lineage(channels, axis, main.maker, suspects)


def _union(before: list[Lineage]) -> tuple[Suspect, ...]:
    return tuple({id(one.op): one for each in before for one in each.suspects}.values())


def _joined(before: list[Lineage], sizes: list[int]) -> tuple[Fields | None, Problem | None]:
    """What maps, concatenated, consist of; None if that is unknown."""
    if any(one.channels is None for one in before):
        return None, None
    parts = []
    for one, size in zip(before, sizes, strict=True):
        if not isinstance(one.channels, Fields) and one.type:
            return None, (
                f"joins a map of fields and {describe(one.channels)}, made by {one.maker}",
                "make both maps by steerable layers",
            )
        parts.append(one.channels if one.type else Fields.trivial(size))
    try:
        return sum(parts[1:], parts[0]), None
    except ValueError as error:
        return None, (
            "joins fields in an order that Fields does not have",
            f"put those of more frequencies first ({error})",
        )
