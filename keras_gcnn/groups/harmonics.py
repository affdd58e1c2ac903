"""Rotations of the plane: representations, and the angular part of steerable kernels.

Kernels from frequency m to frequency n that commute with rotations satisfy
`K(R_t x) = rho_n(t) K(x) rho_m(t)^-1`. In polar coordinates the solutions are products of any
function of the radius with one of finitely many angular parts.
"""

from __future__ import annotations

import numpy as np


def dimension(frequency: int) -> int:
    """Returns the number of channels of a frequency: 1 for frequency 0, else 2."""
    return 1 if frequency == 0 else 2


def representation(frequency: int, angle: float) -> np.ndarray:
    """Returns `rho_k(t)`: the identity for frequency 0, else the rotation by k t."""
    if frequency == 0:
        return np.eye(1)
    cos, sin = np.cos(frequency * angle), np.sin(frequency * angle)
    return np.array([[cos, -sin], [sin, cos]])


def circular_frequencies(frequency_in: int, frequency_out: int) -> tuple[int, ...]:
    """Returns the circular frequency of every solution, in the order of `angular_part`."""
    m, n = frequency_in, frequency_out
    if m == n == 0:
        return (0,)
    if m == 0 or n == 0:
        return (m + n,) * 2
    return (abs(n - m),) * 2 + (m + n,) * 2


def angular_part(frequency_in: int, frequency_out: int, angles: np.ndarray) -> np.ndarray:
    """Returns the angular solutions of the kernel constraint.

    With the rotation `R`, `F = diag(1, -1)` and s in {0, pi/2} these are: the constant from 0 to 0;
    from 0 to n the first column of `R(n phi + s)`; from m to 0 the first row of `R(-m phi + s)`;
    else `R((n - m) phi + s)` and `R((n + m) phi + s) F`.

    Args:
        frequency_in: int, m.
        frequency_out: int, n.
        angles: polar angles phi, in radians, of any shape.

    Returns:
        float64 array of shape `(solutions, d_out, d_in, *angles.shape)`, where d is 1 for frequency
        0 and 2 for the others.

    References:
        Weiler & Cesa 2019, "General E(2)-Equivariant Steerable CNNs", table 8.
    """
    m, n = frequency_in, frequency_out
    shifts = (0.0, np.pi / 2)
    if m == n == 0:
        return np.ones((1, 1, 1, *np.shape(angles)))
    if m == 0:
        return np.stack([_rotation(n * angles + s)[:, :1] for s in shifts])
    if n == 0:
        return np.stack([_rotation(-m * angles + s)[:1] for s in shifts])
    flip = np.array([1.0, -1.0]).reshape(1, 2, *[1] * np.ndim(angles))
    return np.stack(
        [
            *(_rotation((n - m) * angles + s) for s in shifts),
            *(_rotation((n + m) * angles + s) * flip for s in shifts),
        ]
    )


def _rotation(angles: np.ndarray) -> np.ndarray:
    cos, sin = np.cos(angles), np.sin(angles)
    return np.stack([np.stack([cos, -sin]), np.stack([sin, cos])])
