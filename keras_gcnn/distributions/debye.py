"""The polynomials of Debye's expansion of the modified Bessel functions, by NumPy."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.polynomial import Polynomial

from keras_gcnn.backend.constants import outside_graphs


@cache
def polynomials(terms: int) -> tuple[Polynomial, ...]:
    """u_0 to u_terms: `I_v(v z) ~ exp(v eta) / sqrt(2 pi v) p^(1/2) sum u_k(p) / v^k`.

    Source: Abramowitz & Stegun 1964, 9.3.9 and 9.3.10.
    """
    t = Polynomial([0.0, 1.0])
    found = [Polynomial([1.0])]
    for _ in range(terms):
        last = found[-1]
        integral = ((1 - 5 * t**2) * last).integ()
        found.append(t**2 * (1 - t**2) * last.deriv() / 2 + integral / 8)
    return tuple(found)


@cache
def numerators(terms: int) -> tuple[Polynomial, ...]:
    """d_1 to d_terms, with which `I_(v+1) / I_v = k / (s + v) - (k / s) sum d_j(p) / v^j / U`.

    They are the derivative of the logarithm of the expansion: `d_j = p (u_(j-1) / 2 + p u'_(j-1))`.
    """
    t = Polynomial([0.0, 1.0])
    return tuple(t * (one / 2 + t * one.deriv()) for one in polynomials(terms)[:-1])


@cache
def differences(terms: int) -> tuple[Polynomial, ...]:
    """w_1 to w_terms with `u_k(1) - u_k(p) = (1 - p) w_k(p)`, so that nothing cancels at p = 1."""
    t = Polynomial([0.0, 1.0])
    return tuple((one(1.0) - one) // (1 - t) for one in polynomials(terms)[1:])


@outside_graphs
def table(order: float, terms: int, slope: bool, divergence: bool) -> np.ndarray:
    """Weights of the polynomials that the expansion at an order consists of.

    Args:
        order: float, v.
        terms: int, the highest power of 1/v.
        slope: bool, whether to add the derivatives of the first two.
        divergence: bool, whether to add the last one.

    Returns:
        Array of shape `(powers, polynomials)`, highest power first: the sum of u_k / v^k, that of
        d_k / v^k, their derivatives, and the sum of w_k / v^k over the first one's value at 1.
    """
    powers = order ** -np.arange(terms + 1.0)
    series = powers @ coefficients(polynomials(terms))
    bottom = powers[1:] @ coefficients(numerators(terms))
    found = [series, bottom]
    if slope:
        found += [np.polyder(series), np.polyder(bottom)]
    if divergence:
        found.append(powers[1:] @ coefficients(differences(terms)) / series.sum())
    size = max(map(len, found))
    return np.stack([np.pad(one, (size - len(one), 0)) for one in found], axis=1)


def coefficients(parts: tuple[Polynomial, ...]) -> np.ndarray:
    """Coefficients, highest power first, of shape (parts, powers)."""
    size = max(len(one.coef) for one in parts)
    return np.stack([np.pad(one.coef, (0, size - len(one.coef)))[::-1] for one in parts])
