"""The channels of a feature map under rotations by any angle: fields and their irreps.

`Fields` is public as `keras_gcnn.layers.Fields`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any

import numpy as np

from keras_gcnn.groups.blocks import (
    SO2,
    Block,
    Part,
    as_number,
    nested_parts,
    quotient_irreps,
    read_part,
)
from keras_gcnn.groups.point_group import TRIVIAL, Irrep, PointGroup, names_of, point_group


class Fields:
    """The channels of a feature map that rotates with the image by any angle of a group.

    A map consists of *fields*, and a field of irreducible representations (irreps) of the group,
    which are numbered by frequency. The irrep 0 is one channel, which keeps its value when the
    image is rotated; frequency k > 0 is a pair of channels, which rotates by k times the angle:
    `rho_k(t) = [[cos kt, -sin kt], [sin kt, cos kt]]`, followed by `diag(1, -1)` for mirrored
    images. Groups with mirrors also have `"0-"`, one channel whose sign a mirror changes. If N of
    C_N or D_N is even, frequency `N / 2` is one channel, which alternates its sign, and D_N has
    both `N / 2` and its odd form, such as `"4-"` of D_8.

    The multiplicity of an irrep is the number of fields that have it: field c has the irreps of
    multiplicity above c. Channels are ordered by field, and within a field by frequency, so that
    `{0: 8, 1: 4}` stands for four fields with the channels `(0, 1, 1)`, followed by four fields
    with the channel `(0)`. Fields that hold an irrep more than once are made by `regular` or
    `quotient`.

    Args:
        multiplicities: dict from the irreps, numbers from 0 and strings such as `"0-"`, to the
            number of fields that have them.
        group: `"so2"` (rotations by any angle), `"o2"` (and mirrors), `"c8"` (multiples of an
            eighth of a turn), `"d8"` (and mirrors), with any number in place of 8.

    Raises:
        TypeError: if `multiplicities` is not a dict.
        ValueError: if the group has no such irrep, a multiplicity is no number, or there are no
            channels.

    Example:

    >>> from keras_gcnn.layers import Fields
    >>> fields = Fields({0: 8, 1: 4})
    >>> fields.channels, fields.representation(0.5).shape
    (16, (16, 16))
    >>> Fields.regular(16, max_frequency=5)
    Fields.regular(16, max_frequency=5)
    >>> fields + Fields.trivial(3)  # the channels of two concatenated maps
    Fields({0: 11, 1: 4})
    >>> Fields({0: 4, "0-": 2, 1: 3}, group="o2").channels
    12
    >>> Fields.regular(2, group="d8").channels
    32
    """

    def __init__(
        self, multiplicities: Mapping[int | str, int], group: str | PointGroup = "so2"
    ) -> None:
        if not isinstance(multiplicities, Mapping):
            unknown = " ToFields knows its fields_out once it has been called."
            raise TypeError(
                f"Fields takes a dict from irreps to multiplicities, e.g. {{0: 8, 1: 4}}, not "
                f"{multiplicities!r}. For plain channels use Fields.trivial(n)."
                + (unknown if multiplicities is None else "")
            )
        of_group = point_group(group)
        self._set(of_group, nested_parts(multiplicities, of_group))

    def _set(self, group: PointGroup, parts: Iterable[Part]) -> None:
        merged = groupby(parts, key=lambda part: part[1])
        sums = [(sum(count for count, _ in same), irreps) for irreps, same in merged]
        self._group = group
        self._blocks = tuple(Block(count, irreps, group) for count, irreps in sums if count)
        if not self._blocks:
            raise ValueError(
                "These Fields have no channel. Give at least one irrep a multiplicity of 1 or more."
            )
        counts: Counter[Irrep] = Counter()
        for block in self._blocks:
            for irrep in block.irreps:
                counts[irrep] += block.field_count
        # Attributes, since PyTorch's compiler does not follow the locks of a cached property.
        self._irreps = dict(sorted(counts.items()))
        self._count = sum(block.field_count for block in self._blocks)
        self._channels = sum(block.channels for block in self._blocks)

    @classmethod
    def from_blocks(cls, parts: Iterable[Part], group: PointGroup) -> Fields:
        """Returns fields from their numbers and irreps, in the order of the channels."""
        fields = cls.__new__(cls)
        fields._set(group, parts)
        return fields

    def restrict(self, subgroup: str | PointGroup) -> Fields:
        """Returns the fields that these become under a subgroup; see `SteerableRestriction`.

        Raises:
            ValueError: if `subgroup` is no subgroup of the fields' group.
        """
        # This file is imported by that one.
        from keras_gcnn.groups.field_restriction import restricted_fields

        return restricted_fields(self, subgroup)

    @classmethod
    def trivial(cls, channels: int, group: str | PointGroup = "so2") -> Fields:
        """Returns ordinary channels, such as those of an image: irrep 0 only."""
        of_group, number = point_group(group), as_number(channels)
        if not number:
            raise ValueError(
                f"Fields.trivial({channels!r}): the number of channels has to be a positive "
                "integer, e.g. 1 for a grey image."
            )
        return cls.from_blocks([(number, (TRIVIAL,))], of_group)

    @classmethod
    def regular(
        cls, fields: int, max_frequency: int | None = None, group: str | PointGroup = "so2"
    ) -> Fields:
        """Returns fields that are functions on the group.

        Args:
            fields: int, number of fields.
            max_frequency: int, the highest frequency of the functions. The default for C_N and D_N
                is the highest of the group, with which a field has a channel for every element.
            group: see `Fields`. With mirrors, a field is a function on both sheets, the rotations
                and the mirrored ones, and has every pair twice.
        """
        return cls.quotient(fields, "c1", max_frequency, group)

    @classmethod
    def circle(
        cls, fields: int, max_frequency: int | None = None, group: str | PointGroup = "o2"
    ) -> Fields:
        """Returns fields that are functions of the angle, also under mirrors.

        Those of O(2) and D_N have half of the channels and weights of `regular`; a filter on an
        image is then symmetric about its own direction.
        """
        by = "d1" if point_group(group).mirrors else "c1"
        return cls.quotient(fields, by, max_frequency, group)

    @classmethod
    def quotient(
        cls,
        fields: int,
        by: str | PointGroup,
        max_frequency: int | None = None,
        group: str | PointGroup = "so2",
    ) -> Fields:
        """Returns fields that are functions on the group which do not change along a subgroup.

        Args:
            fields: int, number of fields.
            by: the subgroup: `"c4"` for functions that repeat every quarter turn, `"d1"` for
                functions that the mirror m does not change.
            max_frequency: int, the highest frequency; see `regular`.
            group: see `Fields`.

        Raises:
            ValueError: if `by` is no subgroup, or is infinite.
        """
        of_group = point_group(group)
        irreps = quotient_irreps(of_group, by, max_frequency)
        count = as_number(fields)
        if not count:
            raise ValueError(f"fields={fields!r} has to be a number of fields, 1 or more.")
        return cls.from_blocks([(count, irreps)], of_group)

    @classmethod
    def of(cls, value: Fields | Mapping[Any, Any]) -> Fields:
        """Returns fields from `Fields`, from their multiplicities, or from `as_json`."""
        if isinstance(value, Fields):
            return value
        if not isinstance(value, Mapping) or "group" not in value:
            return cls(value)
        group, parts = point_group(value["group"]), value.get("blocks")
        if not isinstance(parts, list | tuple):
            raise ValueError(
                f"{dict(value)!r} are no fields of {group}: give 'blocks', a list of numbers of "
                "fields with the lists of their irreps."
            )
        return cls.from_blocks([read_part(part, group) for part in parts], group)

    @property
    def group(self) -> PointGroup:
        """The group whose rotations and mirrors the fields know."""
        return self._group

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The fields in their order, grouped by equal irreps."""
        return self._blocks

    @property
    def multiplicities(self) -> dict[int | str, int]:
        """How often the fields have an irrep, by its name."""
        return {irrep.name: number for irrep, number in self.irreps.items()}

    @property
    def irreps(self) -> dict[Irrep, int]:
        """How often the fields have an irrep, by increasing frequency."""
        return dict(self._irreps)

    @property
    def frequencies(self) -> tuple[int, ...]:
        """The frequencies of the fields, increasing."""
        return tuple(sorted({irrep.frequency for irrep in self.irreps}))

    @property
    def count(self) -> int:
        """Number of fields."""
        return self._count

    @property
    def channels(self) -> int:
        """Number of channels."""
        return self._channels

    @property
    def scalars(self) -> int:
        """Number of channels of irrep 0, which keep their values: only they can have a bias."""
        return self._irreps.get(TRIVIAL, 0)

    @property
    def is_trivial(self) -> bool:
        """Whether all channels keep their values, as those of an image do."""
        return self.scalars == self.channels

    @property
    def _copies(self) -> tuple[tuple[int, Irrep], ...]:
        """The field and the irrep of every copy of an irrep, in the order of the channels."""
        irreps = [block.irreps for block in self._blocks for _ in range(block.field_count)]
        return tuple((number, irrep) for number, each in enumerate(irreps) for irrep in each)

    def _per_channel(self, values: Iterable[Any]) -> np.ndarray:
        return np.repeat([*values], [self._group.dimension(irrep) for _, irrep in self._copies])

    @property
    def channel_frequencies(self) -> np.ndarray:
        """The frequency of every channel."""
        return self._per_channel(irrep.frequency for _, irrep in self._copies)

    @property
    def channel_fields(self) -> np.ndarray:
        """The field, counted from 0, of every channel."""
        return self._per_channel(number for number, _ in self._copies)

    @property
    def channel_copies(self) -> np.ndarray:
        """The copy of an irrep, counted from 0, of every channel."""
        return self._per_channel(range(len(self._copies)))

    @property
    def scalar_channels(self) -> np.ndarray:
        """Whether a channel has irrep 0, for every channel."""
        return self._per_channel(irrep == TRIVIAL for _, irrep in self._copies)

    def representation(self, angle: float, mirrored: bool = False) -> np.ndarray:
        """Returns the matrix by which a rotation of the image multiplies every fibre.

        Args:
            angle: in radians, counter-clockwise on the screen; for C_N and D_N a multiple of
                `2 pi / N`, since their irreps are defined at these angles only.
            mirrored: bool, whether the rotated image is then mirrored: its rows are reversed.

        Returns:
            float64 matrix of shape `(channels, channels)`.

        Raises:
            ValueError: if the group has no such element.
        """
        if not self.is_trivial:  # ordinary channels know every angle
            self._group.check_angle(angle)
        if mirrored and not self._group.mirrors:
            raise ValueError(
                f"{self!r} know no mirrors. Make them with group={self._group.mirrored.name!r}."
            )
        matrix = np.zeros((self.channels, self.channels))
        at = 0
        for _, irrep in self._copies:
            end = at + self._group.dimension(irrep)
            matrix[at:end, at:end] = self._group.representation(irrep, angle, mirrored)
            at = end
        return matrix

    def under(self, group: str | PointGroup) -> Fields:
        """Returns ordinary channels as fields of another group; other fields must be of it.

        Raises:
            ValueError: if these are fields of another group.
        """
        other = point_group(group)
        if other == self._group:
            return self
        if not self.is_trivial:
            raise ValueError(
                f"{self!r} are fields of {self._group}, not of {other}. Make all fields of a "
                f"network with group={other.name!r}, or put a SteerableRestriction between them."
            )
        return Fields.trivial(self.channels, other)

    def as_json(self) -> dict[str, Any]:
        """Returns the fields as values for JSON; `Fields.of` reads them."""
        if self._group == SO2 and self._is_nested:
            return {str(name): number for name, number in self.multiplicities.items()}
        blocks = [[block.field_count, names_of(block.irreps)] for block in self._blocks]
        return {"group": self._group.name, "blocks": blocks}

    @property
    def _is_nested(self) -> bool:
        """Whether the multiplicities alone determine the fields."""
        return self._blocks == Fields(self.multiplicities, self._group)._blocks

    def __add__(self, other: Fields) -> Fields:
        """Returns the fields of two maps that are concatenated in this order.

        Raises:
            ValueError: if they are fields of different groups.
        """
        if not isinstance(other, Fields):
            return NotImplemented
        group = common_group(self, other)
        both = (self.under(group), other.under(group))
        return Fields.from_blocks(
            [(block.field_count, block.irreps) for each in both for block in each._blocks], group
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Fields) and self._blocks == other._blocks

    def __hash__(self) -> int:
        return hash(self._blocks)

    def __repr__(self) -> str:
        group = "" if self._group == SO2 else f", group={self._group.name!r}"
        if self.is_trivial:
            return f"Fields.trivial({self.channels}{group})"
        if len(self._blocks) == 1:
            (block,) = self._blocks
            highest = block.irreps[-1].frequency
            frequency = (
                "" if highest == self._group.highest_frequency else f", max_frequency={highest}"
            )
            for kind in ("regular", "circle"):
                if self == getattr(Fields, kind)(block.field_count, highest, self._group):
                    return f"Fields.{kind}({block.field_count}{frequency}{group})"
        if self._is_nested:
            return f"Fields({self.multiplicities}{group})"
        if len(self._blocks) == 1:
            return f"Fields.of({self.as_json()})"
        parts = [Fields.from_blocks([(b.field_count, b.irreps)], self._group) for b in self._blocks]
        return " + ".join(map(repr, parts))


def common_group(first: Fields, second: Fields) -> PointGroup:
    """Returns the group under which two sets of fields can be joined.

    Ordinary channels are fields of every group, and take that of the other set. If both sets are
    ordinary channels, a group that was chosen comes before SO(2), the default of `Fields`.
    """
    if first.is_trivial and (not second.is_trivial or first.group == SO2):
        return second.group
    return first.group
