"""The groups of rotations and mirrors of the plane that keep a point, and their irreps.

SO(2) and C_N are the rotations, by all angles and by multiples of `2 pi / N`; O(2) and D_N contain
the mirrors too. An element `m^a r_t` rotates by t, counter-clockwise on the screen, and then
mirrors a times; m reverses the rows of an image. Irreducible representations (irreps) are numbered
by their frequency. They all come from `F^a R(k t)`, with the rotation R and `F = diag(1, -1)`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from numbers import Real
from typing import Any, NamedTuple

import numpy as np

from keras_gcnn.groups.group import Group
from keras_gcnn.groups.planar import get, names

LARGEST_FREQUENCY = 100  # far beyond what an image of some hundred pixels can show
LARGEST_TURNS = 2 * LARGEST_FREQUENCY
_ANGLE_TOLERANCE = 1e-6  # of a step between rotations, for angles rounded to float32
# The names of the same groups as groups of the pixel grid.
_PIXEL_NAMES = {"z2": "c1", "p2": "c2", "p4": "c4", "pm": "d1", "pmm": "d2", "p4m": "d4"}
_ON_PIXELS = {name: on_pixels for on_pixels, name in _PIXEL_NAMES.items()}
MIRROR = np.diag([1.0, -1.0])  # of the plane, x to the right and y up
# Takes positions as (row, column), rows downwards, to (x, y).
_TO_PLANE = np.array([[0, 1], [-1, 0]])

Element = tuple[bool, float]
"""An element `m^a r_t`: whether it mirrors, and its angle t in radians."""


class Irrep(NamedTuple):
    """An irreducible representation.

    Attributes:
        frequency: how many times its vectors rotate while the image rotates once.
        odd: whether it is one channel that the mirror m multiplies by -1.
    """

    frequency: int
    odd: bool = False

    @property
    def name(self) -> int | str:
        """The frequency, as a string with a minus for the odd ones: `0`, `"0-"`."""
        return f"{self.frequency}-" if self.odd else self.frequency


TRIVIAL = Irrep(0)


@dataclass(frozen=True)
class PointGroup:
    """A group of rotations about a point, with or without mirrors.

    Attributes:
        turns: int, the number of rotations, or None for all angles.
        mirrors: whether the group contains mirrors.
    """

    turns: int | None
    mirrors: bool

    @property
    def name(self) -> str:
        """`"so2"`, `"o2"`, `"c8"`, `"d8"`, ..."""
        if self.turns is None:
            return "o2" if self.mirrors else "so2"
        return f"{'d' if self.mirrors else 'c'}{self.turns}"

    @property
    def sheets(self) -> int:
        """2 with mirrors, else 1."""
        return 2 if self.mirrors else 1

    @property
    def mirrored(self) -> PointGroup:
        """The same group with mirrors."""
        return PointGroup(self.turns, mirrors=True)

    @property
    def order(self) -> float:
        """Number of elements, infinite for SO(2) and O(2)."""
        return math.inf if self.turns is None else self.turns * self.sheets

    @property
    def highest_frequency(self) -> int | None:
        """The highest frequency of an irrep; None if there is no highest."""
        return None if self.turns is None else self.turns // 2

    @property
    def is_on_pixels(self) -> bool:
        """Whether every element moves pixels to pixels."""
        return self.turns in (1, 2, 4)

    @property
    def pixel_group(self) -> Group:
        """The elements that move pixels to pixels: the exact symmetry of layers on a grid."""
        turns = 4 if self.turns is None else math.gcd(self.turns, 4)
        return get(_ON_PIXELS[PointGroup(turns, self.mirrors).name])

    def is_single(self, frequency: int) -> bool:
        """Whether the irreps of a frequency have one channel; the others are pairs."""
        return frequency == 0 or 2 * frequency == self.turns

    def dimension(self, irrep: Irrep) -> int:
        """Returns the number of channels, 1 or 2."""
        return 1 if self.is_single(irrep.frequency) else 2

    def regular_copies(self, irrep: Irrep) -> int:
        """Returns how often functions on the group contain an irrep."""
        return self.sheets if self.dimension(irrep) == 2 else 1

    def irreps(self, max_frequency: int | None = None) -> list[Irrep]:
        """Returns the irreps up to a frequency, each once: 0, "0-", 1, 2, ...

        Raises:
            ValueError: if there are infinitely many and no `max_frequency`, or if the group has
                none of so high a frequency.
        """
        highest = self.check_frequency("max_frequency", max_frequency)
        return [
            Irrep(k, odd)
            for k in range(highest + 1)
            for odd in ((False, True) if self.mirrors and self.is_single(k) else (False,))
        ]

    def check_frequency(self, name: str, frequency: Any) -> int:
        """Returns a frequency of the group's irreps; None stands for the highest."""
        highest, largest = self.highest_frequency, LARGEST_FREQUENCY
        if frequency is None and highest is not None:
            return highest
        if highest is not None:
            largest = min(highest, largest)
        try:
            number = frequency.__index__()
        except AttributeError:
            number = None
        if number is None or isinstance(frequency, bool) or not 0 <= number <= largest:
            raise ValueError(
                f"{name}={frequency!r} has to be an integer from 0 to {largest}"
                + (
                    f", since {self.name} has no highest frequency, unlike c8 and d8."
                    if highest is None
                    else f", the highest frequency of {self.name}."
                )
            )
        return number

    def check_angle(self, angle: Any) -> None:
        """Raises a `ValueError` unless the group rotates by this angle, in radians."""
        number = isinstance(angle, Real) and not isinstance(angle, bool) and math.isfinite(angle)
        if not number:
            raise ValueError(f"angle={angle!r} has to be a finite number of radians, e.g. 0.5.")
        if self.turns is None:
            return
        steps = float(angle) * self.turns / (2 * math.pi)
        if abs(steps - round(steps)) > _ANGLE_TOLERANCE * max(1.0, abs(steps)):
            raise ValueError(
                f"angle={angle!r} is no multiple of 2 pi / {self.turns}, and {self} has no other "
                "rotations."
            )

    def irrep(self, key: Any) -> Irrep | None:
        """Returns the irrep with a name, such as 1, `"0-"` or `"0+"`; None if there is none."""
        text = str(key) if not isinstance(key, bool) and hasattr(key, "__index__") else key
        match = re.fullmatch(r"(\d{1,9})([+-]?)", text) if isinstance(text, str) else None
        if match is None:
            return None
        irrep = Irrep(int(match[1]), match[2] == "-")
        highest = self.highest_frequency
        if irrep.frequency > (LARGEST_FREQUENCY if highest is None else highest):
            return None
        if match[2] and not (self.mirrors and self.is_single(irrep.frequency)):
            return None
        return irrep

    def representation(self, irrep: Irrep, angle: float, mirrored: bool = False) -> np.ndarray:
        """Returns the matrix by which an element multiplies vectors of an irrep."""
        part = part_of(self, irrep)
        return part @ rotated(irrep.frequency * angle, mirrored) @ part.T

    def contains(self, other: PointGroup) -> bool:
        """Whether `other` is a subgroup, with the same mirror m if it has mirrors."""
        if other.mirrors and not self.mirrors:
            return False
        if self.turns is None:
            return True
        return other.turns is not None and self.turns % other.turns == 0

    @property
    def subgroups(self) -> str:
        """The names of its subgroups, in words."""
        if self.turns is None:
            rotations = "c1, c2, c3, ..., so2"
            return f"{rotations}, d1, d2, d3, ..., o2" if self.mirrors else rotations
        orders = [n for n in range(1, self.turns + 1) if self.turns % n == 0]
        letters = "cd" if self.mirrors else "c"
        return ", ".join(f"{letter}{n}" for letter in letters for n in orders)

    def joined(self, other: PointGroup) -> PointGroup:
        """Returns the smallest group with a name that contains both."""
        turns = None
        if self.turns is not None and other.turns is not None:
            turns = math.lcm(self.turns, other.turns)
        if turns is not None and turns > LARGEST_TURNS:
            turns = None
        return PointGroup(turns, self.mirrors or other.mirrors)

    def __str__(self) -> str:
        return self.name


def part_of(group: PointGroup, irrep: Irrep) -> np.ndarray:
    """Returns the channels of the pair (cos, sin) that an irrep consists of, shape `(d, 2)`."""
    if not group.is_single(irrep.frequency):
        return np.eye(2)
    return np.eye(2)[[1 if irrep.odd else 0]]


def rotated(angle: float, mirrored: bool = False) -> np.ndarray:
    """Returns `F^a R(t)`, the matrix of an element on the plane and on pairs of frequency 1."""
    cos, sin = np.cos(angle), np.sin(angle)
    matrix = np.array([[cos, -sin], [sin, cos]])
    return MIRROR @ matrix if mirrored else matrix


def matrix_on_pixels(angle: float) -> np.ndarray:
    """Returns the matrix of a rotation on positions (row, column), as `Group.matrices` has it."""
    return _TO_PLANE.T @ rotated(angle) @ _TO_PLANE


def element_of(matrix: np.ndarray) -> Element:
    """Returns the element `m^a r_t` of a group of the pixel grid, from its matrix there."""
    plane = _TO_PLANE @ np.asarray(matrix) @ _TO_PLANE.T
    mirrored = bool(np.linalg.det(plane) < 0)
    rotation = MIRROR @ plane if mirrored else plane
    return mirrored, float(np.arctan2(rotation[1, 0], rotation[0, 0]))


def point_group(group: str | PointGroup | Group, argument: str = "group") -> PointGroup:
    """Returns a group by its name.

    Args:
        group: `"so2"` (all rotations), `"o2"` (and mirrors), `"c8"` (rotations by multiples of an
            eighth of a turn), `"d8"` (and mirrors), with any number from 1 to 200; or the name of a
            group of the pixel grid, such as `"p4m"` for `"d4"`. A `PointGroup` is returned
            unchanged.
        argument: what the message calls it.

    Raises:
        ValueError: if no group has that name, or the group has no fields.
    """
    if isinstance(group, PointGroup):
        return group
    name = group.name if isinstance(group, Group) else group
    text = _PIXEL_NAMES.get(name.lower(), name.lower()) if isinstance(name, str) else ""
    if text in ("so2", "o2"):
        return PointGroup(None, text == "o2")
    match = re.fullmatch(r"([cd])([1-9]\d{0,5})", text)
    if match is None or int(match[2]) > LARGEST_TURNS:
        if isinstance(group, Group) or name in names() or text in names():
            raise ValueError(
                f"{argument}={group!r} has no Fields. Choose 'so2', 'o2', 'c8' or 'd8', with any "
                f"number in place of 8, or layers such as GConv2D, which take {name!r}."
            )
        raise ValueError(
            f"{argument}={group!r} is unknown. Choose 'so2' (rotations by any angle), 'o2' (and "
            "mirrors), 'c8' (multiples of an eighth of a turn) or 'd8' (and mirrors), with any "
            f"number from 1 to {LARGEST_TURNS} in place of 8."
        )
    return PointGroup(int(match[2]), match[1] == "d")


def find_group(group: str | PointGroup | Group, argument: str = "group") -> Group | PointGroup:
    """Returns a group of the pixel grid, for layers such as `GConv2D`, or another `PointGroup`.

    Args:
        group: a group or its name. `"d4"` and `"p4m"` are the same group.
        argument: what the message calls it.

    Raises:
        ValueError: if no group has that name.
    """
    if isinstance(group, Group):
        return get(group)
    if isinstance(group, str) and {group, group.lower()} & {*names()}:
        return get(group)
    try:
        point = point_group(group)
    except ValueError:
        raise ValueError(
            f"{argument}={group!r} is unknown. Choose one of {', '.join(names())}; 'so2' for all "
            "rotations, 'o2' for mirrors too; or 'c8' and 'd8', with any number from 1 to "
            f"{LARGEST_TURNS} in place of 8."
        ) from None
    return point.pixel_group if point.is_on_pixels else point


def pixel_point_group(group: Group) -> PointGroup | None:
    """Returns the group with the elements of one of the pixel grid, or None if there is none."""
    name = _PIXEL_NAMES.get(group.name)
    return None if name is None else point_group(name)


def names_of(irreps: Iterable[Irrep]) -> list[int | str]:
    """Returns the names of irreps."""
    return [irrep.name for irrep in irreps]
