"""Base of the builders: adds layers to a network, and counts what they take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import keras

from keras_gcnn.backend.initial_weights import call_new


class MapsBetween(Protocol):
    """A dataclass of the feature maps between two layers; `tensor` is None while it counts."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def tensor(self) -> Any:
        """The maps themselves."""


M = TypeVar("M", bound=MapsBetween)


class LayerByLayer(Generic[M]):
    """Adds layers to a network and counts their trainable parameters and their multiply-adds.

    The same calls of a subclass's methods build a network and count what it takes, in the
    attributes `parameters` and `multiply_adds`; the latter are those of
    `keras_gcnn.layers.common.cost`. For maps without a tensor, as when widths are fitted to a
    budget, the methods only count, which takes microseconds instead of seconds.

    Args:
        data_format: `"channels_last"` or `"channels_first"`.
    """

    def __init__(self, data_format: str) -> None:
        self.data_format = data_format
        self.parameters = 0
        self.multiply_adds = 0

    @property
    def channel_axis(self) -> int:
        """The axis of the channels."""
        return 1 if self.data_format == "channels_first" else -1

    def add_layer(
        self,
        x: M,
        make: Callable[[], keras.Layer],
        parameters: int = 0,
        multiply_adds: int = 0,
        **changes: Any,
    ) -> M:
        """Returns the maps after a new layer, with the given changes of their attributes."""
        self.parameters += parameters
        self.multiply_adds += multiply_adds
        tensor = None if x.tensor is None else call_new(make(), x.tensor)
        return replace(x, tensor=tensor, **changes)

    def add(self, x: M, other: M, name: str) -> M:
        """Adds the sum of a residual connection."""
        if x.tensor is None:
            return x
        return replace(x, tensor=keras.layers.Add(name=name)([x.tensor, other.tensor]))
