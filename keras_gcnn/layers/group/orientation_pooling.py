"""Pooling over orientations, and over orientations and positions."""

from __future__ import annotations

from typing import Any

import keras

from keras_gcnn import groups
from keras_gcnn.arguments import check_choice, check_flag
from keras_gcnn.backend.ops import maximum, mean
from keras_gcnn.layers.common.base import GroupLayer, as_numbers, split_fibre
from keras_gcnn.types import GroupLike, Shape, Tensor

_REDUCE = {"max": maximum, "mean": mean}


@keras.saving.register_keras_serializable(package="keras_gcnn")
class GPooling(GroupLayer):
    """Pools over the orientations of every field, at every position.

    The result is a map on the plane: it rotates with the image as an image does. At the end of a
    network this costs no accuracy; between layers it does, since the relative orientation of
    features is lost (Cohen & Welling 2016, section 8.1).

    Args:
        mode: `"max"` or `"mean"`.
        group: str or `keras_gcnn.groups.Group`.
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's configuration.
        **kwargs: arguments of `keras.Layer`.

    Input shape:
        `(batch, ..., c * |G|)`, or `(batch, c * |G|, ...)` for channels first.

    Output shape:
        The same with `c` channels.

    Raises:
        ValueError: if the channels are no multiple of `|G|`, or for an unknown mode.

    Example:

    >>> import numpy as np
    >>> from keras_gcnn.layers import GPooling
    >>> GPooling("max", group="p4")(np.zeros((1, 8, 8, 12))).shape[-1]
    3
    """

    def __init__(self, mode: str = "max", group: GroupLike = "p4", **kwargs: Any) -> None:
        super().__init__(group, **kwargs)
        self.mode = check_choice("mode", mode, tuple(_REDUCE))
        self.supports_masking = True  # positions stay where they are

    @property
    def map_in(self) -> groups.Group | None:
        """The group of the input map; None on Z2, where any map is accepted."""
        return self.group if self.group.order > 1 else None

    @property
    def map_out(self) -> groups.Group | None:
        """Z2, since no orientations are left; None on Z2, where the map does not change."""
        return groups.get("z2") if self.group.order > 1 else None

    def build(self, input_shape: Shape) -> None:
        self.field_count(input_shape)
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        inputs = as_numbers(inputs, self.compute_dtype)
        split, axis = split_fibre(inputs, self.group, self.channel_axis)
        return _REDUCE[self.mode](split, axis=axis)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        shape = list(input_shape)
        shape[self.channel_axis] = self.field_count(input_shape)
        return tuple(shape)

    def get_config(self) -> dict:
        return {**super().get_config(), "mode": self.mode}


@keras.saving.register_keras_serializable(package="keras_gcnn")
class GGlobalPooling(GPooling):
    """Pools over all positions and orientations: one invariant number per field.

    Args:
        mode: `"max"` or `"mean"`.
        group: str or `keras_gcnn.groups.Group`.
        keepdims: bool, whether the axes of the positions stay, with size 1.
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's configuration.
        **kwargs: arguments of `keras.Layer`.

    Input shape:
        `(batch, rows, columns, c * |G|)`, or channels first.

    Output shape:
        `(batch, c)`, or `(batch, 1, 1, c)` with `keepdims`.

    Raises:
        ValueError: if the channels are no multiple of `|G|`, or for an unknown mode.

    Example:

    >>> import numpy as np
    >>> from keras_gcnn.layers import GGlobalPooling
    >>> GGlobalPooling("mean", group="p4m")(np.zeros((1, 8, 8, 24))).shape[-1]
    3
    """

    def __init__(
        self,
        mode: str = "max",
        group: GroupLike = "p4",
        *,
        keepdims: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(mode, group, **kwargs)
        self.keepdims = check_flag("keepdims", keepdims)
        self.supports_masking = False
        self.input_spec = keras.layers.InputSpec(ndim=4)

    @property
    def _spatial_axes(self) -> tuple[int, int]:
        return (1, 2) if self.channel_axis == -1 else (2, 3)

    def call(self, inputs: Tensor) -> Tensor:
        inputs = as_numbers(inputs, self.compute_dtype)
        # Positions first, so that few values are left for the split over orientations.
        pooled = _REDUCE[self.mode](inputs, axis=self._spatial_axes, keepdims=self.keepdims)
        return super().call(pooled)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        shape = list(super().compute_output_shape(input_shape))
        for axis in self._spatial_axes:
            shape[axis] = 1
        return tuple(shape) if self.keepdims else (shape[0], shape[self.channel_axis])

    def get_config(self) -> dict:
        return {**super().get_config(), "keepdims": self.keepdims}
