"""Pooling over orientations, with or without the positions."""

from __future__ import annotations

import keras

from keras_gcnn import groups
from keras_gcnn.arguments import check_choice
from keras_gcnn.backend.ops import maximum, mean
from keras_gcnn.layers.common.base import GroupLayer, split_fibre

_REDUCE = {"max": maximum, "mean": mean}


@keras.saving.register_keras_serializable(package="keras_gcnn")
class GPooling(GroupLayer):
    """Pools over the orientations of every field, at every position.

    The result turns with the image like an image does: it is a map on the plane. Used once at the
    end of a network it costs nothing; between layers it costs accuracy, since the relative
    orientation of features is lost (Cohen & Welling 2016, section 8.1).

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

    def __init__(self, mode: str = "max", group: str | groups.Group = "p4", **kwargs):
        super().__init__(group, **kwargs)
        self.mode = check_choice("mode", mode, tuple(_REDUCE))

    @property
    def map_in(self) -> groups.Group | None:
        """The group whose orientations are pooled; None on Z2, which has none: any map will do."""
        return self.group if self.group.order > 1 else None

    @property
    def map_out(self) -> groups.Group | None:
        """No orientations are left; on Z2 the channels are those of the input."""
        return groups.get("z2") if self.group.order > 1 else None

    def build(self, input_shape):
        self.fields(input_shape)
        self.built = True

    def call(self, inputs):
        split, axis = split_fibre(inputs, self.group, self.channel_axis)
        return _REDUCE[self.mode](split, axis=axis)

    def compute_output_shape(self, input_shape):
        shape = list(input_shape)
        shape[self.channel_axis] = self.fields(input_shape)
        return tuple(shape)

    def get_config(self) -> dict:
        return {**super().get_config(), "mode": self.mode}


@keras.saving.register_keras_serializable(package="keras_gcnn")
class GGlobalPooling(GPooling):
    """Pools over all positions and orientations: one invariant number per field.

    Args:
        mode: `"max"` or `"mean"`.
        group: str or `keras_gcnn.groups.Group`.
        keepdims: bool, whether positions stay as axes of size 1.
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
        group: str | groups.Group = "p4",
        *,
        keepdims: bool = False,
        **kwargs,
    ):
        super().__init__(mode, group, **kwargs)
        self.keepdims = keepdims
        self.input_spec = keras.layers.InputSpec(ndim=4)

    @property
    def _spatial_axes(self) -> tuple[int, int]:
        return (1, 2) if self.channel_axis == -1 else (2, 3)

    def call(self, inputs):
        # Positions first: what is left for the split over orientations is small.
        pooled = _REDUCE[self.mode](inputs, axis=self._spatial_axes, keepdims=self.keepdims)
        return super().call(pooled)

    def compute_output_shape(self, input_shape):
        shape = list(super().compute_output_shape(input_shape))
        for axis in self._spatial_axes:
            shape[axis] = 1
        return tuple(shape) if self.keepdims else (shape[0], shape[self.channel_axis])

    def get_config(self) -> dict:
        return {**super().get_config(), "keepdims": self.keepdims}
