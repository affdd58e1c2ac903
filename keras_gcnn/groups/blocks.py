"""Fields of equal irreps side by side, and which irreps fields have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from operator import index
from typing import Any

from keras_gcnn.groups.point_group import Irrep, PointGroup, names_of, point_group

SO2 = PointGroup(None, mirrors=False)
Part = tuple[int, tuple[Irrep, ...]]
"""A number of fields, and the irreps of each of them."""


@dataclass(frozen=True)
class Block:
    """Neighbouring fields of the same irreps.

    Attributes:
        field_count: int, number of fields.
        irreps: the irreps of each of them, in the order of its channels.
        group: the group of the irreps.
    """

    field_count: int
    irreps: tuple[Irrep, ...]
    group: PointGroup = SO2

    @property
    def size(self) -> int:
        """Number of channels of one field."""
        return sum(map(self.group.dimension, self.irreps))

    @property
    def channels(self) -> int:
        """Number of channels of all fields."""
        return self.field_count * self.size


def nested_parts(multiplicities: Mapping[Any, Any], group: PointGroup) -> list[Part]:
    """Returns the fields for multiplicities: field c has every irrep of multiplicity above c.

    Raises:
        ValueError: if the group has no such irrep, or a multiplicity is no number.
    """
    checked: dict[Irrep, int] = {}
    for key, value in multiplicities.items():
        irrep, multiplicity = group.irrep(key), as_number(value)
        given = f"Fields({dict(multiplicities)!r})"
        if irrep is None:
            raise ValueError(
                f"{given}: {key!r} is no irrep of {group}. Choose among {_described(group)}."
            )
        if irrep in checked:
            raise ValueError(
                f"{given}: the irrep {irrep.name!r} is there twice. Give it one number of fields."
            )
        if multiplicity is None:
            raise ValueError(
                f"{given}: {value!r} has to be the number of fields with irrep {key!r}, from 0."
            )
        checked[irrep] = multiplicity
    steps = sorted({0, *checked.values()})
    irreps = sorted(checked)
    return [
        (number - below, tuple(irrep for irrep in irreps if checked[irrep] >= number))
        for below, number in pairwise(steps)
    ]


def quotient_irreps(
    group: PointGroup, by: str | PointGroup, max_frequency: int | None
) -> tuple[Irrep, ...]:
    """Returns the irreps of functions on a group that do not change along a subgroup.

    Raises:
        ValueError: if `by` is no subgroup, or is infinite.
    """
    subgroup = point_group(by, "by")
    if not group.contains(subgroup) or subgroup.turns is None:
        raise ValueError(
            f"by={by!r} has to be a subgroup of {group} with finitely many elements, such "
            f"as {'d1' if group.mirrors else 'c1'!r}."
        )
    copies = {
        irrep: 1 if subgroup.mirrors else group.regular_copies(irrep)
        for irrep in group.irreps(max_frequency)
        if irrep.frequency % subgroup.turns == 0 and not (irrep.odd and subgroup.mirrors)
    }
    return tuple(Counter(copies).elements())


def read_part(part: Any, group: PointGroup) -> Part:
    """Reads one of the blocks of `Fields.as_json`."""
    count, names = part if isinstance(part, list | tuple) and len(part) == 2 else (None, ())
    irreps = tuple(map(group.irrep, names if isinstance(names, list | tuple) else (None,)))
    number = as_number(count)
    if number is None or not irreps or None in irreps:
        raise ValueError(
            f"{part!r} are no fields of {group}: give their number and the list of their irreps."
        )
    return number, tuple(irrep for irrep in irreps if irrep)


def _described(group: PointGroup) -> str:
    """The names of a group's irreps, in words."""
    names = names_of(group.irreps(3 if group.turns is None else None))
    return ", ".join(map(repr, names)) + (", ..." if group.turns is None else "")


def as_number(value: Any) -> int | None:
    """Returns an integer from 0, of Python or NumPy, as an int; None for everything else."""
    try:
        number = index(value)
    except TypeError:
        return None
    return None if isinstance(value, bool) or number < 0 else number
