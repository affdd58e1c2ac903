"""Masks: images in which the number, or the colour, of a pixel is its class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np

from keras_gcnn.data.folders.blocks import by_blocks, count_values
from keras_gcnn.data.folders.cache import MOST_VALUES, Content, Progress, Stored, silent, store
from keras_gcnn.data.folders.decoding import BadImageError, Header, decode
from keras_gcnn.data.folders.fitting import Shape, fit_image
from keras_gcnn.data.folders.stored import StoredMasks
from keras_gcnn.data.folders.targets import Targets

KINDS = ("values", "foreground")
FOREGROUND = ("background", "foreground")
"""Names of the classes of masks with two values, of which one is 0."""

_COLOUR = 2**24  # from here on a number stands for a colour
_FLOATS = (
    "has floating-point numbers; a mask needs a whole number for each class. Write it with 8 or 16 "
    "bits"
)
_SHOWN = 5  # of many values


def decode_mask(path: Path) -> np.ndarray:
    """Reads a mask.

    A pixel of a palette is its index, a grey one its brightness, and a colour `2**24` and the
    colour's number, so that equal pixels are equal numbers in whatever kind of file.

    Returns:
        Array of unsigned integers of shape `(rows, columns)`.

    Raises:
        BadImageError: as `decode`, and for floating-point numbers.
    """
    image = decode(path, indices=True)
    if image.dtype.kind == "f":
        raise BadImageError(_FLOATS)
    if image.shape[-1] == 1:
        return image[..., 0]
    if image.dtype != np.uint8:
        raise BadImageError("has colours of 16 bits; write the mask with 8 bits")
    return by_blocks(_numbered, image)


def _numbered(colours: np.ndarray) -> np.ndarray:
    """Returns the numbers of 8-bit colours, and of those that are grey the brightness."""
    red, green, blue = np.moveaxis(colours.astype("uint32"), -1, 0)
    number = _COLOUR + (red << 16) + (green << 8) + blue
    return np.where((red == green) & (green == blue), red, number)


def fit_mask(mask: np.ndarray, shape: Shape) -> np.ndarray:
    """Brings a mask to a shape as its image is brought to it, by nearest neighbours.

    Pixels that are added get the value 0.
    """
    shape = replace(shape, channels=1, interpolation="nearest")
    if mask.dtype in (np.uint8, np.uint16):
        return fit_image(mask[..., None], shape)[..., 0]
    # Scaled as small indices, since scaling goes through float32; the index 0 is the value 0.
    values = np.array(sorted({0, *count_values(mask)}), "uint32")
    if len(values) > np.iinfo("uint16").max:
        raise BadImageError(f"has {len(values):,} different values; expected one for each class")
    dtype = np.min_scalar_type(len(values) - 1)
    small = by_blocks(lambda part: np.searchsorted(values, part).astype(dtype), mask)
    return values[fit_image(small[..., None], shape)[..., 0]]


def check_pair(image: Header, mask: Header) -> str | None:
    """Returns what is wrong with the mask of an image as far as their headers say, or None."""
    if (image.rows, image.columns) != (mask.rows, mask.columns):
        return (
            f"has {image.rows:,} x {image.columns:,} pixels, and its mask {mask.rows:,} x "
            f"{mask.columns:,}"
        )
    if mask.lossy:
        return (
            "its mask is compressed as photographs are (JPEG, or WebP with losses), which changes "
            "values at boundaries; round them to those of the classes and write it as PNG"
        )
    return f"its mask {_FLOATS}" if mask.bits == 32 else None


class Palettes:
    """The palettes of masks, of which an index has to be the same colour everywhere."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[bytes, Path]] = {}
        self._good: set[bytes] = set()

    def check(self, path: Path, palette: bytes) -> str | None:
        """Returns in what the palette of a mask differs from those before, or None."""
        if palette in self._good:
            return None
        colours = [palette[start : start + 3] for start in range(0, len(palette), 3)]
        for index, colour in enumerate(colours):
            known, other = self._known.get(index, (colour, path))
            if colour != known:
                return (
                    f"its mask has the colour #{colour.hex()} as number {index} of its palette, "
                    f"which is #{known.hex()} in {other}; write all masks with one palette, or in "
                    "colours"
                )
        for index, colour in enumerate(colours):
            self._known.setdefault(index, (colour, path))
        self._good.add(palette)
        return None


def store_masks(
    paths: Sequence[Path],
    shape: Shape,
    kind: str,
    folder: Path,
    workers: int | None = None,
    progress: Progress = silent,
) -> Stored:
    """Decodes masks into a file, or finds the file of an earlier call; errors as in `store`.

    Args:
        paths: of the masks.
        shape: to which the images are brought.
        kind: `"values"`, where each value is a class, or `"foreground"`, where all values but 0 are
            one class.
        folder: for the file.
        workers: number of threads; None for one per processor.
        progress: shows progress.

    Returns:
        The file, the values in each mask, and the reasons why masks cannot be used.
    """

    def read(path: Path) -> np.ndarray | str:
        try:
            mask = decode_mask(path)
            mask = (mask != 0).astype("uint8") if kind == "foreground" else mask
            return fit_mask(mask, shape).astype("uint32")
        except BadImageError as error:
            return f"its mask {error}"

    size = (shape.rows, shape.columns)
    key = ["mask", kind, *size, shape.fit]
    return store(paths, Content(size, "uint32", read, key, collect=True), folder, workers, progress)


def mask_targets(
    folder: Path, stored: Stored, shape: Shape, classes: Sequence[str] | None = None
) -> Targets:
    """Returns indices of classes for every pixel, which are read as they are needed.

    Args:
        folder: of the masks, for messages.
        stored: the masks.
        shape: to which they were brought.
        classes: names of the classes; None for the values that there are.

    Raises:
        ValueError: if there are too many values, only one, or others than those of the classes.
    """
    found = sorted(set().union(*stored.values))
    if classes is None:
        classes, values = class_names(folder, found), found
    else:
        values = [_value_of(name, index) for index, name in enumerate(classes)]
        others = [name_of(value) for value in found if value not in values]
        if others:
            raise ValueError(
                f"The masks in {folder} have the values {', '.join(others[:_SHOWN])}, which are "
                f"none of the classes {', '.join(classes)}. Write them as in the training."
            )
        order = np.argsort(values)
        if list(order) != list(range(len(values))):
            raise ValueError(f"classes={list(classes)!r}: expected names in the order of values.")
    masks = StoredMasks(
        stored.path, (len(stored.values), shape.rows, shape.columns), "uint32", values
    )
    present = np.array([[value in each for value in values] for each in stored.values])
    strata = np.zeros(len(stored.values), "int64")
    return Targets(cast(np.ndarray, masks), tuple(classes), strata, present)


def class_names(folder: Path, values: Sequence[int]) -> tuple[str, ...]:
    """Returns names for the values of masks: the value or the colour, such as "2" or "#ff0000".

    Args:
        folder: for messages.
        values: in ascending order.

    Raises:
        ValueError: if there is one value only, or more than there may be classes.
    """
    if len(values) > MOST_VALUES:
        raise ValueError(
            f"The masks in {folder} have more than {MOST_VALUES} different values; expected one "
            'for each class. If they number objects, pass masks="foreground".'
        )
    if len(values) < 2:
        named = "no value" if not values else f"the value {name_of(values[0])} alone"
        raise ValueError(
            f"The masks in {folder} have {named}; there is nothing to tell apart. A mask needs a "
            "value for each class, such as 0 for the background."
        )
    if len(values) == 2 and values[0] == 0:
        return FOREGROUND
    return tuple(map(name_of, values))


def name_of(value: int) -> str:
    """Returns the name of a value of a mask: its number or its colour."""
    return str(value) if value < _COLOUR else f"#{value - _COLOUR:06x}"


def _value_of(name: str, index: int) -> int:
    """Returns the value of a class from its name, the inverse of `name_of`."""
    if name in FOREGROUND:
        return index
    try:
        return _COLOUR + int(name[1:], 16) if name.startswith("#") else int(name)
    except ValueError:
        raise ValueError(
            f"The class {name!r} is no value of a mask; expected a number, or a colour such as "
            "#ff0000."
        ) from None
