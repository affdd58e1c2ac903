"""When a convolution or a pooling on the pixel grid commutes exactly with a group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from keras_gcnn.groups.borders import border_widths, places_read, smallest_size
from keras_gcnn.groups.group import Group

_AXES = ("rows", "columns")
_ARGUMENTS = {"stride": "strides", "dilation": "dilation_rate"}
_LARGEST_STRIDE = 256  # for which exact sizes are searched; a file can contain any stride
_MOST_PLACES = 10**6  # number of places that are compared one by one


def window_problem(
    group: Group,
    sizes: Sequence[int | None],
    window: Sequence[int],
    strides: Sequence[int],
    padding: str,
    dilation: Sequence[int] = (1, 1),
    *,
    pooling: bool = False,
) -> str | None:
    """Returns why a sliding window is not equivariant, or None if it is.

    The window visits the same places before and after the grid is rotated if and only if, along
    every axis that some group element reverses, the padding is symmetric and the last visit ends at
    the border: `(size + padding - window) mod stride == 0`. If some element exchanges rows and
    columns, both need the same stride and dilation. What fills the padding, zeros or places of the
    map, makes no difference. Windows that visit a single place, read only zeros, or read a place
    twice can be exact otherwise; they are compared place by place.

    Args:
        group: `Group`.
        sizes: rows and columns of the input; None where unknown. A problem that depends on an
            unknown size is not reported.
        window: rows and columns of the kernel or pool, without dilation.
        strides: along rows and columns.
        padding: `"valid"` or `"same"`, as Keras understands them, or `"circular"` or `"reflect"`,
            which pad as much as `"same"` does (see `border_widths`).
        dilation: along rows and columns.
        pooling: bool, whether all places of a window count equally, so that its rows and columns
            can differ if both visit the same places.

    Returns:
        A clause such as `"a window of 3 with stride 2 leaves 1 of 28 rows ..."`, or None.
    """
    axes = _axes(window, strides, padding, dilation, pooling)
    problem = _problem(group, axes, sizes)
    return None if problem and _read_only_padding(axes, sizes, group.swaps_axes) else problem


def nearest_exact_sizes(
    group: Group,
    sizes: Sequence[int | None],
    window: Sequence[int],
    strides: Sequence[int],
    padding: str,
    dilation: Sequence[int] = (1, 1),
    *,
    pooling: bool = False,
) -> str | None:
    """Returns the nearest sizes on which a sliding window is equivariant, in words.

    Args:
        group: `Group`.
        sizes: rows and columns of the input; None where unknown.
        window: rows and columns of the kernel or pool, without dilation.
        strides: along rows and columns.
        padding: `"valid"` or `"same"`, as Keras understands them, or `"circular"` or `"reflect"`,
            which pad as much as `"same"` does (see `border_widths`).
        dilation: along rows and columns.
        pooling: bool, whether all places of a window count equally.

    Returns:
        A phrase such as `"97 or 95 rows and columns"`, without axes that fit already; None if all
        fit or no size near the given one does.
    """
    phrases: list[tuple[str, str]] = []
    axes = _axes(window, strides, padding, dilation, pooling)
    for axis, size, reverses in zip(axes, sizes, group.reverses_axis, strict=True):
        if size is None or not reverses or axis.problem(size) is None:
            continue
        if axis.stride > _LARGEST_STRIDE:
            return None
        # Exact sizes repeat with the stride. The larger one comes first, since it loses nothing.
        near = [
            next((n for n in candidates if n >= axis.smallest and axis.problem(n) is None), None)
            for candidates in (
                range(size + 1, size + axis.stride + 1),
                range(size - 1, size - axis.stride - 1, -1),
            )
        ]
        numbers = " or ".join(str(n) for n in near if n is not None)
        if not numbers:
            return None
        phrases.append((numbers, axis.name))
    if len(phrases) == 2 and phrases[0][0] == phrases[1][0]:
        phrases = [(phrases[0][0], "rows and columns")]
    return " and ".join(f"{numbers} {name}" for numbers, name in phrases) or None


@dataclass(frozen=True)
class _Axis:
    """A window that slides along rows or along columns."""

    window: int
    stride: int
    dilation: int
    padding: str
    pooling: bool
    name: str

    @property
    def extent(self) -> int:
        """Length of the window with its gaps."""
        return (self.window - 1) * self.dilation + 1

    @property
    def smallest(self) -> int:
        """The smallest size on which the window fits."""
        return smallest_size(self.extent, self.padding)

    def problem(self, size: int | None) -> str | None:
        """Returns why the visits change when the axis is reversed, or None if they do not."""
        problem = self._rule(size)
        if problem and size is not None and self._is_symmetric(size):
            return None
        return problem

    def _rule(self, size: int | None) -> str | None:
        if size is None and self.stride > 1:
            return None
        left_over = 0
        if self.padding != "valid":
            total = self.extent - 1
            if size is not None and self.stride > 1:
                total = self._total(size)
            if total > 0 and total % 2:
                return (
                    f'padding="{self.padding}" pads {total // 2} before and '
                    f"{total - total // 2} after the {self.name} (window {self.extent}, stride "
                    f"{self.stride}, {size or 'any number of'} {self.name})"
                )
            left_over = max(-total, 0)
        elif size is not None:
            left_over = (size - self.extent) % self.stride
        if left_over:
            return (
                f"a window of {self.extent} with stride {self.stride} leaves {left_over} of {size} "
                f"{self.name} unvisited at one border"
            )
        return None

    def _total(self, size: int) -> int:
        """Returns the padding that the last visit needs; negative if places are left over."""
        return (size - 1) // self.stride * self.stride + self.extent - size

    def visits(self, size: int) -> np.ndarray:
        """Returns the place that each part of the window reads at each visit, -1 for a zero.

        The shape is (visits, window). A pooling does not distinguish the parts of its window: for
        a pooling the result is whether a visit reads a place, of shape (visits, size).
        """
        before, number = 0, max(0, (size - self.extent) // self.stride + 1)
        if self.padding != "valid":
            before, _ = border_widths(size, self.extent, self.stride)
            number = -(-size // self.stride)
        first = np.arange(number)[:, None] * self.stride - before
        places = first + np.arange(self.window) * self.dilation
        places = places_read(places, size, self.padding)
        if not self.pooling:
            return places
        reads = np.zeros((number, size + 1), bool)
        reads[np.arange(number)[:, None], places] = True
        return reads[:, :-1]

    def has_few_places(self, size: int) -> bool:
        """Whether there are few enough places to compare those of all visits."""
        return (size // self.stride + 1) * max(self.window, size) <= _MOST_PLACES

    def _is_symmetric(self, size: int) -> bool:
        if not self.has_few_places(size):
            return False
        visits = self.visits(size)
        reversed_ = visits if self.pooling else np.where(visits < 0, -1, size - 1 - visits)
        return np.array_equal(visits, reversed_[::-1, ::-1])


def _problem(group: Group, axes: Sequence[_Axis], sizes: Sequence[int | None]) -> str | None:
    """Returns why the visits change when the grid is rotated or mirrored, or None."""
    if group.swaps_axes:
        for name in ("window", "stride", "dilation"):
            pair = tuple(getattr(axis, name) for axis in axes)
            if pair[0] != pair[1] and not _visit_the_same(axes, sizes):
                return f"{_ARGUMENTS.get(name, name)}={pair} treats rows and columns differently"
    for axis, size, reverses in zip(axes, sizes, group.reverses_axis, strict=True):
        if reverses and (problem := axis.problem(size)):
            return problem
    return None


def _axes(
    window: Sequence[int],
    strides: Sequence[int],
    padding: str,
    dilation: Sequence[int],
    pooling: bool,
) -> list[_Axis]:
    axes = []
    for name, length, stride, gap in zip(_AXES, window, strides, dilation, strict=True):
        gap = 1 if length == 1 else gap  # a window of one place has no gaps
        axes.append(_Axis(length, stride, gap, padding, pooling, name))
    return axes


def _visit_the_same(axes: Sequence[_Axis], sizes: Sequence[int | None]) -> bool:
    """Whether both windows visit the same places, on axes of either size."""
    rows, columns = axes
    known = _sizes_to_compare(axes, sizes)
    return bool(known) and all(
        np.array_equal(rows.visits(size), columns.visits(size)) for size in known
    )


def _read_only_padding(axes: Sequence[_Axis], sizes: Sequence[int | None], swaps: bool) -> bool:
    """Whether the windows read only padding, so that the output is zero in every pose."""
    known = _sizes_to_compare(axes, sizes)
    if not known:
        return False
    rows, columns = ([axis.visits(size) for size in known] for axis in axes)
    if not any((places < 0).all() for places in (rows[0], columns[1])):
        return False
    if not swaps:
        return True
    equal_shapes = all(row.shape == column.shape for row, column in zip(rows, columns, strict=True))
    return equal_shapes and any((places < 0).all() for places in (rows[1], columns[0]))


def _sizes_to_compare(axes: Sequence[_Axis], sizes: Sequence[int | None]) -> list[int]:
    """Returns both sizes; [] if one is unknown or there are too many places to compare."""
    known = [size for size in sizes if size is not None]
    few = all(axis.has_few_places(size) for axis in axes for size in known)
    return known if few and len(known) == len(sizes) else []


def exact_window(size: int, stride: int) -> int:
    """Returns the smallest window from the stride on that leaves no remainder without padding.

    For stride 2 it is 2 on an even and 3 on an odd size.
    """
    return stride + size % stride
