"""Large images, some rows at a time, so that what is computed of them takes little memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

_PIXELS = 2**20  # of a block


def blocks(rows: int, columns: int) -> Iterator[slice]:
    """Yields slices of rows that together are all rows of an image.

    Example:

    >>> list(blocks(3, 2**20))
    [slice(0, 1, None), slice(1, 2, None), slice(2, 3, None)]
    """
    step = max(1, _PIXELS // max(1, columns))
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))


def by_blocks(function: Callable[[np.ndarray], np.ndarray], image: np.ndarray) -> np.ndarray:
    """Returns `function(image)` of a function that computes every pixel by itself."""
    first = function(image[:1])
    result = np.empty((len(image), *first.shape[1:]), first.dtype)
    for part in blocks(*image.shape[:2]):
        result[part] = function(image[part])
    return result


def count_values(image: np.ndarray) -> dict[int, int]:
    """Returns how many pixels of an image of whole numbers have each value, in ascending order."""
    counts: dict[int, int] = {}
    for part in blocks(*image.shape[:2]):
        for value, count in zip(*np.unique(image[part], return_counts=True), strict=True):
            counts[int(value)] = counts.get(int(value), 0) + int(count)
    return dict(sorted(counts.items()))
