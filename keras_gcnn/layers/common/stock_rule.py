"""What the rules for layers of Keras have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keras_gcnn.layers.common.map_type import MapType, Problem
from keras_gcnn.types import Shape

Rule = Callable[[Any, Shape, int, MapType], Problem | None]
"""Takes a layer or operation, the shape of its input, the channel axis and the type of the map."""


def instead(met: MapType, on_group: str, on_fields: str) -> str:
    """Returns the fix: the layer to use on this type of map."""
    if met.steerable:
        return f"use {on_fields}"
    return f"use {on_group}(..., group={met.symmetry.name!r})"


def maximum_of_fields(met: MapType) -> Problem:
    """Returns the problem with a pooling that takes maxima of fields, and the fix."""
    return f"takes maxima of the channels of {met}", "use SteerableAveragePooling2D"
