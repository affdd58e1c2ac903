"""Derivatives of quantiles by the concentration, against numerical integrals."""

import numpy as np
import pytest
from keras import ops
from scipy import special

from keras_gcnn.distributions.angle_gradient import angle_slope
from keras_gcnn.distributions.angle_sampling import Angle
from keras_gcnn.distributions.bessel import ratio
from tests.helpers.levels import COMPILING, thoroughly


@pytest.mark.parametrize(
    ("dim", "kappa"),
    [
        (3, 6.78),
        *thoroughly((2, 3.0), (2, 1e5), (3, 1e-6), (4, 10.0), (10, 1e3), on=COMPILING),
        *thoroughly((64, 40.0), (100, 76.3), on=COMPILING),
    ],
)
def test_slopes_are_accurate(dim, kappa):
    """Five spreads to both sides, in 400 nodes; in 3 and 100 dimensions where it is worst."""
    mean = special.ive(dim / 2, kappa) / special.ive(dim / 2 - 1, kappa)
    spread = 1 / np.sqrt((dim - 2) / (1 - mean * mean) + kappa * mean)
    angle = np.arccos(mean) + np.linspace(-5, 5, 101) * spread
    angle = angle[(angle > 0.01 * spread) & (angle < np.pi - 0.01 * spread)]
    nodes, weights = np.polynomial.legendre.leggauss(400)
    # The integral over all angles is zero: of the two parts the one on the sample's side is taken.
    start = np.where(np.cos(angle) > mean, 0, np.pi)
    inside = start + (angle - start) * (nodes[:, None] + 1) / 2
    with np.errstate(divide="ignore"):
        density = np.exp(
            (dim - 2) * np.log(np.sin(inside) / np.sin(angle))
            + kappa * (np.cos(inside) - np.cos(angle))
        )
    values = (np.cos(inside) - mean) * density
    expected = -(weights @ values) * (angle - start) / 2

    given = Angle(angle, np.cos(angle), np.sin(angle), 2 * np.sin(angle / 2) ** 2)
    drawn = Angle(*(ops.convert_to_tensor(one, "float64") for one in given))
    concentration = ops.convert_to_tensor(np.full_like(angle, kappa), "float64")
    found = ratio(concentration, dim, derivatives=0, divergence=False)
    slope = angle_slope(drawn, concentration, dim, found)
    np.testing.assert_allclose(ops.convert_to_numpy(slope), expected, rtol=3e-5)
