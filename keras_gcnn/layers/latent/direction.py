"""Vectors scaled to length one."""

from __future__ import annotations

import keras

from keras_gcnn.backend.ops import widened
from keras_gcnn.distributions.direction import unit_or_zero
from keras_gcnn.types import Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_gcnn")
class UnitDirection(keras.layers.Layer):
    """Scales vectors to length one, and leaves a vector of zeros as it is.

    It computes what `keras.layers.UnitNormalization` does. The gradient of that layer is NaN or of
    the order of 1e12 for a vector of zeros, such as the direction of a blank image; here it is zero
    there, and at most 1000 for every vector. It is exact for vectors that are longer than 1e-3.

    The result turns with its input, zero included. For a vector that is not zero by rounding alone,
    e.g. the direction of a symmetric image, it is a unit vector that tells nothing.

    Args:
        **kwargs: arguments of `keras.Layer`, such as `name` and `dtype`.

    Input shape:
        `(batch, ..., m)`.

    Output shape:
        Same as the input.

    Raises:
        ValueError: if the last axis has no known size.

    Example:

    >>> import numpy as np
    >>> from keras_gcnn.layers import UnitDirection
    >>> found = UnitDirection()(np.array([[0.0, 5.0], [0.0, 0.0]]))
    >>> [[float(number) for number in vector] for vector in found]
    [[0.0, 1.0], [0.0, 0.0]]
    """

    def build(self, input_shape: Shape) -> None:
        if input_shape[-1] is None:
            raise ValueError(
                f"{type(self).__name__} {self.name!r} needs to know the last axis of its input; it "
                f"received the shape {tuple(input_shape)}."
            )
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        return keras.ops.cast(unit_or_zero(widened(inputs)), self.compute_dtype)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return tuple(input_shape)
