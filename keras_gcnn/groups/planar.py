"""The point groups of the square grid, named by their wallpaper groups."""

from __future__ import annotations

import numpy as np

from keras_gcnn.groups.group import Group

_QUARTER_TURN = np.array([[0, -1], [1, 0]])  # counter-clockwise on the screen, rows down
_MIRROR = np.diag([-1, 1])  # reverses the rows


def _elements(turns: tuple[int, ...], mirrored: bool) -> dict[str, np.ndarray]:
    """Elements `m^a r^b`: rotate by b quarter turns, then mirror a times; index `a * |turns| + i`.

    Args:
        turns: numbers of quarter turns, 0 first.
        mirrored: whether the mirror images belong to the group too.
    """
    elements = {}
    for mirror in range(2 if mirrored else 1):
        for turn in turns:
            rotation = {0: "", 1: "r"}.get(turn, f"r{turn}")
            name = "m" * mirror + rotation or "e"
            elements[name] = np.linalg.matrix_power(_MIRROR, mirror) @ np.linalg.matrix_power(
                _QUARTER_TURN, turn
            )
    return elements


_GROUPS = {
    name: Group(name, _elements(turns, mirrored))
    for name, turns, mirrored in (
        ("z2", (0,), False),
        ("p2", (0, 2), False),
        ("pm", (0,), True),
        ("p4", (0, 1, 2, 3), False),
        ("pmm", (0, 2), True),
        ("p4m", (0, 1, 2, 3), True),
    )
}


def names() -> tuple[str, ...]:
    """Names of the groups that `get` knows, smallest first."""
    return tuple(_GROUPS)


def get(group: str | Group) -> Group:
    """Finds a group by its name.

    Args:
        group: str or `Group`. `"z2"` (translations only: ordinary convolutions), `"p2"` (half
            turns), `"pm"` (a mirror that reverses the rows), `"p4"` (quarter turns), `"pmm"` (half
            turns and mirrors) or `"p4m"` (quarter turns and mirrors); upper case is accepted. A
            `Group` is returned as it is.

    Returns:
        The `Group`.

    Raises:
        ValueError: if there is no group of that name, or if another one has the name of `group`.

    Example:

    >>> from keras_gcnn import groups
    >>> groups.get("p4").elements
    ('e', 'r', 'r2', 'r3')
    """
    if isinstance(group, Group):
        if _GROUPS.get(group.name, group) != group:  # a saved layer knows its group by name
            raise ValueError(
                f"{group!r} is not the group known as {group.name!r}. Give yours another name."
            )
        return group
    found = _GROUPS.get(group, _GROUPS.get(group.lower())) if isinstance(group, str) else None
    if found is None:
        raise ValueError(
            f"Unknown group {group!r}. Choose one of {', '.join(_GROUPS)}, or make your own known "
            "with keras_gcnn.groups.register. Rotations by any angle have steerable layers, which "
            "are exact under 'p4', the quarter turns."
        )
    return found


def register(group: Group) -> Group:
    """Makes a group of your own known by its name, so that saved layers on it can be loaded.

    Args:
        group: `Group`.

    Returns:
        The same group.

    Raises:
        ValueError: if another group of that name is known already.
    """
    if _GROUPS.setdefault(group.name, group) != group:
        raise ValueError(f"There is another group named {group.name!r}. Choose another name.")
    return group


def subgroups(group: str | Group) -> tuple[Group, ...]:
    """All groups known to `get` that are subgroups of `group`, largest first, itself included."""
    group = get(group)
    # The group itself need not be among those that are known.
    found = [other for other in _GROUPS.values() if group.contains(other) and other != group]
    return (group, *sorted(found, key=lambda other: -other.order))
