"""Widths that meet a budget of parameters or multiply-adds, at which groups are compared."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Protocol

from keras_gcnn.arguments import all_counts, as_count

# Beyond any memory and any patience, yet the search for widths is short.
_LARGEST = {"parameters": 10**10, "multiply_adds": 10**15}
_FREEDOM = 2  # how many widths may leave the ratio, and by how much each
LOWEST_SHARE = 0.98  # of the budget, that has to be used
_ENOUGH = 0.99  # of the budget, above which the proportions decide


def check_widths(widths: Sequence[float], length: int, argument: str = "widths") -> tuple[int, ...]:
    """Returns the widths as a tuple, or raises a `ValueError`."""
    counts = all_counts(widths)
    if len(counts) != length:
        raise ValueError(
            f"{argument}={widths!r} has to be {length} positive integers, or None for the default."
        )
    return counts


class Counted(Protocol):
    """What is counted of a network; both numbers increase in each of its widths."""

    @property
    def parameters(self) -> int:
        """Number of trainable parameters."""

    @property
    def multiply_adds(self) -> int:
        """Number of multiply-adds for one image."""


@dataclass(frozen=True)
class Count:
    """Numbers of a part of a network.

    Attributes:
        parameters: trainable parameters.
        multiply_adds: multiply-adds for one image.
    """

    parameters: int
    multiply_adds: int

    def __add__(self, other: Counted) -> Count:
        return Count(self.parameters + other.parameters, self.multiply_adds + other.multiply_adds)


def choose_widths(
    count: Callable[[tuple[int, ...]], Counted],
    ratio: Sequence[float],
    widths: Sequence[float] | None,
    *,
    parameters: int | None,
    multiply_adds: int | None,
) -> tuple[int, ...]:
    """Returns the widths of a network, from the defaults of its builder and the user's arguments.

    Args:
        count: function from widths to what is counted of the network.
        ratio: the builder's default widths, which need not be integers.
        widths: the user's widths, or None for the default; with a budget only their proportions
            count.
        parameters: the budget of parameters, or None.
        multiply_adds: the budget of multiply-adds, or None.

    Raises:
        ValueError: for wrong widths, two budgets, or a budget that `fit_widths` refuses.
    """
    budget = find_budget(parameters, multiply_adds)
    if budget is not None:
        argument, most = budget
        if widths is not None:
            ratio = _check_proportions(widths, len(ratio))
        return fit_widths(lambda widths: getattr(count(widths), argument), ratio, most, argument)
    if widths is None:
        return tuple(max(1, round(width)) for width in ratio)
    return check_widths(widths, len(ratio))


def find_budget(parameters: int | None, multiply_adds: int | None) -> tuple[str, int] | None:
    """Returns the name and the number of the budget that is given; None without one.

    Raises:
        ValueError: if both are given.
    """
    if multiply_adds is None:
        return None if parameters is None else ("parameters", parameters)
    if parameters is None:
        return "multiply_adds", multiply_adds
    raise ValueError(
        f"parameters={parameters!r} and multiply_adds={multiply_adds!r} are two budgets, and the "
        "widths can follow from one only. Leave one of them out."
    )


def check_budget(argument: str, budget: int) -> int:
    """Returns a budget of `"parameters"` or `"multiply_adds"`, or raises a `ValueError`."""
    most = as_count(budget)
    if most is None or most > _LARGEST[argument]:
        raise ValueError(
            f"{argument}={budget!r} has to be a positive integer up to {_LARGEST[argument]:,}, "
            "e.g. 50_000."
        )
    return most


def _check_proportions(widths: Sequence[float], length: int) -> list[float]:
    """Returns proportions of widths that sum to one, or raises a `ValueError`."""
    try:
        numbers = [float(width) for width in widths]
    except (TypeError, ValueError):
        numbers = []
    if len(numbers) != length or not all(0 < number < math.inf for number in numbers):
        raise ValueError(
            f"widths={widths!r} has to be {length} positive numbers, the proportions of the "
            "widths within the budget, or None for the default."
        )
    return [number / sum(numbers) for number in numbers]


def _offsets(widths: int) -> Iterator[tuple[int, ...]]:
    """Yields every way in which a few of the widths differ from the ratio."""
    for chosen in combinations(range(widths), min(_FREEDOM, widths)):
        for steps in product(range(-_FREEDOM, _FREEDOM + 1), repeat=len(chosen)):
            offsets = dict(zip(chosen, steps, strict=True))
            yield tuple(offsets.get(index, 0) for index in range(widths))


def fit_widths(
    count: Callable[[tuple[int, ...]], int],
    ratio: Sequence[float],
    budget: int,
    argument: str = "parameters",
) -> tuple[int, ...]:
    """Returns the widths of a network that uses a budget and keeps its proportions.

    Args:
        count: function from widths to the number that has a budget, increasing in each width.
        ratio: proportions of the widths, e.g. `(8, 16)`.
        budget: int, the largest number.
        argument: the argument of the builder that sets the budget, `"parameters"` or
            `"multiply_adds"`.

    Returns:
        The widths, proportional to `ratio` and rounded, where up to two of them may differ by up to
        two: the widths closest to the ratio that use at least 99 % of the budget or, if there are
        none, those that use most of it.

    Raises:
        ValueError: if the budget is not a positive integer up to 10,000,000,000 parameters or
            1,000,000,000,000,000 multiply-adds, or if no such network uses at least 98 % of the
            budget; the message names the nearest counts that can be reached.
    """
    most = check_budget(argument, budget)
    distances = _candidates(count, ratio, most)
    counts = {widths: count(widths) for widths in distances}

    def merit(widths: tuple[int, ...]) -> tuple[float, float]:
        # Good proportions are worth more than the last per cent of the budget.
        return min(counts[widths], _ENOUGH * most), -distances[widths]

    within = [widths for widths, total in counts.items() if total <= most]
    best = max(within, key=merit, default=None)
    if best is not None and counts[best] >= LOWEST_SHARE * most:
        return best
    above = min(total for total in counts.values() if total > most)
    if best is None:
        raise ValueError(
            f"{argument}={most} is too few: the smallest count that can be reached is "
            f"{above:,}. Ask for at least that many."
        )
    raise ValueError(
        f"{argument}={most} cannot be met to 2 %. The nearest counts that can be reached "
        f"are {counts[best]:,} and {above:,}. Ask for one of these, or set `widths`."
    )


def _scaled(ratio: Sequence[float], factor: float) -> tuple[int, ...]:
    return tuple(max(1, round(part * factor)) for part in ratio)


def _largest_factor(
    count: Callable[[tuple[int, ...]], int], ratio: Sequence[float], most: int
) -> tuple[float, float]:
    """Returns the largest factor of the ratio within the budget, and the next one beyond it."""
    low, high = 0.0, 1.0
    while count(_scaled(ratio, high)) <= most:
        low, high = high, 2 * high
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if count(_scaled(ratio, middle)) <= most else (low, middle)
    return low, high


def _candidates(
    count: Callable[[tuple[int, ...]], int], ratio: Sequence[float], most: int
) -> dict[tuple[int, ...], float]:
    """Returns widths near the budget, and the distance of each from the ratio."""
    low, high = _largest_factor(count, ratio, most)
    nearest = {_scaled(ratio, low), _scaled(ratio, high)}
    around = {_scaled(ratio, low * (0.5 + step / 100)) for step in range(151)}
    distances: dict[tuple[int, ...], float] = {}
    for base in sorted(nearest | around):
        # Skip bases from which no change of a few widths can reach the budget.
        largest = tuple(width + _FREEDOM for width in base)
        smallest = tuple(max(1, width - _FREEDOM) for width in base)
        if not count(smallest) <= most <= count(largest) and base not in nearest:
            continue
        for offsets in _offsets(len(ratio)):
            widths = tuple(a + b for a, b in zip(base, offsets, strict=True))
            if min(widths) >= 1:
                distance = sum(abs(a) / b for a, b in zip(offsets, base, strict=True))
                distances[widths] = min(distance, distances.get(widths, distance))
    return distances
