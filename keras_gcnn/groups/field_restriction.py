"""How fields of a group read under a subgroup, and as maps on a group of the pixel grid.

Both change the basis of the channels by an orthogonal matrix; no value is lost.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from keras_gcnn.groups.blocks import Block, Part
from keras_gcnn.groups.field_functions import sampling_matrix
from keras_gcnn.groups.fields import Fields
from keras_gcnn.groups.group import Group
from keras_gcnn.groups.point_group import Irrep, PointGroup, point_group


def restrict_fields(fields: Fields, subgroup: str | PointGroup) -> tuple[Fields, np.ndarray]:
    """Returns fields as those of a subgroup.

    A field that is a function on the group becomes functions on the subgroup, one for every coset,
    if the two groups differ in their mirrors only, or the field has a channel for every element of
    a finite group. Every other field stays one field, whose irreps split: it may then have an irrep
    more often than a function on the subgroup.

    Args:
        fields: `Fields`.
        subgroup: a subgroup of their group; `"c4"` for the rotations of D_8 by quarter turns.

    Returns:
        The fields under the subgroup, and the orthogonal matrix of shape `(channels, channels)` by
        which fibres are multiplied, as `fibres @ matrix`.

    Raises:
        ValueError: if `subgroup` is no subgroup.
    """
    smaller = restricted_fields(fields, subgroup)
    matrix = np.zeros((fields.channels, fields.channels))
    at = 0
    for block in fields.blocks:
        _, change = _restrict_block(block, smaller.group)
        for _ in range(block.field_count):
            end = at + block.size
            matrix[at:end, at:end] = change
            at = end
    return smaller, matrix


def restricted_fields(fields: Fields, subgroup: str | PointGroup) -> Fields:
    """Returns the fields of `restrict_fields` without its matrix, which can be large."""
    group, smaller = fields.group, point_group(subgroup, "subgroup")
    if not group.contains(smaller):
        raise ValueError(
            f"{smaller} is no subgroup of {group}, the group of {fields!r}. The subgroups are "
            f"{group.subgroups}."
        )
    parts: list[Part] = []
    for block in fields.blocks:
        parts += _restrict_block(block, smaller)[0] * block.field_count
    return Fields.from_blocks(parts, smaller)


@lru_cache(maxsize=256)
def _restrict_block(block: Block, subgroup: PointGroup) -> tuple[list[Part], np.ndarray]:
    """Returns the fields that one field becomes, and the matrix of the change."""
    group = block.group
    highest = max(irrep.frequency for irrep in block.irreps)
    is_regular = block.irreps == Fields.regular(1, highest, group).blocks[0].irreps
    is_whole = highest == group.highest_frequency and (highest > 0 or group.turns == 1)
    if is_regular and (is_whole or (group.turns == subgroup.turns and highest > 0)):
        return _by_cosets(block, highest, subgroup)
    return _by_irreps(block, subgroup)


def _by_cosets(block: Block, highest: int, subgroup: PointGroup) -> tuple[list[Part], np.ndarray]:
    """Reads a function on the group as one on the subgroup for each coset `H x`."""
    group = block.group
    turns = group.turns or 4 * (highest + 1)
    limit = highest if group.turns == subgroup.turns else None
    (smaller,) = Fields.regular(1, limit, subgroup).blocks
    steps = subgroup.turns or turns
    every = turns // steps
    here, there = sampling_matrix(block, turns), sampling_matrix(smaller, steps)
    cosets = [
        (mirrored, number)
        for mirrored in ((False, True) if group.mirrors > subgroup.mirrors else (False,))
        for number in range(every)
    ]
    columns = []
    for mirror, start in cosets:
        rows = []
        for sheet in range(subgroup.sheets):
            for number in range(steps):
                # m^s r_t m^a r_u = m^(s+a) r_(u + (-1)^a t)
                turned = (start + (-1) ** mirror * number * every) % turns
                rows.append(((sheet + mirror) % 2) * turns + turned)
        columns.append(here[rows].T @ there * (smaller.size / len(there)))
    change = np.concatenate(columns, axis=1)
    # The sampling matrices of both groups have different norms.
    change *= np.sqrt(block.size / (change**2).sum())
    return [(1, smaller.irreps)] * len(cosets), change


def _by_irreps(block: Block, subgroup: PointGroup) -> tuple[list[Part], np.ndarray]:
    """Splits every irrep into those of the subgroup, in the order of their frequencies."""
    found: list[tuple[Irrep, list[tuple[int, float]]]] = []  # channels and signs
    at = 0
    for irrep in block.irreps:
        channels = range(at, at + block.group.dimension(irrep))
        at = channels.stop
        found += [
            (new, [(channels[channel], sign) for channel, sign in places])
            for new, places in _restrict_irrep(irrep, block.group, subgroup)
        ]
    found.sort(key=lambda entry: entry[0])
    matrix = np.zeros((block.size, block.size))
    column = 0
    for _, places in found:
        for channel, sign in places:
            matrix[channel, column] = sign
            column += 1
    return [(1, tuple(new for new, _ in found))], matrix


def _restrict_irrep(
    irrep: Irrep, group: PointGroup, subgroup: PointGroup
) -> list[tuple[Irrep, list[tuple[int, float]]]]:
    """Returns the irreps of the subgroup, each with its channels and their signs."""
    frequency = irrep.frequency
    flipped = False
    if subgroup.turns is not None:
        frequency %= subgroup.turns
        flipped = 2 * frequency > subgroup.turns
        frequency = subgroup.turns - frequency if flipped else frequency
    if group.dimension(irrep) == 1:
        return [(Irrep(frequency, irrep.odd and subgroup.mirrors), [(0, 1.0)])]
    if subgroup.is_single(frequency):
        odd = Irrep(frequency, subgroup.mirrors)
        return [(Irrep(frequency), [(0, 1.0)]), (odd, [(1, 1.0)])]
    return [(Irrep(frequency), [(0, 1.0), (1, -1.0 if flipped else 1.0)])]


def group_fields(count: int, group: Group) -> Fields:
    """Returns the fields that a map on a group of the pixel grid reads as.

    Args:
        count: number of the map's fields.
        group: `Group` of the pixel grid.
    """
    return Fields.regular(count, group=point_group(group))


def group_basis(group: Group) -> np.ndarray:
    """Returns the orthogonal matrix from a regular field to a fibre of a group of the pixel grid.

    Args:
        group: `Group` of the pixel grid.

    Returns:
        Matrix Q of shape `(|G|, |G|)`: a fibre is `Q @ field`, and a field `Q.T @ fibre`.
    """
    (block,) = group_fields(1, group).blocks
    return sampling_matrix(block, block.group.turns or 1)
