"""The angular part of steerable kernels.

Kernels from an irrep m to an irrep n that commute with the elements of a group satisfy
`K(g x) = rho_n(g) K(x) rho_m(g)^-1`. In polar coordinates the solutions are products of any
function of the radius with one of the angular parts `C cos(nu phi) + S sin(nu phi)` listed here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from keras_gcnn.groups.point_group import MIRROR, Irrep, PointGroup, part_of

_QUARTER_TURN = np.array([[0.0, -1.0], [1.0, 0.0]])


@dataclass(frozen=True)
class AngularPart:
    """One solution, `cosine cos(nu phi) + sine sin(nu phi)`.

    Attributes:
        frequency: nu, from 0: the circular frequency, which decides about the radial profiles.
        cosine: matrix of shape `(d_out, d_in)`.
        sine: the same for the sine.
    """

    frequency: int
    cosine: np.ndarray
    sine: np.ndarray

    def __call__(self, angles: np.ndarray) -> np.ndarray:
        """Evaluates the solution, with shape `(d_out, d_in, *angles.shape)`."""
        waves = (np.cos(self.frequency * angles), np.sin(self.frequency * angles))
        parts = zip((self.cosine, self.sine), waves, strict=True)
        return sum(np.multiply.outer(matrix, wave) for matrix, wave in parts)


def angular_parts(
    group: PointGroup, irrep_in: Irrep, irrep_out: Irrep, highest: int
) -> list[AngularPart]:
    """Returns the solutions of the kernel constraint up to a circular frequency.

    With the rotation `R`, `F = diag(1, -1)`, and E the channels of the pair (cos, sin) that an
    irrep consists of, these are `E_n^T R(nu phi + s) E_m` for every `nu = n - m (mod N)` and,
    between pairs, `E_n^T R(nu phi + s) F E_m` for every `nu = n + m (mod N)`. Here s is 0 or,
    without mirrors, also `pi / 2`. SO(2) and O(2) have equality in place of the modulus.

    Args:
        group: `PointGroup`.
        irrep_in: `Irrep` m of the input.
        irrep_out: `Irrep` n of the output.
        highest: int, the highest circular frequency.

    References:
        Weiler & Cesa 2019, "General E(2)-Equivariant Steerable CNNs", tables 8 to 13.
    """
    m, n = irrep_in.frequency, irrep_out.frequency
    part_in, part_out = part_of(group, irrep_in), part_of(group, irrep_out)
    both_single = len(part_in) == len(part_out) == 1
    cases = [(n - m, np.eye(2))]
    if len(part_in) == len(part_out) == 2:
        cases.append((n + m, MIRROR))
    parts = []
    for first, flip in cases:
        for nu in _frequencies(group, first, highest):
            if both_single and nu < 0:  # the same functions as those of -nu
                continue
            for quarters in (0,) if group.mirrors else (0, 1):  # s, in quarter turns
                turn = np.linalg.matrix_power(_QUARTER_TURN, quarters) @ flip
                cosine = part_out @ turn @ part_in.T
                sine = np.sign(nu) * (part_out @ _QUARTER_TURN @ turn @ part_in.T)
                if cosine.any() or sine.any():
                    parts.append(AngularPart(abs(nu), cosine, sine))
    return parts


def _frequencies(group: PointGroup, first: int, highest: int) -> list[int]:
    """Returns all integers, up to a size, that equal the first one modulo N, smallest first."""
    if group.turns is None:
        return [first] if abs(first) <= highest else []
    numbers = range(-highest + (first + highest) % group.turns, highest + 1, group.turns)
    return sorted(numbers, key=lambda nu: (abs(nu), nu < 0))
