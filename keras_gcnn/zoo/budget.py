"""Widths that meet a parameter budget, since groups are compared at equal parameters."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations, product

from keras_gcnn.arguments import all_counts, as_count

_LARGEST = 10**10  # parameters: beyond any memory, yet the search for widths is short
_FREEDOM = 2  # how many widths may leave the ratio, and by how much each
_LOWEST_SHARE = 0.98  # of the budget, that has to be used
_ENOUGH = 0.99  # of the budget, above which the proportions decide


def check_widths(widths: Sequence[float], length: int, argument: str = "widths") -> tuple[int, ...]:
    """Returns the widths as a tuple, or raises a `ValueError`."""
    counts = all_counts(widths)
    if len(counts) != length:
        raise ValueError(
            f"{argument}={widths!r} has to be {length} positive integers, or None for the default."
        )
    return counts


def choose_widths(
    count: Callable[[tuple[int, ...]], int],
    ratio: Sequence[float],
    widths: Sequence[float] | None,
    parameters: int | None,
) -> tuple[int, ...]:
    """Returns the widths of a network, from the defaults of its builder and the user's arguments.

    Args:
        count: function from widths to the number of trainable parameters, increasing in each width.
        ratio: the builder's default widths, which need not be integers.
        widths: the user's widths, or None for the default; with a budget only their proportions
            count.
        parameters: the budget, or None.

    Raises:
        ValueError: for wrong widths, or a budget that `fit_widths` refuses.
    """
    if parameters is not None:
        if widths is not None:
            ratio = _check_proportions(widths, len(ratio))
        return fit_widths(count, ratio, parameters)
    if widths is None:
        return tuple(max(1, round(width)) for width in ratio)
    return check_widths(widths, len(ratio))


def _check_proportions(widths: Sequence[float], length: int) -> list[float]:
    """Returns proportions of widths that sum to one, or raises a `ValueError`."""
    try:
        numbers = [float(width) for width in widths]
    except (TypeError, ValueError):
        numbers = []
    if len(numbers) != length or not all(0 < number < math.inf for number in numbers):
        raise ValueError(
            f"widths={widths!r} has to be {length} positive numbers, the proportions of the "
            "widths within the budget of parameters, or None for the default."
        )
    return [number / sum(numbers) for number in numbers]


def _offsets(widths: int) -> Iterator[tuple[int, ...]]:
    """Yields every way in which a few of the widths differ from the ratio."""
    for chosen in combinations(range(widths), min(_FREEDOM, widths)):
        for steps in product(range(-_FREEDOM, _FREEDOM + 1), repeat=len(chosen)):
            offsets = dict(zip(chosen, steps, strict=True))
            yield tuple(offsets.get(index, 0) for index in range(widths))


def fit_widths(
    count: Callable[[tuple[int, ...]], int], ratio: Sequence[float], parameters: int
) -> tuple[int, ...]:
    """Returns the widths of a network that uses a parameter budget and keeps its proportions.

    Args:
        count: function from widths to the number of trainable parameters, increasing in each width.
        ratio: proportions of the widths, e.g. `(8, 16)`.
        parameters: int, the largest number of trainable parameters.

    Returns:
        The widths, proportional to `ratio` and rounded, where up to two of them may differ by up to
        two: the widths closest to the ratio that use at least 99 % of the budget or, if there are
        none, those that use most of it.

    Raises:
        ValueError: if `parameters` is not a positive integer up to 10,000,000,000, or if no such
            network uses at least 98 % of the budget; the message names the nearest counts that can
            be reached.
    """
    budget = as_count(parameters)
    if budget is None or budget > _LARGEST:
        raise ValueError(
            f"parameters={parameters!r} has to be a positive integer up to {_LARGEST:,}, e.g. "
            "50_000."
        )
    parameters = budget

    def scaled(factor: float) -> tuple[int, ...]:
        return tuple(max(1, round(part * factor)) for part in ratio)

    low, high = 0.0, 1.0
    while count(scaled(high)) <= parameters:
        low, high = high, 2 * high
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if count(scaled(middle)) <= parameters else (low, middle)

    reachable: dict[tuple[int, ...], int] = {}
    distance: dict[tuple[int, ...], float] = {}  # from the ratio
    nearest_bases = {scaled(low), scaled(high)}
    around = {scaled(low * (0.5 + step / 100)) for step in range(151)}
    for base in sorted(nearest_bases | around):
        # Skip bases from which no change of a few widths can reach the budget.
        largest = tuple(width + _FREEDOM for width in base)
        smallest = tuple(max(1, width - _FREEDOM) for width in base)
        within_reach = count(smallest) <= parameters <= count(largest)
        if not within_reach and base not in nearest_bases:
            continue
        for offsets in _offsets(len(ratio)):
            widths = tuple(a + b for a, b in zip(base, offsets, strict=True))
            if min(widths) >= 1:
                relative = sum(abs(a) / b for a, b in zip(offsets, base, strict=True))
                distance[widths] = min(relative, distance.get(widths, relative))
                if widths not in reachable:
                    reachable[widths] = count(widths)

    within = [widths for widths, total in reachable.items() if total <= parameters]

    def merit(widths: tuple[int, ...]) -> tuple[float, float]:
        # Good proportions are worth more than the last per cent of the budget.
        used = min(reachable[widths], _ENOUGH * parameters)
        return used, -distance[widths]

    best = max(within, key=merit, default=None)
    if best is None or reachable[best] < _LOWEST_SHARE * parameters:
        above = min(total for total in reachable.values() if total > parameters)
        if best is None:
            raise ValueError(
                f"parameters={parameters} is too few: the smallest count that can be reached is "
                f"{above:,}. Ask for at least that many."
            )
        raise ValueError(
            f"parameters={parameters} cannot be met to 2 %. The nearest counts that can be reached "
            f"are {reachable[best]:,} and {above:,}. Ask for one of these, or set `widths`."
        )
    return best
