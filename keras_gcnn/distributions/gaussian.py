"""The normal distribution with independent coordinates: latent variables without a sphere.

Means and logarithms of the variances have the shape `(..., m)`; the leading axes broadcast. Half
precision is computed in float32.
"""

from __future__ import annotations

import math

from keras import ops

from keras_gcnn.arguments import as_shape
from keras_gcnn.backend import random
from keras_gcnn.distributions.dtypes import computed, result_type
from keras_gcnn.types import Seed, Tensor


def sample(
    mean: Tensor, log_variance: Tensor, seed: Seed = None, shape: int | tuple[int, ...] = ()
) -> Tensor:
    """Draws vectors, with gradients into the mean and the variance.

    Args:
        mean: of shape `(..., m)`.
        log_variance: of shape `(..., m)`.
        seed: int, `keras.random.SeedGenerator`, or None for Keras's global one.
        shape: int or tuple of ints, of the samples for each pair of mean and variance.

    Returns:
        Tensor of shape `(*shape, ..., m)`.

    Example:

    >>> import numpy as np
    >>> from keras_gcnn.distributions import gaussian
    >>> tuple(gaussian.sample(np.zeros((2, 3)), np.zeros((2, 3)), seed=0, shape=(5,)).shape)
    (5, 2, 3)

    References:
        Kingma & Welling 2014, "Auto-Encoding Variational Bayes", section 2.4.
    """
    (mean, log_variance), result = _as_tensors(mean, log_variance)
    noise = random.normal((*as_shape(shape), *ops.shape(mean + log_variance)), mean.dtype, seed)
    return ops.cast(mean + ops.exp(log_variance / 2) * noise, result)


def log_prob(z: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """Logarithm of the density.

    Args:
        z: of shape `(..., m)`.
        mean: of shape `(..., m)`.
        log_variance: of shape `(..., m)`.

    Returns:
        Tensor of shape `(...)`.
    """
    (z, mean, log_variance), result = _as_tensors(z, mean, log_variance)
    deviation = ops.square(z - mean) * ops.exp(-log_variance)
    density = -ops.sum(deviation + log_variance + math.log(2 * math.pi), -1) / 2
    return ops.cast(density, result)


def kl_to_standard(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Kullback-Leibler divergence from the standard normal distribution.

    Args:
        mean: of shape `(..., m)`.
        log_variance: of shape `(..., m)`.

    Returns:
        Tensor of shape `(...)`, from 0, in nats.

    References:
        Kingma & Welling 2014, appendix B.
    """
    (mean, log_variance), result = _as_tensors(mean, log_variance)
    spread = ops.expm1(log_variance) - log_variance
    return ops.cast(ops.sum(spread + ops.square(mean), -1) / 2, result)


def _as_tensors(*arrays: Tensor) -> tuple[list[Tensor], str]:
    """Tensors in one float dtype, and the dtype of the result."""
    tensors = [ops.convert_to_tensor(array) for array in arrays]
    result = result_type(*tensors)
    return [ops.cast(tensor, computed(result)) for tensor in tensors], result
