"""How a sample moves with the concentration when its quantile is held fixed.

Keras computes minimum, maximum and arctan2 of float64 in float32 on PyTorch; hence clip and where.
"""

from __future__ import annotations

import numpy as np
from keras import ops

from keras_gcnn.distributions.bessel import Ratio, one_minus_mean

# The rule of Gauss and Legendre for the interval from 0 to 1.
_NODES, _WEIGHTS = ((np.polynomial.legendre.leggauss(12) + np.array([[1], [0]])) / 2).copy()
_REACH = 6.25  # spreads of the angle beyond which the density adds nothing
_MOST_MULTIPLIED = 64  # dimensions up to which no power leaves the range of float32
_SMALLEST = 1e-30  # instead of a sine of zero, at the pole
_LEAST_STRETCH = -0.9999999  # keeps rounding from taking the logarithm of zero


def angle_slope(cosine, sine, rest, kappa, dim: int, ratio: Ratio):
    """Derivative of the angle to the mean direction by the concentration, at fixed quantile.

    With t the angle, F its distribution and f its density, `dt/dk = -(dF/dk) / f`. The integral
    over the angles p from 0 to t is `(cos p - A) (sin p / sin t)^(m-2) exp(k (cos p - cos t))`, and
    the one from t to pi is its negative; of the two the one that does not cancel is taken, by the
    rule of Gauss and Legendre.

    Args:
        cosine: of the angle.
        sine: likewise.
        rest: 1 - cosine, without the cancellation.
        kappa: concentration, of the same shape.
        dim: int, m.
        ratio: of `kappa`.

    Returns:
        Tensor of the shape of `cosine`, with a relative error of 3e-5 at most beside rounding, of
        which float32 has 4e-4 where the density is nearly flat (m = 2, kappa = 0.1).

    References:
        Figurnov, Mohamed & Mnih 2018, "Implicit Reparameterization Gradients", equation 7.
    """
    angle = 2 * ops.arctan(ops.sqrt(rest / (2 - rest)))
    near = cosine > ratio.mean
    rest_of_mean = one_minus_mean(ratio, kappa)
    spread = ops.sqrt((dim - 2) / (rest_of_mean * (1 + ratio.mean)) + kappa * ratio.mean)
    whole, reach = ops.where(near, angle, np.pi - angle), _REACH / spread
    length = ops.where(whole < reach, whole, reach)
    excess = rest_of_mean - rest  # cosine - A
    cotangent = cosine / ops.clip(sine, _SMALLEST, 1.0)
    # With p = t + 2 h. A sine costs more than all else; 1 - sin^2 h is far from zero, since half of
    # the way to a pole is, or the reach.
    sine_of_step = ops.sin(ops.where(near, -length, length) * _constant(_NODES / 2, cosine))
    cosine_of_step = ops.sqrt(1 - ops.square(sine_of_step))
    chord = 2 * sine_of_step
    drop = -chord * (sine_of_step * cosine + cosine_of_step * sine)  # cos p - cos t
    stretch = chord * (cosine_of_step * cotangent - sine_of_step)  # sin p / sin t - 1
    if dim <= _MOST_MULTIPLIED:
        density = _power(1 + ops.clip(stretch, -1.0, np.inf), dim - 2) * ops.exp(kappa * drop)
    else:
        logarithm = ops.log1p(ops.clip(stretch, _LEAST_STRETCH, np.inf))
        density = ops.exp(kappa * drop + (dim - 2) * logarithm)
    values = (drop + excess) * density * _constant(_WEIGHTS, cosine)
    total = ops.sum(values, axis=0) * length
    return ops.where(near, -total, total)


def _power(base, exponent: int):
    """An integral power, from 0, as products: a logarithm takes longer than all of them."""
    if exponent < 2:
        return base if exponent else ops.ones_like(base)
    even = _power(base * base, exponent // 2)
    return even * base if exponent % 2 else even


def _constant(numbers: np.ndarray, like):
    """Numbers along a new first axis of a tensor."""
    numbers = numbers.reshape(-1, *(1 for _ in like.shape))
    return ops.convert_to_tensor(numbers, like.dtype)
