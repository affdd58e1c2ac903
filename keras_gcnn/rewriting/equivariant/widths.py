"""How many fields a converted network has in place of the channels of the plain one."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations

import keras

from keras_gcnn.model_cost import layer_costs
from keras_gcnn.zoo.budget import LOWEST_SHARE, check_budget

_PER_CHANNEL = {
    "channels": lambda order: 1 / order,
    "parameters": lambda order: 1 / math.sqrt(order),
    "fields": lambda order: 1.0,
}
_ENOUGH = 0.99  # of the budget
_FEW = 6  # widths, of which pairs are tried too
_MOST_SCALES = 16  # that are tried; both numbers grow with about the square of the scale


class Widths:
    """From numbers of plain channels to numbers of fields.

    Args:
        order: number of elements of the group.
        keep: `"channels"`, `"parameters"` or `"fields"`, as in `convert`.
        scale: by which all numbers are multiplied, or None for a network without a budget.
        more: fields to be added, or taken away if negative, by the number of plain channels.

    Attributes:
        asked: dict from all numbers of channels that were asked for to their fields.
    """

    def __init__(
        self,
        order: int,
        keep: str = "channels",
        scale: float | None = None,
        more: Mapping[int, int] | None = None,
    ):
        self.scale = scale
        self.asked: dict[int, int] = {}
        self._share = _PER_CHANNEL[keep](order) * (scale or 1.0)
        # The root of the order is seldom an integer, nor is a scale: a field more or less is
        # expected there.
        self._expected = 1e-9 if scale is None and keep != "parameters" else math.inf
        self._more = dict(more or {})
        self._joined: dict[int, int] = {}

    def note_join(self, channels: int, fields: int) -> None:
        """Notes the fields of a concatenation, which may be rounded otherwise than their sum.

        Layers of as many channels get as many fields from here on, since they may be added to it.

        Args:
            channels: of the plain concatenation.
            fields: of the converted one.
        """
        if channels not in self.asked:
            self._joined.setdefault(channels, fields)

    def fields(self, channels: int) -> tuple[int, bool]:
        """Returns the number of fields in place of plain channels, and whether it is exact."""
        wanted = channels * self._share
        fields = max(1, max(1, round(wanted)) + self._more.get(channels, 0))
        fields = self._joined.get(channels, fields)
        self.asked[channels] = fields
        return fields, abs(fields - wanted) <= self._expected


@dataclass
class _Trial:
    widths: Widths
    network: keras.Model
    count: int


def fit_network(
    make: Callable[[Widths], keras.Model], order: int, argument: str, budget: int
) -> keras.Model:
    """Returns the network that uses a budget, with widths proportional to those of the plain one.

    A scale for all widths is searched first. Where that leaves more than a per cent, as in small
    networks, fields are added to the layers of one width or exchanged between those of two.

    Args:
        make: converts the plain model with these widths.
        order: number of elements of the group.
        argument: `"parameters"` or `"multiply_adds"`.
        budget: the largest number.

    Raises:
        ValueError: for a budget that is no positive integer, or that cannot be met to 2 %; the
            message names the nearest counts that were found.
    """
    most = check_budget(argument, budget)
    search = _Search(make, order, argument, most)
    search.find_scale()
    search.change_fields()
    best, above = search.below, search.above
    if best is not None and best.count >= LOWEST_SHARE * most:
        return best.network
    if best is None:
        raise ValueError(
            f"{argument}={most} is too few: the smallest count that was found is "
            f"{above.count if above else 0:,}. Ask for at least that many."
        )
    found = f"{best.count:,}" + (f" and {above.count:,}" if above else "")
    raise ValueError(
        f"{argument}={most} cannot be met to 2 %. The nearest counts that were found are {found}. "
        "Ask for one of these, or use keep=."
    )


def _changes(widths: Sequence[int]) -> Iterator[dict[int, int]]:
    """Yields changes of the fields of one width, then, if there are few widths, of two."""
    yield from ({width: 1} for width in widths)
    if len(widths) <= _FEW:
        for first, second in permutations(widths, 2):
            yield from ({first: -1, second: added} for added in (1, 2, 3))


class _Search:
    """The nearest networks below and above the budget that were found so far."""

    def __init__(self, make: Callable[[Widths], keras.Model], order: int, argument: str, most: int):
        self.below: _Trial | None = None
        self.above: _Trial | None = None
        self._make = make
        self._order = order
        self._argument = argument
        self._most = most

    def find_scale(self) -> None:
        """Brackets the budget by scales, ever more narrowly."""
        scale, low, high = 1.0, 0.0, math.inf
        for _ in range(_MOST_SCALES):
            trial = self._try(scale)
            if _ENOUGH * self._most <= trial.count <= self._most:
                return
            fits = trial.count <= self._most
            low, high = (scale, high) if fits else (low, scale)
            smallest = all(fields == 1 for fields in trial.widths.asked.values())
            if (smallest and not fits) or high / max(low, 1e-12) < 1.001:
                return
            guess = scale * math.sqrt(self._most / max(trial.count, 1))
            inside = low * 1.0005 < guess < high / 1.0005
            scale = guess if inside else math.sqrt(low * high) if low else high / 2
            if scale == math.inf:  # nothing grows with the widths
                return

    def change_fields(self) -> None:
        """Takes the first change of a few fields that uses more of the budget, again and again."""
        more: dict[int, int] = {}
        while self.below is not None and self.below.count < _ENOUGH * self._most:
            before = self.below
            for change in _changes(sorted(before.widths.asked, reverse=True)):
                changed = {**more, **{key: more.get(key, 0) + add for key, add in change.items()}}
                if self._try(before.widths.scale, changed) is self.below:
                    more = changed
                    break
            else:
                return

    def _try(self, scale: float | None, more: Mapping[int, int] | None = None) -> _Trial:
        widths = Widths(self._order, scale=scale, more=more)
        network = self._make(widths)
        rows = layer_costs(network)
        trial = _Trial(widths, network, sum(getattr(row, self._argument) or 0 for row in rows))
        if trial.count <= self._most:
            if self.below is None or trial.count > self.below.count:
                self.below = trial
        elif self.above is None or trial.count < self.above.count:
            self.above = trial
        return trial
