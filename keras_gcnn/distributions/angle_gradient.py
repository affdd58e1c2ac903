"""How a sample moves with the concentration when its quantile is held fixed.

On PyTorch, Keras computes minimum, maximum and arctan2 of float64 in float32, so this module uses
clip and where instead.
"""

from __future__ import annotations

import numpy as np
from keras import ops

from keras_gcnn.backend.constants import constant
from keras_gcnn.distributions.angle_sampling import Angle
from keras_gcnn.distributions.bessel import Ratio
from keras_gcnn.types import Tensor

# The rule of Gauss and Legendre for the interval from 0 to 1.
_NODES, _WEIGHTS = ((np.polynomial.legendre.leggauss(11) + np.array([[1], [0]])) / 2).copy()
_REACH = 6.9  # spreads of the angle beyond which the density adds nothing
_MOST_MULTIPLIED = 64  # dimensions up to which no power leaves the range of float32
_SMALLEST = 1e-30  # instead of a sine of zero, at the pole
_LEAST_STRETCH = -0.9999999  # keeps rounding from taking the logarithm of zero


def angle_slope(angle: Angle, kappa: Tensor, dim: int, ratio: Ratio) -> Tensor:
    """Derivative of the angle to the mean direction by the concentration, at fixed quantile.

    With t the angle, F its distribution and f its density, `dt/dk = -(dF/dk) / f`. The integral
    over the angles p from 0 to t is `(cos p - A) (sin p / sin t)^(m-2) exp(k (cos p - cos t))`, and
    the integral from t to pi is its negative. The rule of Gauss and Legendre computes the one of
    the two that does not cancel.

    Args:
        angle: of a sample, t.
        kappa: concentration, of the same shape, k.
        dim: int, m.
        ratio: of `kappa`, with the mean A.

    Returns:
        Tensor of the shape of the angle, with a relative error of at most 3e-5 besides rounding,
        which in float32 adds 4e-4 where the density is nearly flat (m = 2, kappa = 0.1).

    References:
        Figurnov, Mohamed & Mnih 2018, "Implicit Reparameterization Gradients", equation 7.
    """
    near = angle.complement < ratio.complement  # cos t > A: integrate from 0, else to pi
    spread = ops.sqrt((dim - 2) / (ratio.complement * (1 + ratio.mean)) + kappa * ratio.mean)
    whole, reach = ops.where(near, angle.angle, np.pi - angle.angle), _REACH / spread
    length = ops.where(whole < reach, whole, reach)
    away = 4 * ops.cast(near, length.dtype) - 2  # 2 or -2
    # With p = t + 2 h. A sine costs more than everything else. 1 - sin^2 h is far from zero, since
    # 2 h is at most the way to a pole, or the reach.
    sine_of_step = ops.sin(length * _constant(_NODES / 2, length))  # |sin h|
    square = ops.square(sine_of_step)
    both = sine_of_step * ops.sqrt(1 - square)  # |sin h cos h|
    cotangent = angle.cosine / (angle.sine + _SMALLEST)
    difference = both * (away * angle.sine) - square * (2 * angle.cosine)  # cos p - cos t
    stretch = both * (-away * cotangent) - 2 * square  # sin p / sin t - 1
    if dim <= _MOST_MULTIPLIED:
        density = _power(ops.relu(1 + stretch), dim - 2) * ops.exp(kappa * difference)
    else:
        logarithm = ops.log1p(ops.clip(stretch, _LEAST_STRETCH, np.inf))
        density = ops.exp(kappa * difference + (dim - 2) * logarithm)
    excess = ratio.complement - angle.complement  # cos t - A
    values = (difference + excess) * density * _constant(_WEIGHTS, length)
    return ops.sum(values, axis=0) * (-length * away / 2)


def _power(base: Tensor, exponent: int) -> Tensor:
    """An integer power from 0 as products, which together take less time than a logarithm."""
    if exponent < 2:
        return base if exponent else ops.ones_like(base)
    even = _power(base * base, exponent // 2)
    return even * base if exponent % 2 else even


def _constant(numbers: np.ndarray, like: Tensor) -> Tensor:
    """Numbers along a new first axis of a tensor."""
    numbers = numbers.reshape(-1, *(1 for _ in like.shape))
    return ops.cast(constant(numbers), like.dtype)
