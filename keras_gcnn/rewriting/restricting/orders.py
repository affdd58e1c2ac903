"""In which order the channels of a restricted network are those of the given one.

Take a field on p4, whose channels 0 to 3 are the orientations e, r, r2 and r3. Under p2, of e and
r2, it is two fields: what r2 exchanges are e and r2, and r and r3. The channels of a field are side
by side, so the restricted network has them as [e, r2, r, r3], which are the channels 0, 2, 1 and 3
of the given network: its order is (0, 2, 1, 3). A convolution that reads this map takes the rows of
its kernel in this order, and so does a dense layer, whose output has no order any more.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import keras
import numpy as np

from keras_gcnn import groups, layers
from keras_gcnn.groups import Group
from keras_gcnn.layers.common import stock_layers
from keras_gcnn.layers.steerable.base import KeepsFields
from keras_gcnn.model_graph import is_graph, run_graph, unwrap
from keras_gcnn.types import Shape

# Layers on a group that the rules of this folder restrict.
CONVOLUTIONS = (layers.LiftingConv2D, layers.GConv2D, layers.GConv2DTranspose)
# Those whose weights are one number per field.
PER_FIELD = (
    layers.GBatchNormalization,
    layers.GGroupNormalization,
    layers.GLayerNormalization,
    layers.GLayerScale,
    layers.GPReLU,
    layers.GRMSNormalization,
)
RESTRICTED = (
    *CONVOLUTIONS,
    *PER_FIELD,
    layers.GDepthwiseConv2D,
    layers.GSeparableConv2D,
    layers.GDropout,
    layers.GPooling,
    layers.GGlobalPooling,
    layers.Restriction,
)
# Layers and operations whose output has the channels of the input, in any order.
_OF_POSITIONS = (layers.GMaxPooling2D, layers.GAveragePooling2D, layers.DiscMask)
_KEEPING = stock_layers.HARMLESS | {
    name
    for name, rule in stock_layers.KEEPING.items()
    if not name.endswith("Normalization") and name not in ("PReLU", "Rescaling", "Softmax")
}


Order: TypeAlias = tuple[int, ...] | None
"""For each channel of a new tensor its number in the given network; None if it is the same."""


def index_of(order: Order, channels: Any) -> np.ndarray:
    """Returns an order as an array, for this number of channels."""
    return np.arange(channels) if order is None else np.array(order)


def as_order(index: np.ndarray) -> Order:
    """Returns the order with these numbers."""
    index = index.reshape(-1)
    return None if np.array_equal(index, np.arange(len(index))) else tuple(index.tolist())


def read_as(group: Group, subgroup: Group, channels: int) -> Order:
    """Returns the order in which `Restriction` reads a map on a group as one on a subgroup."""
    fields = np.arange(channels // group.order)[:, None] * group.order
    return as_order(fields + group.restriction(subgroup))


def common_subgroup(group: Group, other: Group) -> Group:
    """Returns the largest known group that both groups contain."""
    shared = [one for one in groups.subgroups(group) if other.contains(one)]
    return max(shared, key=lambda one: one.order)


class Call(NamedTuple):
    """The orders of one call of a layer: what it reads, and what it makes."""

    reads: Order
    makes: Order


class Orders:
    """The orders of all calls in a model, by one walk over its graph that computes shapes only.

    Args:
        model: functional model, models inside it included.
        start: the order of its inputs.
        subgroup: the group under which the new network is to be equivariant.
        axis: axis of the channels of the inputs, -1 or 1.
    """

    def __init__(self, model: keras.Model, start: Order, subgroup: Group, axis: int = -1):
        self._subgroup = subgroup
        self._calls: dict[int, Call] = {}
        inputs = [_Traced(tensor, start, axis) for tensor in model.inputs]
        self._walk(model, inputs)

    def of(self, layer: keras.Operation) -> Call:
        """Returns the orders of a layer's calls, which are the same in all of them."""
        return self._calls[id(layer)]

    def _walk(self, model: keras.Model, inputs: Sequence[_Traced]) -> Any:
        if isinstance(model, keras.Sequential):
            (traced,) = inputs
            for layer in model.layers:
                traced = self._follow(layer, (traced,), {})
            return traced

        def following(operation: keras.Operation) -> Callable:
            return lambda *args, **kwargs: self._follow(operation, args, kwargs)

        return run_graph(model, list(inputs), following)

    def _follow(self, operation: keras.Operation, args: tuple, kwargs: dict[str, Any]) -> Any:
        inputs = [leaf for leaf in keras.tree.flatten((args, kwargs)) if isinstance(leaf, _Traced)]
        if is_graph(operation):
            return self._walk(operation, inputs)
        plain_args, plain_kwargs = keras.tree.map_structure(_symbolic, (args, kwargs))
        outputs = operation.compute_output_spec(*plain_args, **plain_kwargs)
        shape = tuple(keras.tree.flatten(outputs)[0].shape)
        call = _orders_of(operation, inputs, shape, self._subgroup)
        if self._calls.setdefault(id(operation), call) != call:
            raise ValueError(
                f"{type(operation).__name__} {operation.name!r} is called on maps whose channels "
                "are in different orders, so one layer cannot replace it. Call a layer of its own "
                "in each place."
            )
        axis = getattr(operation, "channel_axis", inputs[0].axis if inputs else -1)
        return keras.tree.map_structure(lambda one: _Traced(one, call.makes, axis), outputs)


class _Traced:
    """A tensor on the walk: its shape and type, the order of its channels, and their axis."""

    def __init__(self, tensor: keras.KerasTensor, order: Order, axis: int):
        self.shape, self.dtype = tuple(tensor.shape), tensor.dtype
        self.order, self.axis = order, axis


def _symbolic(leaf: Any) -> Any:
    return keras.KerasTensor(leaf.shape, dtype=leaf.dtype) if isinstance(leaf, _Traced) else leaf


def _orders_of(op: Any, inputs: Sequence[_Traced], shape: Shape, subgroup: Group) -> Call:
    """Returns the orders of a call, or raises a `ValueError` if no rule knows them."""
    if not inputs:
        return Call(None, None)
    first, reads, name = inputs[0], inputs[0].order, stock_layers.stock_name(op)
    if type(op) in RESTRICTED:
        return Call(reads, _after_group_layer(op, first, shape, subgroup))
    group = getattr(unwrap(op), "group", None)
    if isinstance(group, Group) and group != common_subgroup(group, subgroup):
        raise _no_rule(op)
    if name in stock_layers.MERGING or name == "Concatenate":
        return Call(reads, _merged(op, inputs))
    if all(one.order is None for one in inputs):
        return Call(reads, None)
    if isinstance(op, _OF_POSITIONS) or name in _KEEPING:
        return Call(reads, reads)
    if isinstance(op, keras.layers.Dense):
        return Call(reads, None)
    if isinstance(op, keras.layers.Flatten):
        return Call(reads, _flattened(op, first))
    raise _no_rule(op)


def _no_rule(op: keras.Operation) -> ValueError:
    named = f"{type(op).__name__} {op.name!r}"
    if isinstance(unwrap(op), (KeepsFields, layers.ToFields)):
        return ValueError(
            f"{named} is a steerable layer, and only layers on a group, such as GConv2D, are "
            "restricted. Restrict the network from a stage after this layer, or build it with a "
            "SteerableRestriction."
        )
    return ValueError(
        f"{named} reads a map whose group becomes smaller, and there is no rule for it. Restrict "
        'the network to "z2", which keeps the order of channels for layers of Keras, or from a '
        "stage after this layer."
    )


def _after_group_layer(op: Any, read: _Traced, shape: Shape, subgroup: Group) -> Order:
    order, smaller = read.order, common_subgroup(op.group, subgroup)
    if isinstance(op, layers.GPooling):
        _check_fields(op, order)
        return None
    if isinstance(op, layers.GGroupNormalization):
        _check_fields(op, order)
    if isinstance(op, (*PER_FIELD, layers.GDropout)):
        return order
    if isinstance(op, layers.Restriction):
        return _after_restriction(op, index_of(order, shape[op.channel_axis]), subgroup)
    if not isinstance(op, layers.GDepthwiseConv2D):
        return read_as(op.group, smaller, shape[op.channel_axis])
    # Channel `c * |G| + g` of the input makes the channels `(c * m + n) * |G| + g` of the output.
    index = index_of(order, read.shape[op.channel_axis]).reshape(-1, 1, smaller.order)
    fields, orientations = np.divmod(index, op.group.order)
    fields = fields * op.depth_multiplier + np.arange(op.depth_multiplier)[:, None]
    return as_order(fields * op.group.order + orientations)


def _check_fields(op: Any, order: Order) -> None:
    """Raises a `ValueError` unless the channels of each field are still side by side."""
    if order is None:
        return
    fields = np.array(order).reshape(-1, op.group.order) // op.group.order
    if (fields != np.arange(len(fields))[:, None]).any():
        raise ValueError(
            f"{type(op).__name__} {op.name!r} reads fields whose channels are in another order "
            "after a Restriction in the network. Restrict the network to the group of its last "
            "stage, or from a stage on that follows that Restriction."
        )


def _after_restriction(op: layers.Restriction, index: np.ndarray, subgroup: Group) -> Order:
    before, after = (common_subgroup(group, subgroup) for group in (op.group, op.subgroup))
    channels = len(index)
    if after != before:  # the new network restricts its map too
        index = index[index_of(read_as(before, after, channels), channels)]
    position = np.argsort(index_of(read_as(op.group, op.subgroup, channels), channels))
    return as_order(position[index])


def _merged(op: Any, inputs: Sequence[_Traced]) -> Order:
    """Returns the order after a layer that merges or joins maps."""
    moved = [one for one in inputs if one.order is not None]
    if not moved:
        return None
    rank, axis = len(moved[0].shape), moved[0].axis
    if type(op).__name__ == "Concatenate" and op.axis % rank == axis % rank:
        sizes = [one.shape[axis] for one in inputs]
        parts = zip(np.cumsum([0, *sizes[:-1]]), inputs, sizes, strict=True)
        return as_order(np.concatenate([at + index_of(one.order, size) for at, one, size in parts]))
    # A map of one channel weighs all channels alike.
    others = [one for one in inputs if len(one.shape) != rank or one.shape[axis] != 1]
    if any(one.order != moved[0].order for one in others):
        raise ValueError(
            f"{type(op).__name__} {op.name!r} merges maps whose channels would be in different "
            "orders. Restrict the network to another subgroup, e.g. the group of its last stage, "
            "or from a stage on at which a single map is all that the rest reads."
        )
    return moved[0].order


def _flattened(op: keras.layers.Flatten, read: _Traced) -> Order:
    # The stock layer moves the channels to the end first.
    axis = 1 if op.data_format == "channels_first" else -1
    index = index_of(read.order, read.shape[axis])
    positions = math.prod(size or 1 for size in read.shape[1:]) // len(index)
    return as_order(np.arange(positions)[:, None] * len(index) + index)
