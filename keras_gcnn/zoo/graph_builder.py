"""Networks put together layer by layer, each on the group that is left there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import keras

from keras_gcnn.backend.initial_weights import call_new
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

# Keras's own 0.99 needs hundreds of steps until inference sees the statistics of training.
MOMENTUM = 0.9
EPSILON = 1e-5


@dataclass(frozen=True)
class Maps:
    """Feature maps between two layers.

    Attributes:
        fields: int, number of fields; of an image, its channels.
        group: the group that they are on; None for an image.
        sizes: rows and columns.
        tensor: the maps themselves, or None where parameters are only counted.
    """

    fields: int
    group: Group | None
    sizes: tuple[int, int]
    tensor: keras.KerasTensor | None = None

    @property
    def channels(self) -> int:
        """Number of channels."""
        return self.fields * (self.group.order if self.group else 1)


class GraphBuilder:
    """Adds layers and counts their trainable parameters.

    A network is described once, by calls of these methods. Given maps without a tensor, as widths
    are fitted to a budget, they only count, which takes microseconds instead of seconds.

    Args:
        group: of the lifting convolution.
        convolution: `"full"`, `"g"` or `"gc"`; see `GSeparableConv2D` for the latter.
        subgroups: from the name of a stage to the group that is left after it.
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
        self.group = group
        self.kind = convolution
        self.subgroups = subgroups or {}
        self.downsampling = downsampling
        self.data_format = data_format
        self.parameters = 0

    def _put(self, x: Maps, make: Callable[[], keras.Layer], parameters: int = 0, **new) -> Maps:
        self.parameters += parameters
        tensor = None if x.tensor is None else call_new(make(), x.tensor)
        return replace(x, tensor=tensor, **new)

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
        """A convolution: lifting on an image, else on the group, separable if asked for.

        Exact downsampling by two is a convolution and an average over windows that fit the size.
        """
        if strides > 1 and self.downsampling == "exact":
            # The average of a pointwise convolution is the convolution of the average.
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
            # Of strides the builder warns once, for the whole network.
            "equivariance": "warn" if strides == 1 else "ignore",
        }
        window, bias = kernel_size**2, fields if use_bias else 0
        if padding == "same":
            sizes = tuple(-(-size // strides) for size in x.sizes)
        else:
            sizes = tuple((size - kernel_size) // strides + 1 for size in x.sizes)

        def put(layer, weights: int, **more) -> Maps:
            return self._put(
                x,
                lambda: layer(fields, kernel_size, group, **arguments, **more),
                weights + bias,
                fields=fields,
                group=group,
                sizes=sizes,
            )

        if x.group is None:
            return put(LiftingConv2D, x.fields * fields * window)
        if self.kind == "full" or kernel_size == 1:
            return put(GConv2D, x.channels * fields * window)
        spatial = fields if self.kind == "gc" else fields * x.fields
        return put(GSeparableConv2D, spatial * window + x.channels * fields, variant=self.kind)

    def normalization(self, x: Maps, name: str) -> Maps:
        """Batch normalisation."""
        axis = 1 if self.data_format == "channels_first" else -1
        return self._put(
            x,
            lambda: GBatchNormalization(
                x.group, axis, momentum=MOMENTUM, epsilon=EPSILON, name=name
            ),
            2 * x.fields,
        )

    def relu(self, x: Maps, name: str) -> Maps:
        """The rectifier."""
        return self._put(x, lambda: keras.layers.ReLU(name=name))

    def dropout(self, x: Maps, rate: float, name: str) -> Maps:
        """Dropout, of all orientations of a field or of none; nothing for a rate of zero."""
        if not rate:
            return x
        group = x.group or "z2"
        return self._put(x, lambda: GDropout(rate, group, data_format=self.data_format, name=name))

    def _pool(self, layer, x: Maps, name: str) -> Maps:
        sizes = tuple(size // 2 for size in x.sizes)
        return self._put(x, lambda: layer(data_format=self.data_format, name=name), sizes=sizes)

    def maximum(self, x: Maps, name: str) -> Maps:
        """Maximum over windows, which halves the maps exactly."""
        return self._pool(GMaxPooling2D, x, name)

    def average(self, x: Maps, name: str) -> Maps:
        """Average over windows, which halves the maps exactly."""
        return self._pool(GAveragePooling2D, x, name)

    def add(self, x: Maps, other: Maps, name: str) -> Maps:
        """The sum of a residual connection."""
        if x.tensor is None:
            return x
        return replace(x, tensor=keras.layers.Add(name=name)([x.tensor, other.tensor]))

    def end_stage(self, x: Maps, stage: str) -> Maps:
        """Stops part of the equivariance where `subgroups` says so."""
        subgroup = self.subgroups.get(stage)
        if subgroup is None or subgroup == x.group:
            return x
        return self._put(
            x,
            lambda: Restriction(
                x.group, subgroup, data_format=self.data_format, name=f"restrict{stage}"
            ),
            fields=x.channels // subgroup.order,
            group=subgroup,
        )

    def head(self, x: Maps, head: str, mode: str) -> Maps:
        """From maps to one vector an image, by a layer named `head`; see `architecture.HEADS`.

        Args:
            x: the maps.
            head: `"invariant"`, `"orientations"` or `"flatten"`.
            mode: how the invariant head pools, `"max"` or `"mean"`.
        """
        form = {"data_format": self.data_format, "name": "head"}
        if head == "invariant":
            fields = x.fields
            make = partial(GGlobalPooling, mode, x.group, **form)
        elif head == "orientations":
            fields = x.channels
            make = partial(keras.layers.GlobalAveragePooling2D, **form)
        else:
            fields = x.channels * x.sizes[0] * x.sizes[1]
            make = partial(keras.layers.Flatten, **form)
        return self._put(x, make, fields=fields, group=None, sizes=(1, 1))

    def dense(self, x: Maps, units: int, name: str, **arguments) -> Maps:
        """A dense layer on a vector."""
        return self._put(
            x,
            lambda: keras.layers.Dense(units, name=name, **arguments),
            (x.fields + 1) * units,
            fields=units,
        )

    def dense_logits(self, x: Maps, classes: int, activation: str | None) -> Maps:
        """The dense layer `logits`, in full precision under a mixed policy."""
        precision = keras.config.dtype_policy().variable_dtype
        return self.dense(x, classes, "logits", activation=activation, dtype=precision)

    def pooled_logits(
        self, x: Maps, classes: int, head: str, mode: str, activation: str | None
    ) -> Maps:
        """Head and `logits` where the last maps have a field for every class.

        Pooled to one number a field these are the logits; of other heads a dense layer makes them.
        """
        x = self.head(x, head, mode)
        if head != "invariant":
            return self.dense_logits(x, classes, activation)
        precision = keras.config.dtype_policy().variable_dtype
        return self._put(
            x, lambda: keras.layers.Activation(activation, dtype=precision, name="logits")
        )
