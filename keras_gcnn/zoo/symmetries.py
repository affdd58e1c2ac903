"""The groups that builders take, by their names, and the fields of steerable networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from keras_gcnn.arguments import check_choice
from keras_gcnn.groups import Group
from keras_gcnn.groups.point_group import PointGroup, find_group
from keras_gcnn.layers import Fields
from keras_gcnn.types import AnyGroupLike

AnyGroup = TypeVar("AnyGroup", Group, PointGroup)
FIELDS = ("regular", "circle")
_HIGHEST = 4  # of the infinitely many frequencies of SO(2) and O(2)


def is_steerable(group: AnyGroupLike) -> bool:
    """Whether a builder that takes all groups makes steerable layers for a group."""
    return isinstance(find_group(group), PointGroup)


def in_stages(
    group: AnyGroup, stages: Sequence[str], subgroups: Mapping[str, AnyGroup]
) -> list[AnyGroup]:
    """Returns the group of every stage.

    Args:
        group: the group of the first stage.
        stages: names of the stages, in order.
        subgroups: the group that remains after a stage, by its name.
    """
    groups_of_stages = []
    for stage in stages:
        groups_of_stages.append(group)
        group = subgroups.get(stage, group)
    return groups_of_stages


@dataclass(frozen=True)
class FieldType:
    """What the fields of a steerable network are, on its group and on subgroups.

    Attributes:
        name: `"regular"` or `"circle"`; see `Fields.regular` and `Fields.circle`.
        max_frequency: the highest frequency, or None for 4 under SO(2) and O(2) and for the highest
            of other groups.
    """

    name: str = "regular"
    max_frequency: int | None = None

    def check(self, group: PointGroup) -> None:
        """Raises a `ValueError` for an unknown type, or a frequency that the group lacks."""
        check_choice("fields", self.name, FIELDS)
        if self.max_frequency is not None:
            group.check_frequency("max_frequency", self.max_frequency)

    def make(self, count: int, group: PointGroup) -> Fields:
        """Returns a number of fields of a group."""
        highest = self.max_frequency
        if group.turns is None:
            highest = _HIGHEST if highest is None else highest
        elif highest is not None:  # a subgroup may have fewer frequencies
            highest = min(highest, group.turns // 2)
        make = Fields.regular if self.name == "regular" else Fields.circle
        return make(count, highest, group)

    def size(self, group: PointGroup) -> int:
        """Returns the number of channels of one field."""
        return self.make(1, group).channels
