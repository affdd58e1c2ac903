"""Reads the images from the body of a request, or raises an error that says what is wrong.

A body is JSON, `{"images": [image, ...]}`, or an array of NumPy as `numpy.save` writes it.
"""

import io
import json
import math

import numpy as np

MOST_IMAGES = 256  # in one request
LARGEST_HEADER = 1_000  # bytes of the header of a .npy file; that of images has 128


class ClientError(Exception):
    """A mistake of the client: an HTTP status and a sentence."""

    def __init__(self, status: int, reason: str):
        super().__init__(reason)
        self.status, self.reason = status, reason


def read_images(
    body: bytes, shape: tuple[int, ...], pixels: tuple[float, float]
) -> list[np.ndarray]:
    """The images of a request.

    Args:
        body: JSON or .npy.
        shape: of an image: rows, columns, channels.
        pixels: the lowest and the highest allowed value.

    Raises:
        ClientError: if the body is neither, or holds anything but such images.
    """
    images = _from_npy(body, shape) if body.startswith(b"\x93NUMPY") else _from_json(body, shape)
    if not len(images):
        raise ClientError(422, 'Send {"images": [image, ...]}, with one image or more.')
    if len(images) > MOST_IMAGES:
        raise ClientError(413, f"{len(images)} images; send at most {MOST_IMAGES} images.")
    return [_image(image, number, shape, pixels) for number, image in enumerate(images)]


def _from_json(body: bytes, shape: tuple[int, ...]) -> list:
    # Count before parsing: a million empty lists are 3 MB of text and 60 MB of objects, and nothing
    # else runs while they are made.
    lists = MOST_IMAGES * sum(math.prod(shape[:axes]) for axes in range(len(shape))) + 1
    numbers = MOST_IMAGES * math.prod(shape)
    if body.count(b"[") > lists or body.count(b"{") > lists or body.count(b",") > lists + numbers:
        raise ClientError(413, f"Too many lists or numbers; send at most {MOST_IMAGES} images.")
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ClientError(400, f"The body is no JSON: {error}.") from error
    images = content.get("images") if isinstance(content, dict) else None
    if not isinstance(images, list):
        raise ClientError(422, 'Send {"images": [image, ...]}, with one image or more.')
    return images


def _from_npy(body: bytes, shape: tuple[int, ...]) -> np.ndarray:
    """An array whose header agrees with its length; no object is unpickled."""
    file = io.BytesIO(body)
    try:
        if np.lib.format.read_magic(file) != (1, 0):
            raise ValueError("its format has not the version 1.0")
        size, columns_first, dtype = np.lib.format.read_array_header_1_0(
            file, max_header_size=LARGEST_HEADER
        )
    except (ValueError, EOFError) as error:
        raise ClientError(400, f"The body is no .npy file: {error}.") from error
    start = file.tell()
    if dtype.kind not in "uif" or columns_first:
        raise ClientError(422, "Send an array of numbers in C order, as numpy.save writes it.")
    if len(size) not in (len(shape), len(shape) + 1):
        raise ClientError(
            422, f"Send an array of the shape (images, {', '.join(map(str, shape))})."
        )
    if min(size) < 0 or math.prod(size) * dtype.itemsize != len(body) - start:
        raise ClientError(400, f"The body has not the length of an array of the shape {size}.")
    return np.frombuffer(body, dtype, offset=start).reshape(size)


def _image(
    image: object, number: int, shape: tuple[int, ...], pixels: tuple[float, float]
) -> np.ndarray:
    """One image in the shape and type that the model takes."""
    lowest, highest = pixels
    try:
        array = np.array(image)
    except ValueError as error:
        raise ClientError(422, f"Image {number} has rows of different lengths.") from error
    if array.dtype.kind not in "iuf":
        raise ClientError(422, f"Image {number} is no nested list of numbers.")
    with np.errstate(over="ignore"):
        array = array.astype("float32")
    if array.shape == shape[:-1] and shape[-1] == 1:
        array = array[..., None]
    if array.shape != shape:
        raise ClientError(
            422, f"Image {number} has the shape {array.shape}; the model takes {shape}."
        )
    if not np.isfinite(array).all():
        raise ClientError(422, f"Image {number} holds NaN, infinity or too large a number.")
    if array.min() < lowest or array.max() > highest:
        raise ClientError(
            422,
            f"Image {number} has pixels from {array.min():g} to {array.max():g}; the model takes "
            f"{lowest:g} to {highest:g}.",
        )
    return array
