"""When a convolution or a pooling on the pixel grid commutes with turning the image, exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from keras_gcnn.groups.group import Group

_AXES = ("rows", "columns")
_ARGUMENTS = {"stride": "strides", "dilation": "dilation_rate"}
_LARGEST_STRIDE = 256  # for which sizes are named; a file may state any
_MOST_PLACES = 10**6  # that are compared one by one


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
    """Says why a sliding window is not equivariant, or None if it is.

    The window visits the same places before and after the grid is turned if and only if, along
    every axis that some group element reverses, the padding is symmetric and the last visit ends at
    the border: `(size + padding - window) mod stride == 0`. If rows and columns are exchanged, both
    need the same stride and dilation. Windows that visit a single place or read nothing but zeros
    may be exact in spite of that; they are compared place by place.

    Args:
        group: `Group`.
        sizes: rows and columns of the input; None where unknown. What depends on an unknown size is
            no problem yet.
        window: rows and columns of the kernel or pool, without dilation.
        strides: along rows and columns.
        padding: `"valid"` or `"same"`, as Keras understands them.
        dilation: along rows and columns.
        pooling: bool, whether all places of a window count alike, so that rows and columns of the
            window may differ where both visit the same places.

    Returns:
        A clause such as `"a window of 3 with stride 2 leaves 1 of 28 rows ..."`, or None.
    """
    axes = _axes(window, strides, padding, dilation, pooling)
    problem = _problem(group, axes, sizes)
    return None if problem and _read_nothing(axes, sizes, group.swaps_axes) else problem


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
    """Names the sizes nearest to the given ones on which a sliding window is equivariant.

    Args:
        group: `Group`.
        sizes: rows and columns of the input; None where unknown.
        window: rows and columns of the kernel or pool, without dilation.
        strides: along rows and columns.
        padding: `"valid"` or `"same"`, as Keras understands them.
        dilation: along rows and columns.
        pooling: bool, whether all places of a window count alike.

    Returns:
        A phrase such as `"97 or 95 rows and columns"`, which leaves out what fits already, or None
        if no size near the given one fits or all do.
    """
    axes, found = _axes(window, strides, padding, dilation, pooling), []
    for one, size, reverses in zip(axes, sizes, group.reverses_axis, strict=True):
        if size is None or not reverses or one.problem(size) is None:
            continue
        if one.stride > _LARGEST_STRIDE:
            return None
        # What fits repeats with the stride. The larger size comes first: it loses nothing.
        near = [
            next((n for n in candidates if n >= one.smallest and one.problem(n) is None), None)
            for candidates in (
                range(size + 1, size + one.stride + 1),
                range(size - 1, size - one.stride - 1, -1),
            )
        ]
        names = " or ".join(str(n) for n in near if n is not None)
        if not names:
            return None
        found.append((names, one.name))
    if len(found) == 2 and found[0][0] == found[1][0]:
        found = [(found[0][0], "rows and columns")]
    return " and ".join(f"{names} {name}" for names, name in found) or None


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
        return self.extent if self.padding == "valid" else 1

    def problem(self, size: int | None) -> str | None:
        """Why the visits change when the axis is reversed, or None if they do not."""
        found = self._rule(size)
        if found and size is not None and self._is_symmetric(size):
            return None
        return found

    def _rule(self, size: int | None) -> str | None:
        if size is None and self.stride > 1:
            return None
        # What "same" pads follows TensorFlow's rule, which Keras uses on every backend.
        if self.padding == "same":
            total = self.extent - 1 if self.stride == 1 else self._total(size)
            if total > 0 and total % 2:
                return (
                    f'padding="same" pads {total // 2} before and {total - total // 2} after the '
                    f"{self.name} (window {self.extent}, stride {self.stride}, "
                    f"{size or 'any number of'} {self.name})"
                )
            left_over = max(-total, 0)
        else:
            left_over = (size - self.extent) % self.stride if self.stride > 1 else 0
        if left_over:
            return (
                f"a window of {self.extent} with stride {self.stride} leaves {left_over} of {size} "
                f"{self.name} unvisited at one border"
            )
        return None

    def _total(self, size: int) -> int:
        """What has to be added to an axis for its last visit; below zero what is left over."""
        return (size - 1) // self.stride * self.stride + self.extent - size

    def visits(self, size: int) -> np.ndarray:
        """The place that each part of the window reads at each visit, of shape (visits, window).

        It is -1 where that is padding. Of a pooling, which does not tell the parts of its window
        apart, it is whether a visit reads a place, of shape (visits, size).
        """
        before, number = 0, max(0, (size - self.extent) // self.stride + 1)
        if self.padding == "same":
            before, number = max(self._total(size), 0) // 2, -(-size // self.stride)
        first = np.arange(number)[:, None] * self.stride - before
        places = first + np.arange(self.window) * self.dilation
        places = np.where((places >= 0) & (places < size), places, -1)
        if not self.pooling:
            return places
        reads = np.zeros((number, size + 1), bool)
        reads[np.arange(number)[:, None], places] = True
        return reads[:, :-1]

    def has_few_places(self, size: int) -> bool:
        """Whether the places of all visits are few enough to be compared."""
        return (size // self.stride + 1) * max(self.window, size) <= _MOST_PLACES

    def _is_symmetric(self, size: int) -> bool:
        if not self.has_few_places(size):
            return False
        visits = self.visits(size)
        moved = visits if self.pooling else np.where(visits < 0, -1, size - 1 - visits)
        return np.array_equal(visits, moved[::-1, ::-1])


def _problem(group: Group, axes: Sequence[_Axis], sizes: Sequence[int | None]) -> str | None:
    """Why one window after the other changes its visits when the grid is turned, or None."""
    if group.swaps_axes:
        for name in ("window", "stride", "dilation"):
            pair = tuple(getattr(axis, name) for axis in axes)
            if pair[0] != pair[1] and not _visit_the_same(axes, sizes):
                return f"{_ARGUMENTS.get(name, name)}={pair} treats rows and columns differently"
    for axis, size, reverses in zip(axes, sizes, group.reverses_axis, strict=True):
        if reverses and (problem := axis.problem(size)):
            return problem
    return None


def _axes(window, strides, padding: str, dilation, pooling: bool) -> list[_Axis]:
    axes = []
    for name, length, stride, gap in zip(_AXES, window, strides, dilation, strict=True):
        gap = 1 if length == 1 else gap  # a window of one place has none
        axes.append(_Axis(length, stride, gap, padding, pooling, name))
    return axes


def _visit_the_same(axes: Sequence[_Axis], sizes: Sequence[int | None]) -> bool:
    """Whether both windows visit the same places, on axes of either size."""
    rows, columns = axes
    if None in sizes or not all(axis.has_few_places(size) for axis in axes for size in sizes):
        return False
    return all(np.array_equal(rows.visits(size), columns.visits(size)) for size in sizes)


def _read_nothing(axes: Sequence[_Axis], sizes: Sequence[int | None], swaps: bool) -> bool:
    """Whether all that the windows read is padding, so that the output is zero at every turn."""
    if None in sizes or not all(axis.has_few_places(size) for axis in axes for size in sizes):
        return False
    visits = [[axis.visits(size) for size in sizes] for axis in axes]
    upright, turned = ((visits[0][i], visits[1][1 - i]) for i in (0, 1))
    if not any((places < 0).all() for places in upright):
        return False
    if not swaps:
        return True
    same_shape = all(one.shape == other.shape for one, other in zip(*visits, strict=True))
    return same_shape and any((places < 0).all() for places in turned)


def exact_window(size: int, stride: int) -> int:
    """Smallest window, at least as large as the stride, that leaves no remainder without padding.

    For stride 2 that is 2 on an even and 3 on an odd size.
    """
    return stride + size % stride
