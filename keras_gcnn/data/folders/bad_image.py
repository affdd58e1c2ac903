"""The reasons for which an image cannot be used, and the checks of its size and numbers."""

from __future__ import annotations

import numpy as np

MOST_PIXELS = 2**26
"""Of one image: 8,192 x 8,192. Decoding a larger one could take gigabytes."""


UNSIGNED = "write it with unsigned integers of 8 or 16 bits"
"""What to do about other integers."""


class BadImageError(ValueError):
    """An image file that cannot be used; the message is the reason, without the name."""


def check_size(size: tuple[int, int]) -> None:
    """Raises a `BadImageError` for an image of too many pixels, given columns and rows."""
    columns, rows = size
    if columns * rows > MOST_PIXELS:
        raise BadImageError(
            f"has {rows:,} x {columns:,} pixels, more than {MOST_PIXELS:,}; cut it into tiles"
        )


def check_floats(values: np.ndarray) -> np.ndarray:
    """Returns an image of floating-point numbers as float32, or raises a `BadImageError`."""
    if not (np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1):
        raise BadImageError(
            "has floating-point numbers outside [0, 1]; scale an image to it, and write a mask "
            "with whole numbers"
        )
    return values.astype("float32")


def check_integers(values: np.ndarray) -> np.ndarray:
    """Returns an image of integers as uint16, or raises a `BadImageError`."""
    if values.min() < 0:
        raise BadImageError(f"has negative numbers; {UNSIGNED}")
    if values.max() > np.iinfo("uint16").max:
        raise BadImageError(f"has numbers above {np.iinfo('uint16').max:,}; {UNSIGNED}")
    return values.astype("uint16")
