"""One hyperparameter: named, bounded and explained."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras_tuner


@dataclass(frozen=True)
class Limit:
    """Which numbers a user may ask for.

    Attributes:
        text: what a number has to be, for messages.
        holds: whether a finite number is that.
    """

    text: str
    holds: Callable[[float], bool]


NOT_NEGATIVE = Limit("finite and not negative", lambda number: number >= 0)
ABOVE_ZERO = Limit("finite and above 0", lambda number: number > 0)
SHARE = Limit("from 0 to below 1", lambda number: 0 <= number < 1)


@dataclass(frozen=True)
class Hyperparameter:
    """One hyperparameter: a choice among values, or a number between bounds.

    Attributes:
        name: of the hyperparameter.
        meaning: explanation in one line.
        default: the value to begin with.
        values: to choose from; empty for a number between bounds.
        bounds: the smallest and the largest value; integers for an integer.
        log: whether numbers are drawn evenly in their logarithm.
        parent: name of another hyperparameter; without one of its `parent_values` this
            hyperparameter has no effect.
        parent_values: see `parent`.
        more: further values that a user may ask for.
        limit: which numbers a user may ask for, also beyond the bounds.
    """

    name: str
    meaning: str
    default: Any
    values: tuple = ()
    bounds: tuple[float, float] | None = None
    log: bool = False
    parent: str | None = None
    parent_values: tuple = ()
    more: tuple = ()
    limit: Limit = NOT_NEGATIVE

    def declare(self, hp: keras_tuner.HyperParameters) -> Any:
        """Registers it and returns its value, or None if its parent has another value."""
        scope: AbstractContextManager = nullcontext()
        if self.parent is not None:
            scope = hp.conditional_scope(self.parent, list(self.parent_values))
        with scope:
            if self.bounds is not None:
                number = hp.Int if isinstance(self.default, int) else hp.Float
                sampling = "log" if self.log else "linear"
                return number(self.name, *self.bounds, sampling=sampling, default=self.default)
            if len(self.values) == 1:
                return hp.Fixed(self.name, self.values[0])
            return hp.Choice(self.name, list(self.values), default=self.default)

    def narrowed(self, given: Any) -> Hyperparameter:
        """Returns the hyperparameter with what a user gives: a value, a list, or bounds.

        Raises:
            ValueError: if that is something else, or not possible.
        """
        if isinstance(given, Mapping):
            return self._within(given)
        listed = given if isinstance(given, list | tuple) else [given]
        values = tuple(self._checked(value) for value in listed)
        if not values or len(set(values)) < len(values):
            raise self._error(given, "needs one value or more, each once")
        default = self.default if self.default in values else values[0]
        return replace(self, values=values, bounds=None, default=default)

    def _within(self, given: Mapping[str, Any]) -> Hyperparameter:
        if self.bounds is None:
            raise self._error(given, "is a choice and has no bounds")
        if given.keys() != {"min", "max"}:
            raise self._error(given, "needs the keys min and max, and no others")
        low, high = (self._checked(given[key]) for key in ("min", "max"))
        if not low < high or (self.log and low <= 0):
            raise self._error(given, f"needs {'0 < ' if self.log else ''}min < max")
        return replace(self, bounds=(low, high), default=min(max(self.default, low), high))

    def _checked(self, value: Any) -> Any:
        """Returns a value that a user gave, or raises a `ValueError`."""
        if self.bounds is None:
            allowed = (*self.values, *self.more)
            if isinstance(value, str) and value in allowed:
                return value
            raise self._error(value, f"may be {', '.join(map(repr, allowed))}")
        is_integer = isinstance(self.default, int)
        if isinstance(value, bool) or not isinstance(value, int if is_integer else int | float):
            raise self._error(value, f"is {'an integer' if is_integer else 'a number'}")
        if not math.isfinite(value) or not self.limit.holds(value):
            raise self._error(value, f"has to be {self.limit.text}")
        return int(value) if is_integer else float(value)

    def _error(self, given: Any, fault: str) -> ValueError:
        hint = "" if self.bounds is None else ", or { min = ..., max = ... }"
        return ValueError(
            f"space: {self.name} = {given!r}: {self.name} ({self.meaning}) {fault}. Give a value "
            f"or a list of values{hint}."
        )
