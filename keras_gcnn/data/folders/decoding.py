"""Decodes image files to arrays, or says what is wrong with them."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from keras_gcnn.data.folders import tiff
from keras_gcnn.data.folders.bad_image import (
    BadImageError,
    check_floats,
    check_integers,
    check_size,
)

VERSION = 4
"""Version of what `decode` returns; images that were decoded by another version are not used."""

SUFFIXES = frozenset([".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"])
"""Endings of the names of image files, in lower case."""

_LARGE = 2**24  # pixels; larger images are decoded one at a time, so that the memory holds them
_ONE_LARGE = threading.Lock()
_QUARTER_TURNS = (5, 6, 7, 8)  # orientations that exchange rows and columns
_OF_16_BITS = ("I;16", "I;16B", "I;16L", "I;16N")  # Pillow's names for grey images of 16 bits
_COLOURS = ("P", "RGB", "RGBA", "RGBX", "RGBa", "CMYK", "YCbCr", "LAB", "HSV")
_KINDS = {
    **dict.fromkeys(("1", "L", "LA", "La"), (1, 8)),
    **dict.fromkeys(_COLOURS, (3, 8)),
    **dict.fromkeys(_OF_16_BITS, (1, 16)),
    "F": (1, 32),
}  # channels and bits, by Pillow's name of the kind


def is_image(path: Path) -> bool:
    """Whether a file is an image by its name; hidden files are not."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def decode(path: Path, *, indices: bool = False) -> np.ndarray:
    """Reads an image.

    Palettes become colours, transparent pixels black, and the orientation that a camera noted is
    applied.

    Args:
        path: of the file.
        indices: whether the values of the file are returned, as masks need them: an image with a
            palette as indices into it, with 1 channel; a TIFF in which 0 is white, such as many
            masks of booleans, with its 0 as 0; and a colour that the file declares transparent as
            that colour.

    Returns:
        Array of shape `(rows, columns, channels)` with 1 or 3 channels: uint8, uint16 for images
        of 16 bits, or float32 in [0, 1].

    Raises:
        BadImageError: with the reason, if it is no image, damaged, too large, or of a kind that is
            not known.
        ImportError: if Pillow is not installed.
    """
    pillow = _pillow()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about odd metadata, which nobody reads here
            with _opened(path, pillow) as image:
                check_size(image.size)
                deep = tiff.is_deep(image)
                with _little_at_once(image.size):
                    array = None if deep else _to_array(image, pillow, indices)
            if array is None:
                array = tiff.decode_tiff(path, indices=indices)
    except BadImageError:
        raise
    except pillow.UnidentifiedImageError:
        array = tiff.decode_tiff(path, indices=indices)
    except pillow.Image.DecompressionBombError:
        raise BadImageError("has too many pixels") from None
    except MemoryError:
        raise BadImageError("does not fit into the memory") from None
    except FileNotFoundError:
        raise BadImageError("does not exist") from None
    except PermissionError:
        raise BadImageError("may not be read") from None
    except (OSError, SyntaxError, ValueError, KeyError, IndexError, EOFError, TypeError) as error:
        # Pillow's decoders raise all of these for damaged files.
        raise BadImageError(f"is damaged ({error})") from None
    if 0 in array.shape:
        raise BadImageError("has no pixels")
    return array


@dataclass(frozen=True)
class Header:
    """What is known of an image before it is decoded.

    Args:
        rows, columns: of the image as `decode` returns it.
        channels: 1 or 3.
        bits: of a number: 8 or 16, or 32 for floating-point numbers.
        lossy: whether the file is compressed in a way that changes the numbers of pixels.
        palette: red, green and blue of each index, one after the other; empty without a palette.
        several: whether the file has further images, such as a stack of channels or an animation;
            the first one is read.
    """

    rows: int
    columns: int
    channels: int
    bits: int
    lossy: bool = False
    palette: bytes = b""
    several: bool = False


def read_header(path: Path) -> Header:
    """Reads size and kind of an image, from its header alone where that is possible.

    Raises:
        BadImageError: as `decode`.
    """
    pillow = _pillow()
    several = False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with _opened(path, pillow) as image:
                # The further images in a photograph of a camera (MPO) are previews.
                several = image.format != "MPO" and getattr(image, "is_animated", False)
                columns, rows = _size_in_file(image)
                turned = image.getexif().get(tiff.ORIENTATION) in _QUARTER_TURNS
                mode = "" if tiff.is_deep(image) else image.mode
                lossy = _is_lossy(path, image)
                palette = bytes(image.getpalette() or ()) if mode == "P" else b""
    except Exception:
        mode = ""  # decoding it says what is wrong
    if mode in _KINDS:
        check_size((columns, rows))
        size = (columns, rows) if turned else (rows, columns)
        return Header(*size, *_KINDS[mode], lossy, palette, several)
    array = decode(path)
    rows, columns, channels = array.shape
    return Header(rows, columns, channels, 8 * array.dtype.itemsize, several=several)


@contextmanager
def _opened(path: Path, pillow: ModuleType) -> Iterator[Any]:
    """Opens an image with Pillow.

    Given a path, Pillow maps grey TIFF files into the memory, and some versions (11.3 to 13.0) mix
    up the pixels if the orientation exchanges rows and columns. Given a file, it reads them.
    """
    with path.open("rb") as file, pillow.Image.open(file) as image:
        yield image


def _size_in_file(image) -> tuple[int, int]:  # noqa: ANN001 - of Pillow
    """Returns columns and rows before the orientation is applied.

    The size that Pillow tells of a TIFF is that before or after it, by the version.
    """
    if image.format == "TIFF":
        return image.tag_v2[tiff.COLUMNS], image.tag_v2[tiff.ROWS]
    return image.size


def _is_lossy(path: Path, image) -> bool:  # noqa: ANN001 - of Pillow
    """Whether an image is compressed in a way that changes the numbers of pixels."""
    if image.format == "WEBP":
        with path.open("rb") as file:
            file.seek(12)  # behind the head of the file come parts, with a name and a length each
            while len(head := file.read(8)) == 8 and head[:4] not in (b"VP8 ", b"VP8L"):
                length = int.from_bytes(head[4:], "little")
                file.seek(length + length % 2, 1)
        return head[:4] == b"VP8 "
    return image.format in ("JPEG", "MPO") or image.info.get("compression") in ("jpeg", "webp")


@contextmanager
def _little_at_once(size: tuple[int, int]) -> Iterator[None]:
    """Lets one large image at a time be decoded, given its columns and rows."""
    if size[0] * size[1] <= _LARGE:
        yield
        return
    with _ONE_LARGE:
        yield


def _to_array(image, pillow: ModuleType, indices: bool) -> np.ndarray:  # noqa: ANN001 - of Pillow
    key = None if indices else _colour_key(image)
    array = _pixels(image, pillow, indices)
    if key is None:
        return array
    return np.where((array == key).all(axis=-1, keepdims=True), array.dtype.type(0), array)


def _colour_key(image) -> np.ndarray | None:  # noqa: ANN001 - of Pillow
    """Returns the grey value or the colour that is transparent, as decoded pixels have it, or None.

    Pillow tells it with the bits of the file. In palettes and beside an opacity there is none.
    """
    key = image.info.get("transparency")
    if key is None or image.mode not in ("1", "L", "I", "RGB", *_OF_16_BITS):
        return None
    if image.mode == "1":
        return np.array([255 if key else 0])  # by the version, Pillow tells of white 1 or 255
    in_file = image.tile[0][3]
    if in_file == "RGB;16B":  # Pillow keeps 8 of the 16 bits
        return np.array(key) >> 8
    return np.array(key) * {"L;2": 85, "L;4": 17}.get(in_file, 1)


def _pixels(image, pillow: ModuleType, indices: bool) -> np.ndarray:  # noqa: ANN001 - of Pillow
    inverted = image.format == "TIFF" and image.tag_v2.get(tiff.PHOTOMETRIC) == tiff.WHITE_IS_ZERO
    pillow.ImageOps.exif_transpose(image, in_place=True)
    mode = image.mode
    if mode in _OF_16_BITS:
        deep = np.asarray(image).astype("uint16")[..., None]
        # Pillow inverts images of 8 bits itself, but none of 16 bits.
        return tiff.inverted(deep) if inverted and not indices else deep
    if mode == "I":  # TIFF with a sign or 32 bits, and by older versions of Pillow PNG of 16 bits
        return check_integers(np.asarray(image))[..., None]
    if mode == "F":
        floats = check_floats(np.asarray(image)[..., None])
        return tiff.inverted(floats) if inverted and not indices else floats
    if mode == "P" and indices:
        return np.asarray(image)[..., None]
    if mode == "P":
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
    elif mode in ("CMYK", "YCbCr", "LAB", "HSV", "RGBX"):
        image = image.convert("RGB")
    elif mode == "1":
        image = image.convert("L")
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa"):
        image = _on_black(image, pillow)
    array = np.asarray(image)
    if array.dtype != np.uint8:
        raise BadImageError(f"has pixels of a kind that is not known (mode {mode})")
    if mode == "L" and tiff.is_signed(image):  # which Pillow takes for unsigned
        array = check_integers(array.view("int8")).astype("uint8")
    if indices and inverted:
        array = tiff.inverted(array)
    return array[..., None] if array.ndim == 2 else array


def _on_black(image, pillow: ModuleType):  # noqa: ANN001 - of Pillow
    """Returns the image on a black ground; grey if it is grey."""
    grey = image.mode in ("LA", "La")
    image = image if image.mode == "RGBA" else image.convert("RGBA")
    ground = pillow.Image.new("RGB", image.size)
    ground.paste(image, mask=image.getchannel("A"))
    return ground.convert("L") if grey else ground


def _pillow() -> ModuleType:
    try:
        import PIL
        import PIL.Image
        import PIL.ImageOps
    except ImportError as error:
        raise ImportError("Reading image files needs Pillow: pip install pillow.") from error
    return PIL
