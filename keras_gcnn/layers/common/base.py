"""Bases of the layers: the maps they read and make, the channel axis, and the group."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import keras

from keras_gcnn import groups
from keras_gcnn.arguments import check_choice
from keras_gcnn.layers.common.map_checks import find_problems
from keras_gcnn.layers.common.map_type import Channels, MapType, Problem
from keras_gcnn.layers.common.reporting import warn_or_raise
from keras_gcnn.layers.common.wrong_arguments import refuse_unknown
from keras_gcnn.types import GroupLike, Initializer, Shape, Tensor


class ReadsMaps(keras.Layer):
    """Base of the layers that declare the type of map they read and the type they make.

    In a call on a symbolic tensor of Keras the layers before it are known. The layer then refuses a
    map on another group or of other fields than it reads, and warns of layers of Keras in between
    that break the equivariance.
    """

    checks_maps = True  # whether to check the layers before it
    # What to do in place of arguments that users expect and that the layer does not take.
    instead_of: ClassVar[Mapping[str, str]] = {}
    _restored = False
    _warned: tuple[str, ...] = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        refuse_unknown(type(self), kwargs, self.instead_of)
        super().__init__(*args, **kwargs)

    @property
    def symmetry(self) -> groups.Group:
        """The group by which the image is transformed."""
        raise NotImplementedError

    @property
    def map_in(self) -> Channels | None:
        """The channels that the input has to have; None if the layer takes any."""
        return None

    @property
    def map_out(self) -> Channels | None:
        """The channels of the output; None if they are those of the input."""
        return None

    def problem_on(self, given: MapType) -> Problem | None:
        """Returns what this layer breaks on a map that it takes, and the fix; None if nothing."""
        return None

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> ReadsMaps:
        layer = super().from_config(config)
        layer._restored = True  # only warns, so that files of earlier versions load
        return layer

    def symbolic_call(self, *args: Any, **kwargs: Any) -> Any:
        outputs = super().symbolic_call(*args, **kwargs)
        equivariance = getattr(self, "equivariance", "warn")
        if self.checks_maps and equivariance != "ignore":
            for tensor in keras.tree.flatten(args[:1]):
                if isinstance(tensor, keras.KerasTensor):
                    self._check_map(tensor, equivariance)
        return outputs

    def _check_map(self, tensor: keras.KerasTensor, equivariance: str) -> None:
        messages = find_problems(self, tensor, certain=self._restored)
        for message, action in zip(messages, ("strict", equivariance), strict=True):
            # Keras calls all layers of a Sequential again for each layer that is added.
            if message and message not in self._warned:
                warn_or_raise(message, "warn" if self._restored else action)
                self._warned = (*self._warned, message)


class MapLayer(ReadsMaps):
    """Base of the layers with a `data_format`.

    Args:
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's configuration.
        **kwargs: arguments of `keras.Layer`, such as `name` and `dtype`.
    """

    def __init__(self, *, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = check_choice(
            "data_format",
            data_format or keras.config.image_data_format(),
            ("channels_last", "channels_first"),
        )

    @property
    def channel_axis(self) -> int:
        """Axis of the channels, `-1` or `1`."""
        return -1 if self.data_format == "channels_last" else 1

    def get_config(self) -> dict:
        return {**super().get_config(), "data_format": self.data_format}


class OnGroup:
    """Mixin of the layers from maps on a group to maps on the same group."""

    group: groups.Group

    @property
    def symmetry(self) -> groups.Group:
        """The group by which the image is transformed."""
        return self.group

    @property
    def map_in(self) -> groups.Group | None:
        """The group of the input map; None if the layer takes any map."""
        return self.group

    @property
    def map_out(self) -> Channels | None:
        """The group of the output map; None if it is that of the input."""
        return self.group


class GroupLayer(OnGroup, MapLayer):
    """Base of the layers with a `group`.

    Args:
        group: str or `keras_gcnn.groups.Group`.
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's configuration.
        **kwargs: arguments of `keras.Layer`, such as `name` and `dtype`.
    """

    def __init__(self, group: GroupLike = "p4", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.group = groups.get(group)

    def field_count(self, input_shape: Shape) -> int:
        """Returns the number of fields of an input on the group: channels over `|G|`.

        Raises:
            ValueError: if the channels are no multiple of the group's order.
        """
        return count_fields(self, input_shape, self.group, self.channel_axis)

    def get_config(self) -> dict:
        return {**super().get_config(), "group": self.group.name}


def known_channels(layer: keras.Layer, input_shape: Shape, axis: int) -> int:
    """Returns the channels of `input_shape`; raises a `ValueError` if they are unknown."""
    channels = input_shape[axis]
    if channels is None:
        raise ValueError(
            f"{type(layer).__name__} {layer.name!r} needs a known number of channels; the input "
            f"has shape {tuple(input_shape)}. State it, e.g. keras.Input((28, 28, 8))."
        )
    return channels


def count_fields(layer: keras.Layer, input_shape: Shape, group: groups.Group, axis: int) -> int:
    """Returns the channels of `input_shape` over `|G|`; see `GroupLayer.field_count`."""
    channels = known_channels(layer, input_shape, axis)
    if channels % group.order:
        raise ValueError(
            f"{type(layer).__name__} {layer.name!r} on {group.name} received {channels} channels "
            f"(input shape {tuple(input_shape)}), which is no multiple of {group.order}, the "
            f"order of {group.name}. Feature maps on {group.name} are made by "
            f"LiftingConv2D(..., group={group.name!r}) and the layers after it; put that layer "
            "first, or change `group`."
        )
    return channels // group.order


def split_fibre(tensor: Tensor, group: groups.Group, axis: int) -> tuple[Tensor, int]:
    """Splits the channel axis `c * |G| + g` into two; returns the tensor and the axis of g."""
    shape = [-1, *keras.ops.shape(tensor)[1:]]  # batch and sizes may be unknown
    axis %= len(shape)
    shape[axis : axis + 1] = [tensor.shape[axis] // group.order, group.order]
    return keras.ops.reshape(tensor, shape), axis + 1


def along(values: Tensor, axis: int, rank: int) -> Tensor:
    """Reshapes a vector, or one for each image, to broadcast along the channels of a tensor."""
    shape = [1] * rank
    shape[axis] = values.shape[-1]
    if len(values.shape) == 2:
        shape[0] = -1
    return keras.ops.reshape(values, shape)


def fresh(initializer: Initializer) -> Initializer:
    """Returns a copy of an initializer; a shared one would give two weights equal numbers."""
    return initializer.clone() if hasattr(initializer, "clone") else initializer


def as_numbers(inputs: Tensor, dtype: str) -> Tensor:
    """Casts integers, such as 8-bit pixels, and bools to `dtype`; keeps other types.

    Keras casts floating types only, and only the operations of JAX accept others.
    """
    given = keras.backend.standardize_dtype(inputs.dtype)
    if given == "bool" or keras.backend.is_int_dtype(given):
        return keras.ops.cast(inputs, dtype)
    return inputs
