"""Scaling of vectors to length one."""

from __future__ import annotations

import keras

from keras_gcnn.backend.ops import widened
from keras_gcnn.distributions.direction import unit_or_zero
from keras_gcnn.layers.latent.base import LatentLayer
from keras_gcnn.types import Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_gcnn")
class UnitDirection(LatentLayer):
    """Scales vectors to length one; a vector of zeros stays zero.

    It computes what `keras.layers.UnitNormalization` does, with a bounded gradient: for a vector of
    zeros, such as the direction of a blank image, the gradient of that layer is NaN or about 1e12;
    here it is zero. It is at most 1000 for every vector, and exact for vectors longer than 1e-3.

    The result rotates with the input. Where rounding alone keeps a vector from being zero, e.g. the
    direction of a symmetric image, the result is a unit vector without a meaning.

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
    >>> directions = UnitDirection()(np.array([[0.0, 5.0], [0.0, 0.0]]))
    >>> [[float(number) for number in vector] for vector in directions]
    [[0.0, 1.0], [0.0, 0.0]]
    """

    def build(self, input_shape: Shape) -> None:
        if input_shape[-1] is None:
            raise ValueError(
                f"{type(self).__name__} {self.name!r} needs an input with a known last axis; it "
                f"received the shape {tuple(input_shape)}. Give keras.Input its size."
            )
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        return keras.ops.cast(unit_or_zero(widened(inputs)), self.compute_dtype)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return tuple(input_shape)
