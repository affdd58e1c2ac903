"""Ratios of Bessel functions of neighbouring order, and what follows from them.

No backend has Bessel functions of general order. Debye's expansion is exact to rounding at a high
enough order; from there the recurrence goes down, and errors shrink on the way.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_gcnn.backend.constants import constant
from keras_gcnn.distributions import debye
from keras_gcnn.types import Tensor


@dataclass(frozen=True)
class _Accuracy:
    """How far Debye's expansion is used.

    Attributes:
        order: lowest order at which it is exact enough.
        terms: number of terms of the expansion.
        steps: steps of the recurrence that are taken at any order; each one reduces the error.
    """

    order: int
    terms: int
    steps: int


_ACCURACY = {"float32": _Accuracy(10, 3, 2), "float64": _Accuracy(24, 8, 8)}


@dataclass(frozen=True)
class Ratio:
    """Functions of a concentration k, on the sphere in m dimensions.

    Attributes:
        mean: A = I_(m/2)(k) / I_(m/2-1)(k), the mean of the cosine to the mean direction.
        complement: 1 - A, without the cancellation.
        slope: A' = dA/dk, the variance of that cosine.
        curvature: A'', the derivative of the slope.
        divergence: D = k A - log 0F1(; m/2; k^2/4), from the uniform distribution.

    Slope, curvature and divergence are None if they were not requested.
    """

    mean: Tensor
    complement: Tensor
    slope: Tensor | None
    curvature: Tensor | None
    divergence: Tensor | None


def ratio(kappa: Tensor, dim: int, *, derivatives: int = 2, divergence: bool = True) -> Ratio:
    """Computes mean, variance and divergence of a concentration, without gradients.

    Args:
        kappa: float32 or float64 tensor of any shape, from 0.
        dim: int from 2, m.
        derivatives: of the mean, 0 for none, 1 for the slope, 2 for the curvature too; a backend
            without graphs would compute them in vain.
        divergence: whether to compute the divergence.

    Returns:
        `Ratio`; relative errors in float32 are at most 1e-6 (mean), 1e-5 (divergence) and 1e-4
        (slope and curvature), in float64 at most 1e-12, checked for m from 2 to 128 and k from 1e-4
        to 1e5.

    References:
        Abramowitz & Stegun 1964, 9.3.7 and 9.6.26; DLMF 10.41(ii).
    """
    kappa = ops.stop_gradient(kappa)
    accuracy = _ACCURACY[keras.backend.standardize_dtype(kappa.dtype)]
    lowest = dim / 2 - 1
    steps = max(0, math.ceil(accuracy.order - lowest)) + accuracy.steps
    start = _debye(kappa, lowest + steps, accuracy.terms, derivatives, divergence)
    mean, complement = start.mean, start.complement  # A_v, 1 - A_v
    variance, curvature = start.slope, start.curvature  # A'_v, A''_v
    excess = start.divergence  # D_v
    for step in range(steps):
        # From A_v to A_(v-1) = k / (2 v + k A_v), since I_(v-1) = I_(v+1) + 2 (v / k) I_v.
        twice = 2 * (lowest + steps - step)  # 2 v
        numerator = twice - kappa * complement  # 2 v - k (1 - A_v)
        denominator = numerator + kappa  # 2 v + k A_v
        lower = kappa / denominator  # A_(v-1)
        if divergence:
            # k A_(v-1) - k A_v
            change = lower * (kappa * complement * (1 + mean) - twice * mean)
            excess = excess + change - ops.log1p(kappa * mean / twice)
        if derivatives:
            square, before = denominator * denominator, variance
            variance = (twice - kappa * kappa * before) / square
        if derivatives > 1:
            fall = (kappa * before * 2 + kappa * kappa * curvature) / square
            curvature = -fall - (mean + kappa * before) * variance * 2 / denominator
        mean, complement = lower, numerator / denominator
    mean = ops.clip(mean, 0.0, 1.0)  # rounding may exceed 1
    return Ratio(mean, complement, variance, curvature, excess)


def _debye(kappa: Tensor, order: float, terms: int, derivatives: int, divergence: bool) -> Ratio:
    """The same functions at a high order v.

    With `s = sqrt(v^2 + k^2)`, `p = v / s`, `q = k / s` and the polynomials U, V and W of
    `debye.table`, `A = k / (s + v) - q V / U` and `U(p) / U(1) = 1 - (1 - p) W(p)`.
    """
    root = ops.sqrt(order * order + kappa * kappa)  # s
    p = order / root
    q = kappa / root  # q^2 = 1 - p^2
    table = debye.table(order, terms, derivatives, divergence)
    series, numerator, *others = _polynomials(table, p)  # U, V
    fraction = numerator / series  # V / U
    correction = q * fraction
    mean = kappa / (root + order) - correction
    complement = 2 * order / (kappa + order + root) + correction

    variance = curvature = excess = None
    if derivatives:
        of_series, of_numerator, *others = others  # U', V'
        of_fraction = (of_numerator - fraction * of_series) / series  # (V / U)'
        of_correction = p * p * fraction - p * q * q * of_fraction  # s d(q V / U)/dk
        variance = p / (root + order) - of_correction / root
    if derivatives > 1:
        bend_of_series, bend_of_numerator, *others = others  # U'', V''
        bend = bend_of_numerator - 2 * of_fraction * of_series - fraction * bend_of_series
        bend = bend / series  # (V / U)''
        # Derivative of `of_correction` by p, where dp/dk = -p q / s.
        change = p * (2 * fraction - q * q * bend) + (4 * p * p - 1) * of_fraction
        outer = root + order
        curvature = of_correction + p * change - p * (1 + root / outer) * (root / outer)
        curvature = curvature * q / (root * root)
    if divergence:
        further = kappa * q / (1 + p)  # s - v
        decrease = others[0] * q * q / (1 + p)  # (1 - p) W = 1 - U(p) / U(1)
        excess = (
            order * ops.log1p(further / (2 * order))
            + ops.log1p(further / order) / 2
            - ops.log1p(-decrease)
            - kappa * correction
        )
    return Ratio(mean, complement, variance, curvature, excess)


def _polynomials(table: np.ndarray, p: Tensor) -> list[Any]:
    """Values at p of the polynomials of `debye.table`, all at once by Horner's rule."""
    rows = ops.cast(constant(table), p.dtype)
    rows = ops.reshape(rows, (*table.shape, *(1 for _ in p.shape)))
    first, *others = ops.unstack(rows, table.shape[0], axis=0)
    values = first + ops.zeros_like(p)
    for coefficients in others:
        values = values * p + coefficients
    return ops.unstack(values, table.shape[1], axis=0)
