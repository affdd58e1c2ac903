"""The one set of argument checks for every folder but `groups`; it does not import Keras.

- `is_integer`, `is_number`, `is_share`: whether a value is one, for a message of the caller's.
- `as_count`, `as_counts`: positive integers as `int`, and None for everything else.
- `as_shape`: a shape from an integer or several.
- `is_image_shape`: whether a value is the shape of one image without the batch.
- `check_choice`, `check_count`, `check_integer`, `check_pair`, `check_flag`, `check_above_zero`,
  `check_from_zero`, `check_rate`: return the value, or raise a `ValueError` that says what was
  given and what is allowed.

All of them reject bools where a number is due, though True is an int in Python, and accept numbers
of NumPy.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from numbers import Integral, Real
from operator import index
from typing import Any, TypeGuard, TypeVar, cast

from keras_gcnn.types import Size2D

Choice = TypeVar("Choice", str, str | None)


def is_integer(value: object) -> TypeGuard[int]:
    """Whether a value is an integer of Python or NumPy."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def is_number(value: object) -> TypeGuard[float]:
    """Whether a value is an integer or real number of Python or NumPy; NaN and infinity are."""
    return isinstance(value, Real) and not isinstance(value, bool)


def is_share(value: object) -> TypeGuard[float]:
    """Whether a value is a number from 0 to below 1."""
    return is_number(value) and 0 <= value < 1


def as_count(value: object) -> int | None:
    """A positive integer as an `int`; None for everything else."""
    if isinstance(value, bool):  # an int in Python
        return None
    try:
        number = index(cast(Any, value))  # refuses 2.5, and takes tensors of one integer
    except TypeError:
        return None
    return number if number >= 1 else None


def as_counts(values: object) -> tuple[int | None, ...]:
    """`as_count` of every value; an empty tuple if `values` is not an ordered collection."""
    if isinstance(values, Set | Mapping):
        return ()
    try:
        return tuple(map(as_count, cast(Iterable, values)))
    except TypeError:
        return ()


def all_counts(values: object) -> tuple[int, ...]:
    """Positive integers as a tuple of `int`; an empty tuple if any value is something else."""
    counts = as_counts(values)
    positive = tuple(count for count in counts if count is not None)
    return positive if len(positive) == len(counts) else ()


def is_image_shape(shape: object) -> bool:
    """Whether a value is the shape of one image: three positive integers, or None where open."""
    if not isinstance(shape, list | tuple) or len(shape) != 3:
        return False
    known = [size for size in shape if size is not None]
    return len(all_counts(known)) == len(known)


def as_shape(value: int | Iterable[int]) -> tuple[int, ...]:
    """The shape that an integer or a collection of integers names, as NumPy reads them."""
    return (int(value),) if is_integer(value) else tuple(cast(Iterable[int], value))


def check_choice(argument: str, value: Choice, choices: Sequence[Choice]) -> Choice:
    """Returns `value` if it is one of `choices`; raises a `ValueError` that lists them if not."""
    if value not in choices:
        allowed = ", ".join(repr(choice) for choice in choices)
        raise ValueError(f"{argument}={value!r} is not available. Choose one of {allowed}.")
    return value


def check_count(argument: str, value: int) -> int:
    """Returns a positive integer as an `int`; raises a `ValueError` for everything else."""
    count = as_count(value)
    if count is None:
        raise ValueError(f"{argument}={value!r} has to be a positive integer.")
    return count


def check_integer(argument: str, value: int, lowest: int = 0, reason: str = "") -> int:
    """Returns an integer from `lowest` as an `int`; raises a `ValueError` for everything else.

    Args:
        argument: its name.
        value: what was given.
        lowest: the smallest integer that is allowed.
        reason: clause that ends the message, such as `": the sphere lies in R^dim"`.
    """
    if not is_integer(value) or value < lowest:
        raise ValueError(f"{argument}={value!r} has to be an integer from {lowest}{reason}.")
    return int(value)


def check_pair(argument: str, value: Size2D) -> tuple[int, int]:
    """Returns a pair of positive integers from one integer or a pair."""
    pair = as_counts(value) or (as_count(value),) * 2
    if len(pair) != 2 or pair[0] is None or pair[1] is None:
        raise ValueError(
            f"{argument}={value!r} has to be a positive integer, or two of them for rows and "
            "columns."
        )
    return pair[0], pair[1]


def check_flag(argument: str, value: bool) -> bool:
    """Returns True or False as a `bool`; raises a `ValueError` for everything else."""
    # `bool` would take "no" for True. NumPy's bools are no subclass of Python's.
    if isinstance(value, bool) or type(value).__name__ == "bool":
        return bool(value)
    raise ValueError(f"{argument}={value!r} has to be True or False.")


def check_above_zero(argument: str, value: float, example: float = 1e-6) -> float:
    """Returns a finite number above zero as a float; raises a `ValueError` for everything else.

    A number below 1e-12 times the example counts as zero, since float32 would round it away.
    """
    if not is_number(value) or not 1e-12 * example < value < float("inf"):
        raise ValueError(f"{argument}={value!r} has to be a number above 0, e.g. {example}.")
    return float(value)


def check_from_zero(argument: str, value: float, example: float = 1.0) -> float:
    """Returns a finite number from 0 as a float; raises a `ValueError` for everything else."""
    if not is_number(value) or not 0 <= value < float("inf"):
        raise ValueError(f"{argument}={value!r} has to be a number from 0, e.g. {example}.")
    return float(value)


def check_rate(argument: str, value: float) -> float:
    """Returns a share from 0 to below 1 as a float; raises a `ValueError` for everything else."""
    if not is_share(value):
        raise ValueError(f"{argument}={value!r} has to be a number from 0 to below 1, e.g. 0.3.")
    return float(value)
