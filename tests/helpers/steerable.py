"""Fields and their rotation, in NumPy loops written from the formulas.

Nothing here uses `keras_gcnn`. Fields are dicts from frequencies to multiplicities, maps are
channels last, angles are in radians.
"""

import itertools

import numpy as np

from tests.helpers.layers import equivariance_error

FIELDS = {0: 3, 1: 2, 3: 1}  # three blocks: (0, 1, 3), (0, 1) and (0)
QUARTERS = 4


def rho(frequency, angle):
    """`[[cos kt, -sin kt], [sin kt, cos kt]]`, and 1 for frequency 0."""
    if frequency == 0:
        return np.ones((1, 1))
    cos, sin = np.cos(frequency * angle), np.sin(frequency * angle)
    return np.array([[cos, -sin], [sin, cos]])


def layout(fields):
    """Channels by field and frequency: first by field, within a field by frequency."""
    found, at = {}, 0
    for field in range(max(fields.values())):
        for frequency in sorted(fields):
            if field < fields[frequency]:
                end = at + len(rho(frequency, 0))
                found[field, frequency] = slice(at, end)
                at = end
    return found


def channels(fields):
    return max(part.stop for part in layout(fields).values())


def blocks(fields):
    """Neighbouring fields of the same frequencies: their numbers, and the frequencies."""
    of_field = [
        tuple(k for k in sorted(fields) if c < fields[k]) for c in range(max(fields.values()))
    ]
    grouped = itertools.groupby(range(len(of_field)), key=of_field.__getitem__)
    return [(list(members), frequencies) for frequencies, members in grouped]


def turn_fibres(values, fields, angle):
    """Multiplies the last axis by the representation."""
    turned = np.empty_like(values)
    for (_, frequency), part in layout(fields).items():
        turned[..., part] = values[..., part] @ rho(frequency, angle).T
    return turned


def turn(maps, fields, quarters):
    """`(g.f)(x) = rho(g) f(g^-1 x)` for quarter turns."""
    return turn_fibres(np.rot90(maps, quarters, (1, 2)), fields, quarters * np.pi / 2)


def quarter_turn_error(function, maps, fields_in, fields_out):
    """Largest relative difference over the quarter turns of square maps."""
    return equivariance_error(
        function,
        maps,
        QUARTERS,
        lambda array, g: turn(array, fields_in, g),
        lambda array, g: turn(array, fields_out, g),
    )
