"""How the components of a vector in the image change when the image is rotated or mirrored."""

from __future__ import annotations

import numpy as np

from keras_gcnn.groups.group import Group

# The directions in which a component can count, as (row, column).
DIRECTIONS = {"right": (0, 1), "left": (0, -1), "up": (-1, 0), "down": (1, 0)}
COMPONENTS = ("right", "up")  # x and y, as of `keras_gcnn.layers.GOrientation`


def vector_matrices(group: Group, components: tuple[str, str] = COMPONENTS) -> np.ndarray:
    """Returns the matrix of every element on the two components of a vector.

    Args:
        group: `Group`.
        components: directions in which the first and the second component count, two of `"right"`,
            `"left"`, `"up"` and `"down"` along different axes.

    Returns:
        int array of shape `(|G|, 2, 2)`; each row has one entry of 1 or -1.
    """
    return on_components(group.matrices, components)


def on_components(matrices: np.ndarray, components: tuple[str, str]) -> np.ndarray:
    """Returns matrices on positions (row, column) as matrices on the components of a vector."""
    basis = np.array([DIRECTIONS[name] for name in components])
    return basis @ matrices @ basis.T


def check_components(components: object) -> tuple[str, str]:
    """Returns the pair of directions; raises a `ValueError` unless they span the plane."""
    pair = tuple(components) if isinstance(components, list | tuple) else ()
    if len(pair) == 2 and all(isinstance(name, str) and name in DIRECTIONS for name in pair):
        first, second = (DIRECTIONS[name] for name in pair)
        if np.dot(first, second) == 0:
            return pair
    raise ValueError(
        f"components={components!r} has to name the directions in which the two components of a "
        "vector count, such as ('right', 'up') for x and y, ('right', 'down') for an optical flow "
        "in pixels, or ('down', 'right') for row and column."
    )
