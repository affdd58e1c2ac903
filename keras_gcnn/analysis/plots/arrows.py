"""Arrows on a map: the vectors at its positions, x to the right and y up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST = 28  # arrows along a side
_LONGEST = 14  # so many of the longest arrows, one above the other, are as high as the map
_SHORTEST = 0.1  # of the longest arrow; shorter ones are left out


def show_on_plane(axes: Axes, values: np.ndarray, **options: Any) -> None:
    """Shows a value for each position as colours; the origin is the centre.

    Args:
        axes: where.
        values: array of shape `(rows, columns)`.
        **options: colour map and limits, arguments of `imshow`.
    """
    height, width = values.shape
    extent = (-width / 2, width / 2, -height / 2, height / 2)
    axes.imshow(values, extent=extent, interpolation="nearest", **options)
    axes.set(xticks=[], yticks=[])


def positions(rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns x and y of all positions, each of shape `(rows, columns)`."""
    x, y = np.meshgrid(np.arange(columns) - (columns - 1) / 2, (rows - 1) / 2 - np.arange(rows))
    return x, y


def draw_arrows(axes: Axes, vectors: np.ndarray, longest: float) -> None:
    """Draws the vectors at some positions of a map, the longest at least as long as their gap.

    Args:
        axes: where.
        vectors: array of shape `(rows, columns, 2)`.
        longest: length of the longest vector.
    """
    rows, columns = (_spread(size) for size in vectors.shape[:2])
    gap = rows[1] - rows[0] if len(rows) > 1 else 1
    chosen = np.ix_(rows, columns)
    places = np.stack([each[chosen] for each in positions(*vectors.shape[:2])], axis=-1)
    relative = vectors[chosen] / longest
    long = np.linalg.norm(relative, axis=-1) > _SHORTEST
    quiver(axes, places[long], max(gap, len(vectors) / _LONGEST) * relative[long])


def quiver(axes: Axes, places: np.ndarray, vectors: np.ndarray) -> None:
    """Draws arrows at places, both of shape `(n, 2)`, in the units of the axes."""
    axes.quiver(*places.T, *vectors.T, angles="xy", scale_units="xy", scale=1, width=0.008)


def _spread(size: int) -> np.ndarray:
    """Returns at most `_MOST` indices of equal distance, which a mirror maps to themselves."""
    step = -(-size // _MOST)
    while (size - 1) % step % 2:
        step += 1
    return np.arange((size - 1) % step // 2, size, step)
