"""Where the numbers of a plain network go: back to maps, or straight to the outputs."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import keras

from keras_gcnn.layers.common.stock_layers import MERGING, stock_name
from keras_gcnn.model_graph import calls_in, is_graph
from keras_gcnn.rewriting.engine import as_functional
from keras_gcnn.rewriting.equivariant.roles import has_positions

MAKERS = frozenset(
    ["Conv2D", "Conv2DTranspose", "Dense", "DepthwiseConv2D", "EinsumDense", "SeparableConv2D"]
)
"""Classes of stock layers whose output has channels of its own."""


@dataclass
class Flow:
    """What `follow` finds out about the operations of a model, by their ids.

    Attributes:
        returning: operations whose outputs are later merged with a map, such as the gates of
            squeeze-and-excitation.
        reading_out: operations whose outputs reach an output of the model with their channels
            unchanged.
        readers: the operations that read the outputs of each operation.
        shapes: of the inputs and outputs of each call of an operation.
        offsets: of operations whose outputs are parts of a concatenation that is merged with other
            maps: the channels in front of the part.
    """

    returning: set[int] = field(default_factory=set)
    reading_out: set[int] = field(default_factory=set)
    readers: defaultdict[int, list[keras.Operation]] = field(
        default_factory=lambda: defaultdict(list)
    )
    shapes: defaultdict[int, list[tuple[Any, Any]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    offsets: dict[int, int] = field(default_factory=dict)


def follow(model: keras.Model, channel_axis: int) -> Flow:
    """Follows the tensors of a model, and of the models inside it, from the outputs back."""
    flow = Flow()
    model = as_functional(model)
    _follow(model, channel_axis, flow, [(False, True)] * len(model.outputs))
    return flow


def _follow(
    model: keras.Model, channel_axis: int, flow: Flow, ends: list[tuple[bool, bool]]
) -> list[tuple[bool, bool]]:
    """Returns for each input whether it returns to a map, and whether it is read out.

    Args:
        model: functional model.
        channel_axis: axis of the channels.
        flow: is filled.
        ends: the same of every output.
    """
    returning: defaultdict[int, bool] = defaultdict(bool)
    reading_out: defaultdict[int, bool] = defaultdict(bool)
    for tensor, (back, out) in zip(model.outputs, ends, strict=True):
        returning[id(tensor)] |= back
        reading_out[id(tensor)] |= out
    calls = _in_order(model)
    flow.offsets |= _offsets(calls, channel_axis)
    images = _images(model, calls)
    for call in reversed(calls):
        op, outputs = call.operation, keras.tree.flatten(call.output_tensors)
        back = any(returning[id(tensor)] for tensor in outputs)
        out = all(reading_out[id(tensor)] for tensor in outputs)
        if is_graph(op):
            ends = [(returning[id(tensor)], reading_out[id(tensor)]) for tensor in outputs]
            starts = _follow(as_functional(op), channel_axis, flow, ends)
            for tensor, (inner_back, inner_out) in zip(call.input_tensors, starts, strict=True):
                returning[id(tensor)] |= inner_back
                reading_out[id(tensor)] |= inner_out
            continue
        flow.shapes[id(op)].append((_shapes(call.input_tensors), _shapes(outputs)))
        if back:
            flow.returning.add(id(op))
        if out:
            flow.reading_out.add(id(op))
        name = stock_name(op)
        merges = name in MERGING and len(call.input_tensors) > 1
        if merges and any(has_positions(each.shape, channel_axis) for each in call.input_tensors):
            back = True
        for tensor in call.input_tensors:
            returning[id(tensor)] |= back
            # Of several maps none is followed: all layers of a residual chain would count. A map
            # that is added to the image has the channels of the image.
            others = [id(each) for each in call.input_tensors if id(each) not in images]
            reading_out[id(tensor)] |= out and name not in MAKERS and others == [id(tensor)]
            flow.readers[id(tensor._keras_history.operation)].append(op)
    return [(returning[id(tensor)], reading_out[id(tensor)]) for tensor in model.inputs]


def _offsets(calls: list[Any], channel_axis: int) -> dict[int, int]:
    """Returns `Flow.offsets` of a model, without those of the models inside it."""
    merged: set[int] = set()  # tensors that need as many channels as others have
    parts: dict[int, int] = {}
    found = {}
    for call in reversed(calls):
        op, inputs = call.operation, call.input_tensors
        name, outputs = stock_name(op), keras.tree.flatten(call.output_tensors)
        is_merged = any(id(tensor) in merged for tensor in outputs)
        offset = None if is_merged else parts.get(id(outputs[0]))
        if name in MERGING and len(inputs) > 1:
            merged |= {id(tensor) for tensor in inputs}
        elif name == "Concatenate" and is_merged:
            before = 0
            for tensor in inputs:
                parts[id(tensor)] = before
                before += tensor.shape[channel_axis] or 0
        elif name in MAKERS and name != "DepthwiseConv2D":
            if offset:
                found[id(op)] = offset
        elif is_merged:
            merged |= {id(tensor) for tensor in inputs}
        elif offset is not None:
            parts |= {id(tensor): offset for tensor in inputs}
    return found


def _images(model: keras.Model, calls: list[Any]) -> set[int]:
    """Returns the ids of the images and of what is made of them without a layer of `MAKERS`."""
    images = {id(tensor) for tensor in model.inputs if len(tensor.shape) == 4}
    for call in calls:
        known = call.input_tensors and all(id(each) in images for each in call.input_tensors)
        if known and stock_name(call.operation) not in MAKERS and not is_graph(call.operation):
            images |= {id(each) for each in keras.tree.flatten(call.output_tensors)}
    return images


def _shapes(tensors: list[keras.KerasTensor]) -> Any:
    """Returns the shape of one tensor, or a list of those of several."""
    shapes = [tuple(tensor.shape) for tensor in tensors]
    return shapes[0] if len(shapes) == 1 else shapes


def _in_order(model: keras.Model) -> list[Any]:
    """Returns the calls so that each comes after those that make its inputs."""
    calls = calls_in(model)
    depths = {id(node): depth for depth, nodes in model._nodes_by_depth.items() for node in nodes}
    return sorted(calls, key=lambda call: -depths[id(call)])
