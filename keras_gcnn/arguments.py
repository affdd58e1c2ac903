"""Checks of the arguments that many layers and networks take."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from numbers import Real
from operator import index
from typing import Any

import keras

# Activations of several values at once, along the last axis.
_JOINT = ("glu", "log_softmax", "softmax", "sparsemax")


def check_choice(argument: str, value: str, choices: tuple[str, ...]) -> str:
    """Returns `value` if it is one of `choices`; raises a `ValueError` that lists them if not."""
    if value not in choices:
        allowed = ", ".join(repr(choice) for choice in choices)
        raise ValueError(f"{argument}={value!r} is not available. Choose one of {allowed}.")
    return value


def as_count(value: object) -> int | None:
    """A positive integer of Python or NumPy as an int; None for everything else."""
    if isinstance(value, bool):  # an int to Python, but True is no number of anything
        return None
    try:
        number = index(value)  # refuses 2.5
    except TypeError:
        return None
    return number if number >= 1 else None


def as_counts(values: object) -> tuple[int | None, ...]:
    """Every one of them `as_count`; nothing at all if `values` is no collection."""
    if isinstance(values, Set | Mapping):  # which have no order
        return ()
    try:
        return tuple(map(as_count, values))
    except TypeError:
        return ()


def check_count(argument: str, value: int) -> int:
    """Returns a positive integer as an int; raises a `ValueError` for everything else."""
    count = as_count(value)
    if count is None:
        raise ValueError(f"{argument}={value!r} has to be a positive integer.")
    return count


def check_flag(argument: str, value: bool) -> bool:
    """Returns True or False as they are; raises a `ValueError` for everything else."""
    # Not by `bool`, to which "no" is true; NumPy's own are no integers.
    if isinstance(value, bool) or type(value).__name__ == "bool":
        return bool(value)
    raise ValueError(f"{argument}={value!r} has to be True or False.")


def check_pair(argument: str, value: int | tuple[int, int]) -> tuple[int, int]:
    """Returns a pair of positive integers from one integer or a pair."""
    pair = as_counts(value) or (as_count(value),) * 2
    if len(pair) != 2 or None in pair:
        raise ValueError(
            f"{argument}={value!r} has to be a positive integer, or two of them for rows and "
            "columns."
        )
    return pair


def check_above_zero(argument: str, value: float, example: float = 1e-6) -> float:
    """Returns a finite number above zero as a float; raises a `ValueError` for everything else.

    What is a millionth of a millionth of the example counts as zero, and would be in float32.
    """
    number = isinstance(value, Real) and not isinstance(value, bool)
    if not number or not 1e-12 * example < value < float("inf"):
        raise ValueError(f"{argument}={value!r} has to be a number above 0, e.g. {example}.")
    return float(value)


def check_from_zero(argument: str, value: float, example: float = 1.0) -> float:
    """Returns a finite number from 0 as a float; raises a `ValueError` for everything else."""
    number = isinstance(value, Real) and not isinstance(value, bool)
    if not number or not 0 <= value < float("inf"):
        raise ValueError(f"{argument}={value!r} has to be a number from 0, e.g. {example}.")
    return float(value)


def check_rate(argument: str, value: float) -> float:
    """Returns a share from 0 to below 1 as a float; raises a `ValueError` for everything else."""
    number = isinstance(value, Real) and not isinstance(value, bool)  # NumPy's too
    if not number or not 0 <= value < 1:
        raise ValueError(f"{argument}={value!r} has to be a number from 0 to below 1, e.g. 0.3.")
    return float(value)


def is_joint(activation: Callable | None) -> bool:
    """Whether an activation of Keras takes several values at once, such as softmax."""
    return getattr(activation, "__name__", "") in _JOINT


def pointwise(activation: Any) -> Callable:
    """An activation by its name or as it is; raises a `ValueError` if it is not of one value."""
    found = keras.activations.get(activation)
    if is_joint(found):
        raise ValueError(
            f"activation={activation!r} takes several values at once, and would mix channels that "
            "turn. Use one that takes each value by itself, e.g. 'elu'."
        )
    return found
