"""Types of arguments and returns that occur throughout the library.

Tensors have no common class: each backend has its own, and NumPy arrays are accepted too. `Tensor`
therefore serves the reader alone, and a type checker accepts anything for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from keras_gcnn.groups.group import Group
from keras_gcnn.groups.point_group import PointGroup

Tensor: TypeAlias = Any
"""A tensor of the backend in use, a symbolic `keras.KerasTensor`, or a NumPy array."""

Shape: TypeAlias = tuple[int | None, ...]
"""Sizes of a tensor along its axes, with None where a size is not known yet."""

Size2D: TypeAlias = int | tuple[int, int]
"""One integer for rows and columns, or one for each."""

GroupLike: TypeAlias = str | Group
"""A group or its name: `"z2"`, `"p4"`, `"p4m"`, ..."""

AnyGroupLike: TypeAlias = str | Group | PointGroup
"""The same, or another group that keeps a point: `"so2"`, `"o2"`, `"c8"`, `"d8"`, ..."""

RestrictAfter: TypeAlias = str | int | Mapping[str | int, AnyGroupLike] | None
"""The stage after which a network goes on under a subgroup, or a subgroup for each stage."""

Activation: TypeAlias = str | Callable[[Tensor], Tensor] | None
Initializer: TypeAlias = Any
"""What `keras.initializers.get` takes: a name, a configuration, an initializer, a function."""

Seed: TypeAlias = Any
"""An int, a `keras.random.SeedGenerator`, or None for Keras's global generator."""

Regularizer: TypeAlias = Any
Constraint: TypeAlias = Any

Beta: TypeAlias = Any
"""A number, a `keras.optimizers.schedules.LearningRateSchedule`, or the dict of one."""
