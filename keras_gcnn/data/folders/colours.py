"""Colours in which masks are shown."""

from __future__ import annotations

import colorsys

import numpy as np

_GOLDEN_ANGLE = 0.618034  # of the circle of hues; however many steps, none come close together


def class_colours(classes: int) -> np.ndarray:
    """Returns a colour for each class, black for the first: uint8 of shape `(classes, 3)`.

    Example:

    >>> class_colours(3).tolist()
    [[0, 0, 0], [242, 60, 48], [48, 93, 242]]
    """
    hues = [(0.01 + _GOLDEN_ANGLE * index) % 1 for index in range(classes - 1)]
    colours = [(0.0, 0.0, 0.0), *(colorsys.hsv_to_rgb(hue, 0.8, 0.95) for hue in hues)]
    return np.round(np.array(colours[:classes]) * 255).astype("uint8")
