"""Checks of the arguments of `keras_gcnn.data.load`."""

from __future__ import annotations

from collections.abc import Collection
from numbers import Integral, Real

SPLITS = ("train", "validation", "test")


def check_options(
    validation: float | int,
    subset: int | None,
    test_subset: int | None,
    rotate: Collection[str],
    seed: int,
) -> None:
    """Checks arguments of `keras_gcnn.data.load` before the data are read.

    Raises:
        ValueError: if a value is not possible.
    """
    for name, size in (("subset", subset), ("test_subset", test_subset)):
        if size is not None and not (_is_integer(size) and size > 0):
            raise ValueError(f"{name}={size!r}: expected a positive integer, or None for all.")
    number = isinstance(validation, Real) and not isinstance(validation, bool)
    if not number or not validation >= 0 or (not _is_integer(validation) and validation >= 1):
        raise ValueError(
            f"validation={validation!r}: expected a fraction (float) in [0, 1) or a number of "
            "images (int) from 0."
        )
    # A string is a collection too, of letters.
    named = isinstance(rotate, Collection) and not isinstance(rotate, str)
    if not named or not all(isinstance(split, str) and split in SPLITS for split in rotate):
        raise ValueError(
            f"rotate={rotate!r}: expected a collection of the splits {', '.join(SPLITS)}, e.g. "
            'rotate=["train", "test"]; () for none.'
        )
    if not (_is_integer(seed) and seed >= 0):
        raise ValueError(f"seed={seed!r}: expected an integer that is not negative.")


def validation_count(validation: float | int, available: int) -> int:
    """Returns how many of the training images are set aside for validation.

    Raises:
        ValueError: if none would be left to train on.
    """
    count = int(validation) if _is_integer(validation) else round(validation * available)
    if count >= available:
        raise ValueError(
            f"validation={validation!r} asks for {count:,} of {available:,} training images and "
            "leaves none to train on. Use a smaller number."
        )
    return count


def _is_integer(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)
