"""What the layers share: the group, the channel axis, and the word when equivariance breaks."""

from __future__ import annotations

import sys
import warnings
from typing import Any

import keras
import numpy as np

from keras_gcnn import groups
from keras_gcnn.arguments import check_choice
from keras_gcnn.layers.common.map_checks import find_problems
from keras_gcnn.layers.common.stock_layers import Channels
from keras_gcnn.types import GroupLike, Initializer, Shape, Tensor


class EquivarianceWarning(UserWarning):
    """A layer was built in a configuration in which it does not commute with its group."""


def report_broken(layer: keras.Layer, problem: str, fix: str, equivariance: str) -> None:
    """Warns, or raises, that `layer` is not equivariant as it was built.

    Args:
        layer: the layer.
        problem: what breaks it, a clause.
        fix: what to do, an imperative clause.
        equivariance: `"warn"`, `"strict"` or `"ignore"`.

    Raises:
        ValueError: if `equivariance` is `"strict"`.
    """
    message = f"{type(layer).__name__} {layer.name!r} is not equivariant: {problem}. To fix: {fix}."
    warn_or_raise(message, equivariance)


def warn_or_raise(message: str, equivariance: str) -> None:
    """Warns, or raises a `ValueError`, or does nothing, as `equivariance` says."""
    if equivariance == "strict":
        raise ValueError(message)
    if equivariance == "warn":
        warnings.warn(message, EquivarianceWarning, stacklevel=frames_to_caller())


def frames_to_caller() -> int:
    """Frames from where a warning is raised to the line that called this library or Keras."""
    frame, frames = sys._getframe(1), 1
    while frame.f_back and frame.f_globals["__name__"].startswith(("keras_gcnn.", "keras.")):
        frame, frames = frame.f_back, frames + 1
    return frames


class SizeDependent:
    """Mixin of layers that slide a window, which fits some sizes of the input and not others.

    The layer has `padding`, `data_format` and `equivariance`, and says in `smallest_sizes` what the
    window needs and in `equivariance_problem(input_shape)` what is wrong with a shape and what to
    do, or None.
    """

    smallest_sizes: tuple[int, int]
    _checked_sizes: tuple[int | None, int | None] | None = None

    def sizes(self, input_shape: Shape) -> tuple[int | None, int | None]:
        """Rows and columns of an input shape; None where unknown."""
        return map_sizes(input_shape, -1 if self.data_format == "channels_last" else 1)

    def check_fits(self, input_shape: Shape) -> None:
        """Raises a `ValueError` if the input is smaller than the window.

        Left to themselves, one backend returns a map of nothing, one a wrong shape, and one ends
        the process.
        """
        if self.padding == "same":
            return
        for size, smallest in zip(self.sizes(input_shape), self.smallest_sizes, strict=True):
            if size is not None and size < smallest:
                rows, columns = self.smallest_sizes
                raise ValueError(
                    f"{type(self).__name__} {self.name!r} needs at least {rows} rows and {columns} "
                    f"columns; the input has shape {tuple(input_shape)} ({self.data_format}). Use "
                    "larger images, fewer layers that shrink them before this one, or a smaller "
                    "window here."
                )

    def check_sizes(self, input_shape: Shape) -> None:
        """Raises if the window does not fit; warns or raises if the layer is not equivariant.

        Layers call it when they are built, and on every call by `check_call`, since a layer that
        was built for one size, or for any, can be called on another.
        """
        self.check_fits(input_shape)
        sizes = self.sizes(input_shape)
        building = self._checked_sizes is None
        if sizes == self._checked_sizes or (None in sizes and not building):
            return
        found = self.equivariance_problem(input_shape)
        if found:
            report_broken(self, *found, self.equivariance)
        self._checked_sizes = sizes

    def check_call(self, inputs: Tensor) -> None:
        """Does what `check_sizes` does for the inputs of a call.

        Where TensorFlow traces a graph for any size, it is the graph that checks when it runs.
        """
        if keras.backend.backend() == "tensorflow" and None in self.sizes(inputs.shape):
            from keras_gcnn.backend.tensorflow import sizes as tensorflow_sizes

            tensorflow_sizes.check(self, inputs)
        else:
            self.check_sizes(inputs.shape)


class ReadsMaps:
    """Mixin of the layers that know what map they read, and what map they make.

    Where a layer is called on a symbolic tensor of Keras, the layers before it are known. A map on
    another group or of other fields than it reads is refused, and a layer of Keras between the two
    that breaks equivariance is warned of.
    """

    symmetry: groups.Group  # under which the image turns; needed beside `map_in`
    checks_maps = True  # whether to look back at all
    _restored = False
    _warned: tuple[str, ...] = ()

    @property
    def map_in(self) -> Channels | None:
        """What the channels of the input have to be; None if the layer takes any."""
        return None

    @property
    def map_out(self) -> Channels | None:
        """What the channels of the output are; None if they are those of the input."""
        return None

    @classmethod
    def from_config(cls, config) -> ReadsMaps:
        layer = super().from_config(config)
        layer._restored = True  # a file of an earlier version has to load: it only warns
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
            # Keras calls the layers of a Sequential anew with each that is added.
            if message and message not in self._warned:
                warn_or_raise(message, "warn" if self._restored else action)
                self._warned = (*self._warned, message)


class MapLayer(ReadsMaps, keras.Layer):
    """Base of the layers that know where the channels of a feature map are.

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
    """Mixin of layers from maps on a group to maps on the same group."""

    group: groups.Group

    @property
    def symmetry(self) -> groups.Group:
        """The group under which the image turns."""
        return self.group

    @property
    def map_in(self) -> groups.Group:
        """The group whose orientations the channels of the input hold."""
        return self.group

    @property
    def map_out(self) -> groups.Group:
        """The group whose orientations the channels of the output hold."""
        return self.group


class GroupLayer(OnGroup, MapLayer):
    """Base of the layers that know a group.

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
    """Channels of `input_shape` along `axis`; raises a `ValueError` if it does not tell them."""
    channels = input_shape[axis]
    if channels is None:
        raise ValueError(
            f"{type(layer).__name__} {layer.name!r} needs a known number of channels; the input "
            f"has shape {tuple(input_shape)}. State it, e.g. keras.Input((28, 28, 8))."
        )
    return channels


def count_fields(layer: keras.Layer, input_shape: Shape, group: groups.Group, axis: int) -> int:
    """Channels of `input_shape` along `axis` over `|G|`; see `GroupLayer.field_count`."""
    channels = known_channels(layer, input_shape, axis)
    if channels % group.order:
        raise ValueError(
            f"{type(layer).__name__} {layer.name!r} on {group.name} received {channels} channels "
            f"(input shape {tuple(input_shape)}), which is no multiple of {group.order}, the "
            f"order of {group.name}. Feature maps on {group.name} come out of "
            f"LiftingConv2D(..., group={group.name!r}) and the layers after it; put that layer "
            "first, or change `group`."
        )
    return channels // group.order


def split_fibre(tensor: Tensor, group: groups.Group, axis: int) -> tuple[Tensor, int]:
    """Views the channel axis `c * |G| + g` as two axes; returns the tensor and the axis of g."""
    shape = [-1, *keras.ops.shape(tensor)[1:]]  # batch and positions may be unknown
    axis %= len(shape)
    shape[axis : axis + 1] = [tensor.shape[axis] // group.order, group.order]
    return keras.ops.reshape(tensor, shape), axis + 1


def map_sizes(input_shape: Shape, channel_axis: int) -> tuple[int | None, int | None]:
    """Rows and columns of the shape of a map; None where unknown."""
    first = 1 if channel_axis == -1 else 2
    # In an export a size may be a symbol or a tensor, which `int` would fix for ever.
    return tuple(
        int(size) if isinstance(size, int | np.integer) else None
        for size in input_shape[first : first + 2]
    )


def fresh(initializer: Initializer) -> Initializer:
    """An initializer like this one; one alone would give two weights the same numbers."""
    return initializer.clone() if hasattr(initializer, "clone") else initializer


def as_numbers(inputs: Tensor, dtype: str) -> Tensor:
    """Casts integers, such as 8-bit pixels, and bools to `dtype`; other types stay as they are.

    Keras casts floating types only, and of the backends' operations only JAX's take the others.
    """
    given = keras.backend.standardize_dtype(inputs.dtype)
    if given == "bool" or keras.backend.is_int_dtype(given):
        return keras.ops.cast(inputs, dtype)
    return inputs
