"""A check of sizes for networks of open size whose way down and way up have to fit."""

from __future__ import annotations

from typing import Any

import keras

from keras_gcnn.arguments import check_count
from keras_gcnn.backend.sizes import check_multiples
from keras_gcnn.layers.common.base import MapLayer
from keras_gcnn.layers.common.size_dependent import map_sizes
from keras_gcnn.types import Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_gcnn")
class MultipleSizes(MapLayer):
    """Returns its input, whose rows and columns have to be multiples of a number.

    A network that halves maps and doubles them again fails on other sizes only where it
    concatenates both, with an error that names neither the image nor the sizes that fit.

    Args:
        multiple: int.
        **kwargs: arguments of `keras.Layer`, and `data_format`.

    Raises:
        ValueError: if rows or columns are known and no multiple. Where TensorFlow traces a graph
            for any size, the graph raises its own error when it runs.
    """

    def __init__(self, multiple: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.multiple = check_count("multiple", multiple)
        self.input_spec = keras.layers.InputSpec(ndim=4)

    @property
    def _message(self) -> str:
        return (
            "A network of open size takes images whose rows and columns are multiples of "
            f"{self.multiple}. For others build it with their size as input_shape, which pads "
            "inside, and give it these weights."
        )

    def _check(self, input_shape: Shape) -> None:
        sizes = map_sizes(input_shape, self.channel_axis)
        if any(size % self.multiple for size in sizes if size is not None):
            raise ValueError(f"{self._message} The shape is {tuple(input_shape)}.")

    def call(self, inputs: Tensor) -> Tensor:
        self._check(inputs.shape)
        rows = 1 if self.data_format == "channels_last" else 2
        return check_multiples(inputs, rows, self.multiple, self._message)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        self._check(input_shape)
        return tuple(input_shape)

    def get_config(self) -> dict:
        return {**super().get_config(), "multiple": self.multiple}
