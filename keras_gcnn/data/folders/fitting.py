"""Brings images of any size and colour to one shape."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from keras_gcnn.data.folders.blocks import by_blocks
from keras_gcnn.data.folders.decoding import Header

FITS = ("crop", "pad", "stretch", "center")
Box = tuple[float, float, float, float]
"""The columns and rows between which a part of an image lies: left, top, right, bottom."""

INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos")
_LARGEST_SCALED = 2**24  # pixels; of larger images only the part that is kept is scaled
_LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601


@dataclass(frozen=True)
class Shape:
    """How images are brought to one shape.

    Args:
        rows, columns: of the result.
        channels: 1 for grey images, 3 for colour.
        fit: `"crop"` scales an image until it covers the shape and cuts off the rest on both sides,
            `"pad"` scales it until it fits in and fills the rest with zeros, `"stretch"` scales
            both axes, `"center"` does not scale: it cuts off or fills on all sides.
        interpolation: `"nearest"`, `"bilinear"`, `"bicubic"` or `"lanczos"`; where images become
            smaller all but the first average.
    """

    rows: int
    columns: int
    channels: int
    fit: str = "crop"
    interpolation: str = "bilinear"


def most_frequent_size(headers: Sequence[Header]) -> tuple[int, int]:
    """Returns the most frequent rows and columns; of several the largest."""
    counts = Counter((header.rows, header.columns) for header in headers)
    return max(counts, key=lambda size: (counts[size], size))


def fit_image(image: np.ndarray, shape: Shape) -> np.ndarray:
    """Returns an image of the shape, of the same type.

    Args:
        image: array of shape `(rows, columns, 1 or 3)`.
        shape: of the result.
    """
    image = _colored(image, shape.channels)
    rows, columns = image.shape[:2]
    wanted = (shape.rows, shape.columns)
    if (rows, columns) == wanted:
        return image
    if shape.fit == "stretch":
        return _scaled(image, wanted, shape.interpolation)
    if shape.fit != "center":
        covering = _covering((rows, columns), shape)
        if math.prod(covering) > max(_LARGEST_SCALED, 4 * math.prod(wanted)):
            # An image of very different rows and columns, which would take gigabytes.
            return _scaled(image, wanted, shape.interpolation, _kept(covering, wanted, image))
        image = _scaled(image, covering, shape.interpolation)
    return _centered(image, wanted)


def unfit_image(image: np.ndarray, shape: Shape, size: tuple[int, int]) -> np.ndarray:
    """Returns a fitted mask in the size of the image that `fit_image` brought to the shape.

    It is scaled by nearest neighbours; what was cut off is zero.

    Args:
        image: array of the shape.
        shape: with the way in which the image was fitted.
        size: rows and columns before that.
    """
    if shape.fit in ("crop", "pad"):
        image = _centered(image, _covering(size, shape))
    return _scaled(image, size, "nearest") if shape.fit != "center" else _centered(image, size)


def _covering(size: tuple[int, int], shape: Shape) -> tuple[int, int]:
    """Returns the size to which an image is scaled before it is cut off or filled."""
    rows, columns = size
    choose = max if shape.fit == "crop" else min
    factor = choose(shape.rows / rows, shape.columns / columns)
    return max(1, round(rows * factor)), max(1, round(columns * factor))


def _kept(covering: tuple[int, int], wanted: tuple[int, int], image: np.ndarray) -> Box:
    """Returns the part of an image that is left when the image is scaled and its sides cut off."""
    parts = []
    for scaled, size, given in zip(covering, wanted, image.shape, strict=False):
        start, pixel = (scaled - size) // 2, given / scaled
        parts.append((start * pixel, min((start + size) * pixel, given)))
    (top, bottom), (left, right) = parts
    return left, top, right, bottom


def _colored(image: np.ndarray, channels: int) -> np.ndarray:
    if image.shape[-1] == channels:
        return image
    if channels == 3:
        return np.repeat(image, 3, axis=-1)
    return by_blocks(_grey, image)


def _grey(image: np.ndarray) -> np.ndarray:
    grey = image @ _LUMA
    return (grey if image.dtype.kind == "f" else np.round(grey)).astype(image.dtype)[..., None]


def _scaled(
    image: np.ndarray, size: tuple[int, int], interpolation: str, box: Box | None = None
) -> np.ndarray:
    """Returns an image, or the part of it in a box, with this many rows and columns."""
    if image.shape[:2] == size and box is None:
        return image
    from PIL import Image

    method = getattr(Image.Resampling, interpolation.upper())
    if image.dtype == np.uint8:
        flat = image[..., 0] if image.shape[-1] == 1 else image
        scaled = np.asarray(Image.fromarray(flat).resize(size[::-1], method, box))
        return scaled.reshape(*size, image.shape[-1])
    channels = [  # Pillow scales such numbers one channel at a time
        Image.fromarray(channel.astype("float32")) for channel in np.moveaxis(image, -1, 0)
    ]
    resized = [np.asarray(each.resize(size[::-1], method, box)) for each in channels]
    scaled = np.stack(resized, axis=-1)
    if image.dtype.kind == "f":
        return np.clip(scaled, 0, 1)
    return np.clip(np.round(scaled), 0, np.iinfo(image.dtype).max).astype(image.dtype)


def _centered(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Cuts off or fills with zeros on both sides of each axis."""
    for axis, wanted in enumerate(size):
        given = image.shape[axis]
        if given > wanted:
            start = (given - wanted) // 2
            image = np.take(image, range(start, start + wanted), axis)
        elif given < wanted:
            before = (wanted - given) // 2
            width = [(0, 0)] * image.ndim
            width[axis] = (before, wanted - given - before)
            image = np.pad(image, width)
    return image


def as_type(image: np.ndarray, dtype: str) -> np.ndarray:
    """Returns an image in another type, in which the same number is white."""
    if image.dtype == dtype:
        return image
    white = {"u": lambda dtype: np.iinfo(dtype).max, "f": lambda dtype: 1}
    before, after = (np.dtype(each) for each in (image.dtype, dtype))
    scaled = image * (white[after.kind](after) / white[before.kind](before))
    return (scaled if after.kind == "f" else np.round(scaled)).astype(after)
