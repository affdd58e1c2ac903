"""Types of arguments and returns that occur throughout the library.

Tensors have no common class: each backend has its own, and NumPy arrays pass for one. `Tensor` is
therefore a name for the reader, and a type checker takes anything for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from keras_gcnn.groups.group import Group

Tensor: TypeAlias = Any
"""A tensor of the backend in use, a symbolic `keras.KerasTensor`, or a NumPy array."""

Shape: TypeAlias = tuple[int | None, ...]
"""Sizes of a tensor along its axes, with None for a size that is not known yet."""

Size2D: TypeAlias = int | tuple[int, int]
"""One number for rows and columns, or one for each."""

GroupLike: TypeAlias = str | Group
"""A group, or the name of one: `"z2"`, `"p4"`, `"p4m"`, ..."""

RestrictAfter: TypeAlias = str | int | Mapping[str | int, GroupLike] | None
"""After which stage a network goes on under a subgroup."""

Activation: TypeAlias = str | Callable[[Tensor], Tensor] | None
Initializer: TypeAlias = Any
"""What `keras.initializers.get` takes: a name, a configuration, an initializer, a function."""

Regularizer: TypeAlias = Any
Constraint: TypeAlias = Any
