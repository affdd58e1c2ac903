"""The polynomials of Debye's expansion of the modified Bessel functions, by NumPy."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.polynomial import Polynomial

from keras_gcnn.backend.constants import outside_graphs


@cache
def polynomials(terms: int) -> tuple[Polynomial, ...]:
    """u_0 to u_terms: `I_v(v z) ~ exp(v eta) / sqrt(2 pi v) p^(1/2) sum u_j(p) / v^j`.

    Source: Abramowitz & Stegun 1964, 9.3.9 and 9.3.10.
    """
    t = Polynomial([0.0, 1.0])
    series = [Polynomial([1.0])]
    for _ in range(terms):
        last = series[-1]
        integral = ((1 - 5 * t**2) * last).integ()
        series.append(t**2 * (1 - t**2) * last.deriv() / 2 + integral / 8)
    return tuple(series)


@cache
def numerators(terms: int) -> tuple[Polynomial, ...]:
    """d_1 to d_terms: `I_(v+1) / I_v = k / (s + v) - (k / s) V / U`.

    There `U = sum u_j(p) / v^j`, `V = sum d_j(p) / v^j` and `s = sqrt(v^2 + k^2)`. V comes from the
    derivative of the logarithm of the expansion: `d_j = p (u_(j-1) / 2 + p u'_(j-1))`.
    """
    t = Polynomial([0.0, 1.0])
    return tuple(t * (u / 2 + t * u.deriv()) for u in polynomials(terms)[:-1])


@cache
def differences(terms: int) -> tuple[Polynomial, ...]:
    """w_1 to w_terms with `u_j(1) - u_j(p) = (1 - p) w_j(p)`, so that nothing cancels at p = 1."""
    t = Polynomial([0.0, 1.0])
    return tuple((u(1.0) - u) // (1 - t) for u in polynomials(terms)[1:])


@outside_graphs
def table(order: float, terms: int, derivatives: int, divergence: bool) -> np.ndarray:
    """Coefficients of the polynomials in p that make up the expansion at an order.

    Args:
        order: float, v.
        terms: int, the highest power of 1/v.
        derivatives: int, how many derivatives of U and V to add, U' and V' first.
        divergence: bool, whether to add W.

    Returns:
        Array of shape `(powers, polynomials)`, highest power first: `U = sum u_j / v^j`,
        `V = sum d_j / v^j`, U', V', U'', V'' and `W = sum w_j / v^j / U(1)`.
    """
    powers = order ** -np.arange(terms + 1.0)
    series = powers @ coefficients(polynomials(terms))
    numerator = powers[1:] @ coefficients(numerators(terms))
    columns = [np.polyder(each, m) for m in range(derivatives + 1) for each in (series, numerator)]
    if divergence:
        columns.append(powers[1:] @ coefficients(differences(terms)) / series.sum())
    size = max(map(len, columns))
    return np.stack([np.pad(column, (size - len(column), 0)) for column in columns], axis=1)


def coefficients(parts: tuple[Polynomial, ...]) -> np.ndarray:
    """Coefficients of polynomials, highest power first, of shape `(parts, powers)`."""
    size = max(len(part.coef) for part in parts)
    return np.stack([np.pad(part.coef, (0, size - len(part.coef)))[::-1] for part in parts])
