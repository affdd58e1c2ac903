"""How layers on a group become layers on a subgroup, with equal outputs."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_gcnn import layers
from keras_gcnn.groups import Group
from keras_gcnn.rewriting.copies import config_of
from keras_gcnn.rewriting.restricting.orders import (
    CONVOLUTIONS,
    PER_FIELD,
    RESTRICTED,
    Call,
    Orders,
    common_subgroup,
    index_of,
)
from keras_gcnn.rewriting.rule_book import Rule, RuleBook
from keras_gcnn.rewriting.translator import Translator
from keras_gcnn.types import Tensor

_MERGE = {"max": keras.layers.Maximum, "mean": keras.layers.Average}
_POOL = {"max": keras.layers.MaxPooling1D, "mean": keras.layers.AveragePooling1D}


class RestrictingBook(RuleBook):
    """The rules that restrict a network to a subgroup H.

    A map on a group G becomes its `Restriction`: `|G| / |H|` fields on H for each field on G. The
    kernel of the restricted convolution is part of the expanded kernel: the filters that make the
    identity orientation of every field on H.

    Args:
        orders: the orders of the channels of all maps.
        subgroup: H.
    """

    def __init__(self, orders: Orders, subgroup: Group):
        super().__init__()
        self._orders = orders
        self._subgroup = subgroup

    def _group_after(self, layer: Any) -> Group:
        return common_subgroup(layer.group, self._subgroup)

    def find_rule(self, layer: keras.Layer) -> Rule | None:
        """Returns the rule for a pooling of orientations, or for a restriction."""
        if type(layer) not in RESTRICTED or layer.group == self._group_after(layer):
            return super().find_rule(layer)
        if isinstance(layer, layers.GPooling):
            return self._pool
        if isinstance(layer, layers.Restriction):
            return self._restrict
        return None

    def _restrict(self, translator: Translator, inputs: Tensor) -> Tensor:
        """Adds what is left of a `Restriction`; nothing if the map is on the smaller group."""
        layer = translator.layer
        before = self._group_after(layer)
        after = common_subgroup(layer.subgroup, self._subgroup)
        if before == after:
            return inputs
        return translator.add(
            layers.Restriction, inputs, before, after, data_format=layer.data_format
        )

    def _pool(self, translator: Translator, inputs: Tensor) -> Tensor:
        """Pools the orientations that are left, and then the fields that were one."""
        layer, group = translator.layer, self._group_after(translator.layer)
        options: dict[str, Any] = {"data_format": layer.data_format, "part": "orientations"}
        if isinstance(layer, layers.GGlobalPooling):
            options["keepdims"] = layer.keepdims
        x = translator.add(type(layer), inputs, layer.mode, group, **options)
        return _pool_channels(
            translator, x, layer.mode, layer.group.order // group.order, layer.channel_axis
        )

    def twin(self, layer: keras.Layer, name: str, change: Any) -> keras.Layer:
        """Returns the layer on the smaller group with as many channels; a copy of others."""
        if type(layer) not in RESTRICTED:
            return super().twin(layer, name, change)
        group, config, layer_class = self._group_after(layer), config_of(layer), type(layer)
        config.update(name=name, group=group.name)
        if "filters" in config:
            config["filters"] *= layer.group.order // group.order
        if config.get("groups") == -1:  # one channel group per field of the given layer
            config["groups"] = layer.input_spec.axes[layer.axis] // layer.group.order
        if getattr(layer, "variant", "gc") == "g":
            # On more fields the product of two kernels is no longer one of such a product.
            layer_class = layers.GConv2D
            config = {
                key: value
                for key, value in config.items()
                if key != "variant" and not key.startswith(("depthwise_", "pointwise_"))
            }
        return layer_class.from_config(config)

    def transfer_weights(self, layer: keras.Layer, twin: keras.Layer, change: Any) -> None:
        """Gives a twin weights with which its outputs are those of the original."""
        call = self._orders.of(layer)
        transfer = _TRANSFERS.get(type(twin))
        if transfer is not None:
            transfer(layer, twin, call)
        elif isinstance(layer, keras.layers.Dense) and call.reads is not None:
            kernel, *bias = layer.get_weights()
            twin.set_weights([kernel[index_of(call.reads, len(kernel))], *bias])
        else:
            super().transfer_weights(layer, twin, change)


def _pool_channels(translator: Translator, x: Tensor, mode: str, step: int, axis: int) -> Tensor:
    """Pools every `step` channels that are side by side, by layers of Keras."""
    axis %= len(x.shape)
    sizes = x.shape[1:]
    if None in sizes:  # a map of unknown size cannot be reshaped
        before = (slice(None),) * axis
        return translator.add(
            _MERGE[mode], [x[(*before, slice(at, None, step))] for at in range(step)]
        )
    after = math.prod(sizes[axis:])
    x = translator.add(keras.layers.Reshape, x, (-1, after), part="fields")
    x = translator.add(_POOL[mode], x, step, data_format="channels_last", part="pooled")
    shape = (*sizes[: axis - 1], sizes[axis - 1] // step, *sizes[axis:])
    return translator.add(keras.layers.Reshape, x, shape)


def _identity(group: Group) -> int:
    return group.index_of(np.eye(2, dtype=int))


def _base(expanded: np.ndarray, twin: Any, call: Call) -> np.ndarray:
    """Returns the base kernel of a convolution on the smaller group.

    Args:
        expanded: kernel of shape `(rows, columns, channels_in, channels_out)`.
        twin: the new layer.
        call: the orders of its input and output channels.
    """
    blocks = getattr(twin, "groups", 1)
    kernel = _spread(expanded, blocks)
    rows, columns, channels_in, channels_out = kernel.shape
    kernel = kernel[:, :, index_of(call.reads, channels_in)]
    kernel = _gather(kernel[..., index_of(call.makes, channels_out)], blocks)
    kernel = kernel.reshape(rows, columns, -1, twin.input_order, channels_out)
    return kernel[..., _identity(twin.group) :: twin.group.order].transpose(3, 0, 1, 2, 4)


def _spread(kernel: np.ndarray, blocks: int) -> np.ndarray:
    """Returns the kernel of all channels, with zeros between those of different blocks."""
    parts = np.split(kernel, blocks, axis=-1)
    channels = kernel.shape[2]
    widths = [(channels * at, channels * (blocks - 1 - at)) for at in range(blocks)]
    padded = [
        np.pad(part, ((0, 0), (0, 0), width, (0, 0)))
        for part, width in zip(parts, widths, strict=True)
    ]
    return np.concatenate(padded, axis=-1)


def _gather(kernel: np.ndarray, blocks: int) -> np.ndarray:
    """Undoes `_spread`; orders of channels never leave a field, and so never leave a block."""
    size = kernel.shape[2] // blocks
    parts = [
        part[:, :, at * size : (at + 1) * size]
        for at, part in enumerate(np.split(kernel, blocks, axis=-1))
    ]
    return np.concatenate(parts, axis=-1)


def _per_field(values: np.ndarray, twin: Any, order: Any) -> np.ndarray:
    """Returns one number for each new field from one for each channel of the given network."""
    return values[index_of(order, len(values))][_identity(twin.group) :: twin.group.order]


def _assign_bias(layer: Any, twin: Any, call: Call) -> None:
    bias = layer.expanded_bias()
    if bias is not None:
        twin.bias.assign(_per_field(bias, twin, call.makes))


def _convolution(layer: Any, twin: Any, call: Call) -> None:
    expanded = layer.expanded_kernel()
    if isinstance(layer, layers.GConv2DTranspose):
        expanded = expanded.swapaxes(2, 3)
    twin.kernel.assign(_base(expanded, twin, call))
    _assign_bias(layer, twin, call)


def _separable(layer: Any, twin: Any, call: Call) -> None:
    pointwise, depthwise = layer.expanded_parts()
    twin.pointwise_kernel.assign(_base(pointwise, twin, call))
    filters = np.moveaxis(depthwise[..., 0], 2, 0)
    filters = np.moveaxis(_per_field(filters, twin, call.makes), 0, 2)
    twin.depthwise_kernel.assign(filters[:, :, None])
    _assign_bias(layer, twin, call)


def _depthwise(layer: Any, twin: Any, call: Call) -> None:
    filters = np.moveaxis(layer.expanded_kernel(), 2, 0)
    twin.kernel.assign(np.moveaxis(_per_field(filters, twin, call.reads), 0, 2))
    _assign_bias(layer, twin, call)


def _weights_of_fields(layer: Any, twin: Any, call: Call) -> None:
    for weight, new in zip(layer.weights, twin.weights, strict=True):
        values = np.repeat(keras.ops.convert_to_numpy(weight), layer.group.order)
        new.assign(_per_field(values, twin, call.reads))


# By the class of the new layer.
_TRANSFERS: dict[type, Callable[[Any, Any, Call], None]] = {
    **dict.fromkeys(CONVOLUTIONS, _convolution),
    layers.GSeparableConv2D: _separable,
    layers.GDepthwiseConv2D: _depthwise,
    **dict.fromkeys(PER_FIELD, _weights_of_fields),
}
