"""Reads the TIFF files that Pillow does not read, or not with all their bits."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from keras_gcnn.data.folders.bad_image import UNSIGNED, BadImageError, check_floats, check_size

COLUMNS, ROWS, BITS_PER_SAMPLE, PHOTOMETRIC, SAMPLE_FORMAT = 256, 257, 258, 262, 339
ORIENTATION = 274
"""Tags of TIFF; that of the orientation is also the one of EXIF."""

WHITE_IS_ZERO = 0
_RGB = 2  # the photometric interpretation of red, green and blue
_SIGNED = 2  # the format of integers with a sign
_IN_PLANES = 2  # the configuration of colours that lie one after the other


def is_deep(image) -> bool:  # noqa: ANN001 - of Pillow
    """Whether this is a TIFF with colours of 16 bits: Pillow keeps 8 of them, tifffile all."""
    if image.format != "TIFF" or image.mode not in ("RGB", "RGBA", "RGBX"):
        return False
    bits = image.tag_v2.get(BITS_PER_SAMPLE, (8,))
    return max(bits) == 16 and find_spec("tifffile") is not None


def is_signed(image) -> bool:  # noqa: ANN001 - of Pillow
    """Whether this is a TIFF of integers with a sign."""
    return image.format == "TIFF" and _SIGNED in image.tag_v2.get(SAMPLE_FORMAT, ())


def decode_tiff(path: Path, *, indices: bool = False) -> np.ndarray:
    """Reads a TIFF that Pillow does not know, such as colours of 16 bits; see `decode`."""
    try:
        with path.open("rb") as file:
            is_tiff = file.read(4) in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
    except OSError as error:
        raise BadImageError(f"may not be read ({error.strerror})") from None
    if not is_tiff:
        raise BadImageError("is no image")
    if find_spec("tifffile") is None:
        raise BadImageError("is a TIFF that needs the package tifffile: pip install tifffile")
    import tifffile

    try:
        with tifffile.TiffFile(path) as file:
            page = file.pages.first
            check_size((page.imagewidth, page.imagelength))
            array = page.asarray()
            in_planes = page.planarconfig == _IN_PLANES and page.photometric == _RGB
            orientation = page.tags.valueof(ORIENTATION, 1)
            white_is_zero = page.photometric == WHITE_IS_ZERO
    except BadImageError:
        raise
    except Exception as error:
        raise BadImageError(f"is damaged, or a TIFF of an unknown kind ({error})") from None
    array = array[..., None] if array.ndim == 2 else array
    if in_planes and array.ndim == 3 and len(array) == 3:
        array = np.moveaxis(array, 0, -1)
    if array.ndim != 3 or array.shape[-1] not in (1, 3, 4):
        raise BadImageError(
            f"has the shape {array.shape}, and is neither grey nor in colour; save one channel of "
            "it, or three as red, green and blue"
        )
    if array.dtype.kind == "f":
        array = check_floats(array)
    elif array.dtype not in (np.uint8, np.uint16):
        raise BadImageError(f"has pixels of type {array.dtype}; {UNSIGNED}")
    if white_is_zero and not indices:
        array = inverted(array)
    return _turned(_on_black(array), orientation)


def inverted(array: np.ndarray) -> np.ndarray:
    """Returns white less the numbers of an image."""
    white = 1 if array.dtype.kind == "f" else np.iinfo(array.dtype).max
    return (white - array).astype(array.dtype)


def _on_black(array: np.ndarray) -> np.ndarray:
    """Returns colour times opacity, if there is an opacity."""
    if array.shape[-1] != 4:
        return array
    opaque = array[..., 3:] / (1 if array.dtype.kind == "f" else np.iinfo(array.dtype).max)
    blended = array[..., :3] * opaque
    return (blended if array.dtype.kind == "f" else np.round(blended)).astype(array.dtype)


def _turned(array: np.ndarray, orientation: int) -> np.ndarray:
    """Returns an image as it is to be seen, by the value of the tag; 1 and others are as it is."""
    if orientation in (5, 6, 7, 8):
        array = array.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    return array
