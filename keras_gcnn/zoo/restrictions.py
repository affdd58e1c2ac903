"""Stages after which a network continues under a subgroup, or as an ordinary network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from keras_gcnn import groups
from keras_gcnn.arguments import is_integer
from keras_gcnn.groups import Group
from keras_gcnn.groups.point_group import PointGroup, find_group, point_group
from keras_gcnn.types import AnyGroupLike, RestrictAfter
from keras_gcnn.zoo.symmetries import AnyGroup


def by_stage(restrict_after: RestrictAfter) -> dict[str, AnyGroupLike]:
    """Returns `restrict_after` as a dict from stages to subgroups.

    None is short for an empty dict, and a stage alone for its restriction to Z2. Integers become
    strings.

    Raises:
        ValueError: if `restrict_after` is neither a stage nor a dict.
    """
    if restrict_after is None:
        return {}
    if isinstance(restrict_after, str) or is_integer(restrict_after):
        return {str(restrict_after): "z2"}
    if not isinstance(restrict_after, Mapping):
        raise ValueError(
            f"restrict_after={restrict_after!r} has to be the name of a stage, or a dict from "
            'stages to subgroups, e.g. {"1": "z2"}.'
        )
    subgroups: Mapping[Any, AnyGroupLike] = restrict_after
    return {
        str(stage) if is_integer(stage) else stage: subgroup
        for stage, subgroup in subgroups.items()
    }


def find_subgroups(
    group: AnyGroup, stages: Sequence[str], restrict_after: RestrictAfter
) -> dict[str, AnyGroup]:
    """Returns the subgroups of a network, in the order of the stages after which they begin.

    Args:
        group: the group of the first stage; the others are of its type.
        stages: names of the stages, in order.
        restrict_after: see the builders.

    Raises:
        ValueError: for an unknown stage, a group that is no subgroup of the one before it, or a
            `restrict_after` that names no stages.
    """
    restrictions = by_stage(restrict_after)
    unknown = [stage for stage in restrictions if stage not in stages]
    if unknown:
        raise ValueError(
            f"restrict_after={restrictions} names the stage {unknown[0]!r}. The stages of "
            f"this network are {', '.join(stages)}."
        )
    subgroups = {}
    for stage in stages:
        if stage in restrictions:
            subgroup = _read_as(group, restrictions[stage], f"restrict_after[{stage!r}]")
            if not group.contains(subgroup):
                raise ValueError(
                    f"restrict_after={restrictions}: {subgroup.name} is no subgroup of "
                    f"{group.name}, the group of stage {stage!r}. Choose one of "
                    f"{_names_of_subgroups(group)}."
                )
            subgroups[stage] = group = subgroup
    return subgroups


def _read_as(group: AnyGroup, subgroup: AnyGroupLike, argument: str) -> AnyGroup:
    """Returns a subgroup as an object of the class of its group."""
    if isinstance(group, PointGroup):
        return point_group(subgroup, argument)
    found = find_group(subgroup)
    return found if isinstance(found, Group) else groups.get(found.name)  # which refuses it


def _names_of_subgroups(group: Group | PointGroup) -> str:
    if isinstance(group, PointGroup):
        return group.subgroups
    return ", ".join(choice.name for choice in groups.subgroups(group))
