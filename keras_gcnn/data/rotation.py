"""Rotates images by any angle, and bends them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from types import ModuleType

import numpy as np

from keras_gcnn.arguments import check_choice

_ORDERS = {"nearest": 0, "bilinear": 1, "cubic": 3}  # of the splines with which SciPy interpolates


def random_angles(n: int, seed: int | np.random.Generator) -> np.ndarray:
    """Draws angles for `rotate`, uniform over the circle.

    Args:
        n: int, number of angles.
        seed: int that is not negative, or a `numpy.random.Generator` to draw from.

    Returns:
        float64 array of shape `(n,)`, degrees in [0, 360). The first angles of a longer array are
        those of a shorter one.

    Raises:
        ValueError: if `n` or the seed is negative.

    Example:

    >>> from keras_gcnn import data
    >>> data.random_angles(3, seed=0).round(1).tolist()
    [229.3, 97.1, 14.8]
    """
    if n < 0:
        raise ValueError(f"n={n}: the number of angles cannot be negative.")
    return np.random.default_rng(seed).uniform(0.0, 360.0, n)


def rotate(
    images: np.ndarray,
    angles: float | Sequence[float] | np.ndarray,
    *,
    zoom: float | Sequence[float] | np.ndarray = 1.0,
    displacements: np.ndarray | None = None,
    fill: float = 0.0,
    interpolation: str = "bilinear",
) -> np.ndarray:
    """Rotates images counter-clockwise about their centre, and enlarges and bends them if asked to.

    The centre is `((rows - 1) / 2, (columns - 1) / 2)`, and the size stays the same: corners that
    leave the image are lost. For square images and multiples of 90 degrees the result is exactly
    that of `numpy.rot90`. All changes are made at once, so that pixels are interpolated only once.

    Args:
        images: array of shape `(n, rows, columns, channels)`.
        angles: degrees, one number for all images or one per image.
        zoom: float, one for all images or one per image: how many times as large their content
            becomes about the centre; larger than 0, and below 1 to shrink it.
        displacements: array of shape `(n, k, l, 2)`, or None: elastic deformations. For each of
            `k x l` points, spread evenly from the first to the last row and column, how many
            pixels farther down and to the right the image is read there; cubic splines lead from
            point to point. Normal random numbers on 5 x 5 points bend images as rubber does.
        fill: float, value of everything outside the image; with bilinear interpolation pixels at
            the border are interpolated with it.
        interpolation: `"bilinear"`; `"cubic"`, splines that blur less and may exceed the values of
            the image a little; or `"nearest"` for masks, whose values are not to be mixed.

    Returns:
        A new array of the same shape; of the same dtype if that is floating-point, else float32.

    Raises:
        ValueError: if the images do not have four axes or are complex, the angles, the zoom or
            the displacements do not fit them or are not finite, a zoom is not positive, or the
            interpolation is unknown.
        ImportError: if SciPy is not installed.

    Example:

    >>> import numpy as np
    >>> from keras_gcnn import data
    >>> image = np.array([[1.0, 2.0], [3.0, 4.0]]).reshape(1, 2, 2, 1)
    >>> data.rotate(image, 90)[0, :, :, 0].tolist()
    [[2.0, 4.0], [1.0, 3.0]]

    References:
        Ronneberger et al. 2015, "U-Net: Convolutional Networks for Biomedical Image Segmentation",
        section 3.1, for deformations by random vectors on a grid.
    """
    check_choice("interpolation", interpolation, tuple(_ORDERS))
    images = np.asarray(images)
    if images.ndim != 4:
        raise ValueError(
            f"images have shape {images.shape}; expected four axes (n, rows, columns, channels). "
            "Use image[None] for a single image and images[..., None] for grey ones."
        )
    if np.issubdtype(images.dtype, np.complexfloating):
        raise ValueError(
            f"images are {images.dtype}; expected real numbers. Rotate images.real and images.imag "
            "separately."
        )
    result_type = images.dtype if np.issubdtype(images.dtype, np.floating) else "float32"
    # SciPy computes in these two types only.
    images = images.astype("float64" if np.dtype(result_type).itemsize > 4 else "float32")
    to_source = _to_source(_for_each("angles", angles, len(images)))
    factors = _for_each("zoom", zoom, len(images))
    if (factors <= 0).any():
        raise ValueError(f"zoom contains {factors.min()}; expected factors larger than 0.")
    to_source /= factors[:, None, None]
    vectors = _check_displacements(displacements, len(images))

    ndimage = scipy_ndimage()
    centre = (np.array(images.shape[1:3]) - 1) / 2
    result = np.empty_like(images)
    # "grid-constant" interpolates with `fill` at the border; "constant" would cut off hard.
    settings = {"order": _ORDERS[interpolation], "mode": "grid-constant", "cval": fill}
    for index, (image, matrix) in enumerate(zip(images, to_source, strict=True)):
        offset = centre - matrix @ centre
        read: Callable[..., np.ndarray]
        if vectors is None:
            read = partial(ndimage.affine_transform, matrix=matrix, offset=offset)
        else:
            pixels = np.indices(image.shape[:2])
            sources = np.tensordot(matrix, pixels, 1) + offset[:, None, None]
            sources += _at_pixels(vectors[index], *image.shape[:2])
            read = partial(ndimage.map_coordinates, coordinates=sources)
        for channel in range(images.shape[-1]):
            result[index, ..., channel] = read(image[..., channel], **settings)
    return result.astype(result_type, copy=False)


def _check_displacements(vectors: np.ndarray | None, n: int) -> np.ndarray | None:
    """Returns displacements on a grid in float64, or None for none."""
    if vectors is None:
        return None
    vectors = np.asarray(vectors, dtype="float64")
    if (
        vectors.ndim != 4
        or len(vectors) != n
        or min(vectors.shape[1:3]) < 2
        or vectors.shape[3] != 2
    ):
        raise ValueError(
            f"displacements have shape {vectors.shape} for {n} images; expected ({n}, k, l, "
            "2): two numbers for each point of a grid of k x l points, at least 2 x 2."
        )
    if not np.isfinite(vectors).all():
        raise ValueError(
            "displacements contain NaN or infinity; expected finite numbers of pixels."
        )
    return vectors


def _at_pixels(vectors: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Returns displacements of all pixels, `(2, rows, columns)`, from those of a grid."""
    down, right = _spline(vectors.shape[0], rows), _spline(vectors.shape[1], columns)
    return np.einsum("rk,cl,klv->vrc", down, right, vectors, optimize=True)


@lru_cache(maxsize=8)
def _spline(points: int, pixels: int) -> np.ndarray:
    """Returns the matrix from values at evenly spaced points to those at all pixels of a line.

    Of a line of a single pixel the values of the first point hold.
    """
    from scipy.interpolate import CubicSpline

    places = np.linspace(0, max(pixels - 1, 1), points)
    return CubicSpline(places, np.eye(points))(np.arange(pixels))


def _for_each(name: str, values: float | Sequence[float] | np.ndarray, n: int) -> np.ndarray:
    """Returns one finite number for each of `n` images, in float64."""
    numbers = np.asarray(values, dtype="float64")
    if numbers.shape not in ((), (1,), (n,)):
        raise ValueError(
            f"{name} has shape {numbers.shape} for {n} images; expected one number, or one for "
            "each image."
        )
    if not np.isfinite(numbers).all():
        raise ValueError(f"{name} contains NaN or infinity; expected finite numbers.")
    return np.broadcast_to(numbers, n)


def _to_source(angles: np.ndarray) -> np.ndarray:
    """Returns matrices from `(row, column)` offsets in the result to the image, `(n, 2, 2)`.

    Whole quarter turns are split off, so that cosines and sines are exactly 0 and 1, not 6e-17.
    """
    turns, rest = np.divmod(angles, 90.0)
    cosine, sine = np.cos(np.deg2rad(rest)), np.sin(np.deg2rad(rest))
    matrices = np.stack([cosine, sine, -sine, cosine], axis=-1).reshape(-1, 2, 2)
    quarter = np.array([[0.0, 1.0], [-1.0, 0.0]])
    powers = np.stack([np.linalg.matrix_power(quarter, k) for k in range(4)])
    return matrices @ powers[turns.astype(int) % 4]


def scipy_ndimage() -> ModuleType:
    """Imports SciPy's image functions; Keras does not need SciPy, so it may be missing."""
    try:
        from scipy import ndimage
    except ImportError as error:
        raise ImportError("Rotating and scaling images needs SciPy: pip install scipy.") from error
    return ndimage
