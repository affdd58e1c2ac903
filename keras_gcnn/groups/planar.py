"""The point groups of the square grid, named by their wallpaper groups, and `flip`."""

from __future__ import annotations

import reprlib
from typing import Any

import numpy as np

from keras_gcnn.groups.group import Group

_QUARTER_TURN = np.array([[0, -1], [1, 0]])  # counter-clockwise on the screen, rows down
_MIRROR = np.diag([-1, 1])  # reverses the rows


def _elements(turns: tuple[int, ...], mirrored: tuple[int, ...]) -> dict[str, np.ndarray]:
    """Returns the elements `m^a r^b`: b quarter turns, then a mirrors.

    Args:
        turns: numbers of quarter turns without a mirror, 0 first.
        mirrored: numbers of quarter turns before a mirror.
    """
    elements = {}
    for mirror, numbers in enumerate((turns, mirrored)):
        for turn in numbers:
            rotation = {0: "", 1: "r"}.get(turn, f"r{turn}")
            name = "m" * mirror + rotation or "e"
            elements[name] = np.linalg.matrix_power(_MIRROR, mirror) @ np.linalg.matrix_power(
                _QUARTER_TURN, turn
            )
    return elements


_GROUPS = {
    name: Group(name, _elements(turns, mirrored))
    for name, turns, mirrored in (
        ("z2", (0,), ()),
        ("p2", (0, 2), ()),
        ("pm", (0,), (0,)),
        ("flip", (0,), (2,)),
        ("p4", (0, 1, 2, 3), ()),
        ("pmm", (0, 2), (0, 2)),
        ("p4m", (0, 1, 2, 3), (0, 1, 2, 3)),
    )
}


def names() -> tuple[str, ...]:
    """Returns the names of all groups, smallest first."""
    return tuple(_GROUPS)


def get(group: str | Group) -> Group:
    """Returns a group by its name.

    Args:
        group: str or `Group`. `"z2"` (translations only: ordinary convolutions), `"p2"` (half
            turns), `"pm"` (a mirror that exchanges above and below), `"flip"` (one that exchanges
            left and right), `"p4"` (quarter turns), `"pmm"` (half turns and both mirrors) or
            `"p4m"` (quarter turns and all mirrors), also in upper case. A `Group` is returned
            unchanged.

    Returns:
        The `Group`.

    Raises:
        ValueError: if no group has that name, or if a different group has the name of `group`.

    Example:

    >>> from keras_gcnn import groups
    >>> groups.get("p4").elements
    ('e', 'r', 'r2', 'r3')
    """
    if isinstance(group, Group):
        if _GROUPS.get(group.name, group) != group:  # saved layers store the name alone
            raise ValueError(
                f"{group!r} is not the registered group named {group.name!r}. Give it another name."
            )
        return group
    known = _GROUPS.get(group, _GROUPS.get(group.lower())) if isinstance(group, str) else None
    if known is None:
        raise ValueError(
            f"Unknown group {reprlib.repr(group)}. Choose one of {', '.join(_GROUPS)}, or register "
            f"your own with keras_gcnn.groups.register. {_about_fields(group)}"
        )
    return known


def _about_fields(name: Any) -> str:
    """Says which groups are for steerable layers, and what of them is exact on the pixel grid."""
    from keras_gcnn.groups.point_group import point_group  # which imports this file

    try:
        of_fields = point_group(name)
    except ValueError:
        return (
            "For rotations by any angle use the steerable layers, which are exact under 'p4', the "
            "quarter turns."
        )
    if of_fields.is_on_pixels:
        return f"{of_fields.pixel_group.name!r} has the elements of {of_fields.name!r}: name that."
    return (
        f"{of_fields.name!r} is a group of Fields, for steerable layers such as SteerableConv2D. "
        f"Its elements that move pixels to pixels are those of {of_fields.pixel_group.name!r}."
    )


def register(group: Group) -> Group:
    """Registers a group by its name, so that saved layers on it can be loaded.

    Args:
        group: `Group`.

    Returns:
        The same group.

    Raises:
        TypeError: if it is no `Group`.
        ValueError: if a different group of that name is registered, in small or capital letters.
    """
    if not isinstance(group, Group):
        raise TypeError(
            f"{group!r} is no group. Make one by keras_gcnn.groups.Group(name, elements)."
        )
    for name, known in _GROUPS.items():  # `get` finds names in capital letters too
        if name.lower() == group.name.lower() and (name != group.name or known != group):
            raise ValueError(f"There is another group named {name!r}. Choose another name.")
    _GROUPS[group.name] = group
    return group


def subgroups(group: str | Group) -> tuple[Group, ...]:
    """Returns `group` and all its registered subgroups, largest first."""
    group = get(group)
    # The group itself need not be registered.
    smaller = [other for other in _GROUPS.values() if group.contains(other) and other != group]
    return (group, *sorted(smaller, key=lambda other: -other.order))
