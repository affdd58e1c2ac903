"""Activation of steerable fields as functions of the angle."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from keras import ops

from keras_gcnn.backend.constants import constant
from keras_gcnn.backend.ops import on, product
from keras_gcnn.types import Tensor

if on("torch"):
    from keras_gcnn.backend.torch import fourier as torch_fourier


def activate_samples(
    inputs: Tensor,
    to_samples: np.ndarray,
    to_field: np.ndarray,
    activation: Callable[[Tensor], Tensor],
    last: bool,
) -> Tensor:
    """Samples fields at angles, applies an activation, and transforms the samples back to fields.

    That is `to_field activation(to_samples inputs)`.

    Args:
        inputs: of shape `(fields, size)` if `last`, else `(fields, size, positions)`.
        to_samples: of shape `(samples, size)`.
        to_field: of shape `(size, samples)`.
        activation: callable.
        last: bool, which axis the matrices act on.
    """
    if on("torch") and torch_fourier.supports(inputs, to_samples, to_field, activation, last):
        matrices = _like(inputs, to_samples), _like(inputs, to_field)
        return torch_fourier.activate(inputs, *matrices, activation, last)
    if last:
        samples = product(inputs, _like(inputs, to_samples.T))
        return product(activation(samples), _like(inputs, to_field.T))
    samples = product(_like(inputs, to_samples), inputs)
    return product(_like(inputs, to_field), activation(samples))


def _like(tensor: Tensor, matrix: np.ndarray) -> Tensor:
    """The matrix as a tensor of the same dtype and on the same device."""
    return ops.cast(constant(np.ascontiguousarray(matrix)), tensor.dtype)
