"""The von Mises-Fisher distribution from its definition, in forty digits."""

from functools import cache

import mpmath
import numpy as np


def bessel_ratio(kappa, dim):
    """I_(m/2) / I_(m/2-1)."""
    half = mpmath.mpf(dim) / 2
    return mpmath.besseli(half, kappa) / mpmath.besseli(half - 1, kappa)


def log_normalizer(kappa, dim):
    """log of the mean of exp(kappa mu.z) over the sphere, `log 0F1(; m/2; kappa^2/4)`."""
    half = mpmath.mpf(dim) / 2
    bessel = mpmath.besseli(half - 1, kappa)
    return mpmath.log(mpmath.gamma(half)) + (half - 1) * mpmath.log(2 / kappa) + mpmath.log(bessel)


@cache
def reference(kappa, dim):
    """Mean cosine, its derivative by kappa (its variance), and divergence from uniform."""
    with mpmath.workdps(40):
        kappa = mpmath.mpf(kappa)
        mean = bessel_ratio(kappa, dim)
        slope = 1 - mean**2 - (dim - 1) * mean / kappa
        divergence = kappa * mean - log_normalizer(kappa, dim)
        return tuple(map(float, (mean, slope, divergence)))


def references(kappas, dim):
    """Arrays of the three."""
    return (np.array(one) for one in zip(*(reference(float(k), dim) for k in kappas), strict=True))


def curvatures(kappas, dim):
    """Second derivatives of the mean cosine by kappa."""
    with mpmath.workdps(40):
        values = [mpmath.diff(lambda k: bessel_ratio(k, dim), float(k), 2) for k in kappas]
        return np.array([float(value) for value in values])
