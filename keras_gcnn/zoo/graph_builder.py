"""Builds networks on groups layer by layer, and counts parameters and multiply-adds."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import keras

from keras_gcnn.groups import Group
from keras_gcnn.layers import (
    GAveragePooling2D,
    GBatchNormalization,
    GConv2D,
    GDropout,
    GGlobalPooling,
    GMaxPooling2D,
    GSeparableConv2D,
    LiftingConv2D,
    Restriction,
)
from keras_gcnn.zoo.layer_by_layer import LayerByLayer

# With Keras's default of 0.99, inference lags hundreds of steps behind the training statistics.
MOMENTUM = 0.9
EPSILON = 1e-5


@dataclass(frozen=True)
class Maps:
    """Feature maps between two layers.

    Attributes:
        fields: int, number of fields; for an image, number of channels.
        group: the group of the maps; None for an image.
        sizes: rows and columns.
        tensor: the maps themselves, or None while a network is only counted.
    """

    fields: int
    group: Group | None
    sizes: tuple[int, int]
    tensor: keras.KerasTensor | None = None

    @property
    def channels(self) -> int:
        """Number of channels."""
        return self.fields * (self.group.order if self.group else 1)


class GraphBuilder(LayerByLayer[Maps]):
    """Adds layers on a group of the pixel grid; see `LayerByLayer`.

    Args:
        group: the group of the lifting convolution.
        convolution: `"full"`, or `"g"` or `"gc"` for `GSeparableConv2D`.
        subgroups: from the name of a stage to the group that remains after it.
        downsampling: `"exact"` (convolution, then exact pooling) or `"stride"`.
        data_format: `"channels_last"` or `"channels_first"`.
    """

    def __init__(
        self,
        group: Group,
        convolution: str = "full",
        subgroups: Mapping[str, Group] | None = None,
        downsampling: str = "exact",
        data_format: str = "channels_last",
    ):
        super().__init__(data_format)
        self.group = group
        self.convolution_type = convolution
        self.subgroups = subgroups or {}
        self.downsampling = downsampling

    def convolution(
        self,
        x: Maps,
        fields: int,
        kernel_size: int,
        name: str,
        *,
        strides: int = 1,
        padding: str = "same",
        use_bias: bool = True,
    ) -> Maps:
        """Adds a convolution: a lifting one on an image, a full or separable one on a group.

        Exact downsampling is a convolution followed by an average over windows that fit the size.
        """
        if strides > 1 and self.downsampling == "exact":
            # An average and a pointwise convolution commute; this order costs less.
            if kernel_size == 1:
                pooled = self.average(x, f"{name}_pool")
                return self.convolution(pooled, fields, 1, name, use_bias=use_bias)
            full = self.convolution(x, fields, kernel_size, name, use_bias=use_bias)
            return self.average(full, f"{name}_pool")
        group = x.group or self.group
        arguments: dict[str, Any] = {
            "strides": strides,
            "padding": padding,
            "use_bias": use_bias,
            "data_format": self.data_format,
            "name": name,
            # `build` warns of strides once for the whole network.
            "equivariance": "warn" if strides == 1 else "ignore",
        }
        window, bias = kernel_size**2, fields if use_bias else 0
        if padding == "same":
            sizes = tuple(-(-size // strides) for size in x.sizes)
        else:
            sizes = tuple((size - kernel_size) // strides + 1 for size in x.sizes)
        positions, channels = math.prod(sizes), fields * group.order
        expanded = positions * window * x.channels * channels

        def add(
            layer: Callable[..., keras.Layer], weights: int, multiply_adds: int, **more: Any
        ) -> Maps:
            return self.add_layer(
                x,
                lambda: layer(fields, kernel_size, group, **arguments, **more),
                weights + bias,
                multiply_adds,
                fields=fields,
                group=group,
                sizes=sizes,
            )

        if x.group is None:
            return add(LiftingConv2D, x.fields * fields * window, expanded)
        if self.convolution_type == "full" or kernel_size == 1:
            return add(GConv2D, x.channels * fields * window, expanded)
        spatial = fields if self.convolution_type == "gc" else fields * x.fields
        if self.convolution_type == "gc":  # pointwise, then depthwise
            expanded = (math.prod(x.sizes) * x.channels + positions * window) * channels
        weights = spatial * window + x.channels * fields
        return add(GSeparableConv2D, weights, expanded, variant=self.convolution_type)

    def normalization(self, x: Maps, name: str) -> Maps:
        """Adds batch normalisation."""
        group, axis = x.group or "z2", self.channel_axis
        return self.add_layer(
            x,
            lambda: GBatchNormalization(group, axis, momentum=MOMENTUM, epsilon=EPSILON, name=name),
            2 * x.fields,
        )

    def relu(self, x: Maps, name: str) -> Maps:
        """Adds a ReLU."""
        return self.add_layer(x, lambda: keras.layers.ReLU(name=name))

    def dropout(self, x: Maps, rate: float, name: str) -> Maps:
        """Adds dropout of whole fields, unless the rate is zero."""
        if not rate:
            return x
        group = x.group or "z2"
        return self.add_layer(
            x, lambda: GDropout(rate, group, data_format=self.data_format, name=name)
        )

    def _pool(self, layer: Callable[..., keras.Layer], x: Maps, name: str) -> Maps:
        sizes = tuple(size // 2 for size in x.sizes)
        return self.add_layer(
            x, lambda: layer(data_format=self.data_format, name=name), sizes=sizes
        )

    def maximum(self, x: Maps, name: str) -> Maps:
        """Halves the maps by the maximum over windows, exactly equivariant at every size."""
        return self._pool(GMaxPooling2D, x, name)

    def average(self, x: Maps, name: str) -> Maps:
        """Halves the maps by the average over windows, exactly equivariant at every size."""
        return self._pool(GAveragePooling2D, x, name)

    def concatenate(self, x: Maps, other: Maps, name: str) -> Maps:
        """Joins the fields of maps on the same group and of equal sizes."""
        tensor = x.tensor
        if tensor is not None:
            join = keras.layers.Concatenate(self.channel_axis, name=name)
            tensor = join([tensor, other.tensor])
        return replace(x, fields=x.fields + other.fields, tensor=tensor)

    def end_stage(self, x: Maps, stage: str) -> Maps:
        """Adds the restriction to the subgroup that follows a stage, if there is one."""
        subgroup = self.subgroups.get(stage)
        group = x.group
        if subgroup is None or group is None or subgroup == group:
            return x
        return self.add_layer(
            x,
            lambda: Restriction(
                group, subgroup, data_format=self.data_format, name=f"restrict{stage}"
            ),
            fields=x.channels // subgroup.order,
            group=subgroup,
        )

    def head(self, x: Maps, head: str, mode: str) -> Maps:
        """Adds the layer `head`, from maps to one vector per image.

        Args:
            x: the maps.
            head: `"invariant"`, `"orientations"` or `"flatten"`.
            mode: pooling of the invariant head, `"max"` or `"mean"`.
        """
        arguments: dict[str, Any] = {"data_format": self.data_format, "name": "head"}
        if head == "invariant":
            fields = x.fields
            make = partial(GGlobalPooling, mode, x.group or "z2", **arguments)
        elif head == "orientations":
            fields = x.channels
            make = partial(keras.layers.GlobalAveragePooling2D, **arguments)
        else:
            fields = x.channels * x.sizes[0] * x.sizes[1]
            make = partial(keras.layers.Flatten, **arguments)
        return self.add_layer(x, make, fields=fields, group=None, sizes=(1, 1))

    def dense(self, x: Maps, units: int, name: str, **arguments: Any) -> Maps:
        """Adds a dense layer to a vector."""
        return self.add_layer(
            x,
            lambda: keras.layers.Dense(units, name=name, **arguments),
            (x.fields + 1) * units,
            x.fields * units,
            fields=units,
        )

    def dense_logits(self, x: Maps, classes: int, activation: str | None) -> Maps:
        """Adds the dense layer `logits`, in full precision under a mixed policy."""
        precision = keras.config.dtype_policy().variable_dtype
        return self.dense(x, classes, "logits", activation=activation, dtype=precision)

    def pooled_logits(
        self, x: Maps, classes: int, head: str, mode: str, activation: str | None
    ) -> Maps:
        """Adds the head and `logits` to maps that have one field per class.

        With the invariant head, which pools every field to one number, these numbers are the
        logits; after the other heads, a dense layer computes them.
        """
        x = self.head(x, head, mode)
        if head != "invariant":
            return self.dense_logits(x, classes, activation)
        precision = keras.config.dtype_policy().variable_dtype
        return self.add_layer(
            x, lambda: keras.layers.Activation(activation, dtype=precision, name="logits")
        )
