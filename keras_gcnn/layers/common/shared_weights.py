"""Base of the normalisations whose scale and offset several channels share."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
from keras import ops

from keras_gcnn.arguments import is_integer
from keras_gcnn.layers.common.base import ReadsMaps
from keras_gcnn.types import Shape, Tensor


def default_axis(axis: int | None) -> int:
    """Returns the axis of the channels, that of Keras's configuration for None.

    Raises:
        ValueError: if it is no integer.
    """
    if axis is None:
        return -1 if keras.config.image_data_format() == "channels_last" else 1
    if not is_integer(axis):
        raise ValueError(f"axis={axis!r} has to be -1, or 1 for channels first.")
    return int(axis)


class SharesWeights(ReadsMaps):
    """Base of the layers whose scale and offset are numbers that several channels share.

    A subclass has the arguments of Keras's normalisations, returns the numbers of offsets and of
    scales in `_sizes`, and expands shared offsets and scales to the channels in `_means_of` and
    `_scales_of`.
    """

    axis: int
    center: bool
    scale: bool
    gamma: keras.Variable | None
    beta: keras.Variable | None

    @property
    def channel_axis(self) -> int:
        """The axis of the channels."""
        return self.axis

    def _sizes(self, input_shape: Shape) -> tuple[int, int]:
        """Returns the number of means, or offsets, and of scales; raises for other channels."""
        raise NotImplementedError

    def _means_of(self, values: Tensor) -> Tensor:
        raise NotImplementedError

    def _scales_of(self, values: Tensor) -> Tensor:
        raise NotImplementedError

    def build(self, input_shape: Shape) -> None:
        rank = len(input_shape)
        known = -rank <= self.axis < rank
        if known and self.axis not in (-1, 1):  # such as 3 for maps; no other layer knows it so
            self.axis = -1 if self.axis % rank == rank - 1 else self.axis % rank
        if not known or self.axis not in (-1, 1):
            raise ValueError(
                f"{type(self).__name__} {self.name!r} normalizes axis={self.axis}; the input has "
                f"shape {tuple(input_shape)}. Use axis=-1, or axis=1 for channels first."
            )
        means, scales = self._sizes(input_shape)
        self.gamma = self._add_shared("gamma", scales, self.scale)
        self.beta = self._add_shared("beta", means, self.center)
        self.input_spec = keras.layers.InputSpec(
            ndim=rank, axes={self.axis: input_shape[self.axis]}
        )
        self.built = True

    def _add_shared(
        self, name: str, size: int, wanted: bool = True, trainable: bool = True
    ) -> keras.Variable | None:
        if not wanted or not size:
            return None
        settings = {}
        if trainable:
            for setting in ("regularizer", "constraint"):
                settings[setting] = getattr(self, f"{name}_{setting}")
        return self.add_weight(
            name=name,
            shape=(size,),
            initializer=getattr(self, f"{name}_initializer"),
            trainable=trainable,
            autocast=False,  # half precision would round them before they are used
            **settings,
        )

    def _layouts(self) -> dict[str, Callable[[Tensor], Tensor]]:
        """Returns the functions that expand shared weights to the channels, by their names."""
        return {"gamma": self._scales_of, "beta": self._means_of}

    def expanded_weights(self) -> dict[str, np.ndarray]:
        """Returns the weights as arrays of one number per channel, by their names.

        Raises:
            ValueError: if the layer is not built.
        """
        if not self.built:
            raise ValueError(
                f"{type(self).__name__} {self.name!r} has no weights yet. Call it on an input "
                "first, or build(input_shape)."
            )
        variables = {name: getattr(self, name) for name in self._layouts()}
        return {
            name: ops.convert_to_numpy(self._layouts()[name](ops.convert_to_tensor(variable)))
            for name, variable in variables.items()
            if variable is not None
        }

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        self._sizes(input_shape)  # raises for other channels
        return tuple(input_shape)
