"""Masks: images in which the number, or the colour, of a pixel is its class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np

from keras_gcnn.data.folders.cache import MOST_VALUES, Content, Progress, silent, store
from keras_gcnn.data.folders.decoding import BadImageError, Header, decode
from keras_gcnn.data.folders.fitting import Shape, fit_image
from keras_gcnn.data.folders.stored import StoredMasks
from keras_gcnn.data.folders.targets import Targets

KINDS = ("values", "foreground")
FOREGROUND = ("background", "foreground")
"""Names of the classes of masks with two values, of which one is 0."""

_COLOUR = 2**24  # from here on a number stands for a colour


def decode_mask(path: Path) -> np.ndarray:
    """Reads a mask.

    A pixel of a palette is its index, a grey one its brightness, and a colour `2**24` and the
    colour's number, so that equal pixels are equal numbers in whatever kind of file.

    Returns:
        uint32 array of shape `(rows, columns)`.

    Raises:
        BadImageError: as `decode`, and for floating-point numbers.
    """
    image = decode(path, indices=True)
    if image.dtype.kind == "f":
        raise BadImageError(
            "has floating-point numbers; a mask needs a whole number for each class"
        )
    if image.shape[-1] == 1:
        return image[..., 0].astype("uint32")
    if image.dtype != np.uint8:
        raise BadImageError("has colours of 16 bits; write the mask with 8 bits")
    red, green, blue = np.moveaxis(image.astype("uint32"), -1, 0)
    colour = _COLOUR + (red << 16) + (green << 8) + blue
    return np.where((red == green) & (green == blue), red, colour)


def fit_mask(mask: np.ndarray, shape: Shape) -> np.ndarray:
    """Brings a mask to a shape as its image is brought to it, by nearest neighbours.

    Pixels that are added get the value 0.
    """
    # Scaled as small indices, since scaling goes through float32; the index 0 is the value 0.
    values, index = np.unique(np.append(mask, np.uint32(0)), return_inverse=True)
    if len(values) > np.iinfo("uint16").max:
        raise BadImageError(f"has {len(values):,} different values; expected one for each class")
    small = index[:-1].reshape(*mask.shape, 1).astype("uint16")
    return values[fit_image(small, replace(shape, channels=1, interpolation="nearest"))[..., 0]]


def check_pair(image: Header, mask: Header) -> str | None:
    """Returns what is wrong if a mask has not the size of its image, or None."""
    if (image.rows, image.columns) == (mask.rows, mask.columns):
        return None
    return (
        f"has {image.rows:,} x {image.columns:,} pixels, and its mask {mask.rows:,} x "
        f"{mask.columns:,}"
    )


def store_masks(
    paths: Sequence[Path],
    shape: Shape,
    kind: str,
    folder: Path,
    workers: int | None = None,
    progress: Progress = silent,
) -> tuple[Targets, dict[int, str]]:
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
        Indices of classes for every pixel, which are read as they are needed, and a dict from the
        indices of the masks that cannot be used to the reasons.

    Raises:
        ValueError: if there are too many values, or only one.
    """

    def read(path: Path) -> np.ndarray | str:
        try:
            mask = decode_mask(path)
            return fit_mask((mask != 0).astype("uint32") if kind == "foreground" else mask, shape)
        except BadImageError as error:
            return f"its mask {error}"

    size = (shape.rows, shape.columns)
    key = ["mask", kind, *size, shape.fit]
    stored = store(
        paths, Content(size, "uint32", read, key, collect=True), folder, workers, progress
    )
    classes = class_names(paths[0].parent, stored.values)
    masks = StoredMasks(stored.path, (len(paths), *size), "uint32", stored.values)
    strata = np.zeros(len(paths), "int64")
    return Targets(cast(np.ndarray, masks), classes, strata), stored.reasons


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
            'for each class. If they number objects, pass masks="foreground"; if they are JPEG '
            "files, whose compression blurs values, write them as PNG."
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
