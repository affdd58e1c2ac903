"""Random rotations, mirrors, zooms, bends and shifts of training images, and of their masks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from keras_gcnn.data import rotate
from keras_gcnn.training.recipes.tables import AugmentTable

_BENT_POINTS = (5, 5)


@dataclass(frozen=True)
class Poses:
    """How each image of a data set is changed in one epoch.

    Args:
        angles: degrees, counter-clockwise.
        mirrored: booleans of shape `(n, 2)`: top and bottom, left and right.
        shifts: integers of shape `(n, 2)`: rows down and columns to the right.
        fractions: the same in parts of a pixel, from -1/2 to 1/2.
        zooms: how many times as large the content becomes.
        bends: pixels of displacement down and to the right on a grid, of shape `(n, 5, 5, 2)`, or
            None for none.
    """

    angles: np.ndarray
    mirrored: np.ndarray
    shifts: np.ndarray
    fractions: np.ndarray
    zooms: np.ndarray
    bends: np.ndarray | None


def check_fits(settings: AugmentTable, image_shape: tuple[int, ...]) -> None:
    """Checks that images of this shape can be changed as the settings ask.

    Raises:
        ValueError: for quarter turns of images that are not square, or shifts and bends beyond the
            image.
    """
    rows, columns = image_shape[:2]
    if settings.rotate == "quarter" and rows != columns:
        raise ValueError(
            f'augment has rotate = "quarter", but the images are {rows} x {columns}, which a '
            'quarter turn changes. Use square images, flip = "both", or rotate = "any".'
        )
    for key in ("shift", "elastic"):
        pixels = getattr(settings, key)
        if pixels >= min(rows, columns):
            raise ValueError(
                f"augment has {key} = {pixels:g}, which leaves nothing of images of {rows} x "
                f"{columns}. Use less than {min(rows, columns)}."
            )


def draw_poses(generator: np.random.Generator, n: int, settings: AugmentTable) -> Poses:
    """Draws the poses of `n` images; whatever the settings, the angles are drawn first."""
    angles = generator.uniform(0, 360, n)
    if settings.rotate == "quarter":
        angles = 90 * (angles // 90)
    mirrored = generator.random((n, 2)) < 0.5
    mirrored &= {"none": (False, False), "horizontal": (False, True), "both": (True, True)}[
        settings.flip
    ]
    shifts = generator.integers(-settings.shift, settings.shift, (n, 2), endpoint=True)
    fractions = generator.uniform(-0.5, 0.5, (n, 2)) * settings.subpixel
    zooms = (1 + settings.zoom) ** generator.uniform(-1, 1, n)
    bends = None
    if settings.elastic:
        bends = generator.standard_normal((n, *_BENT_POINTS, 2), dtype="float32")
        bends *= settings.elastic
    return Poses(angles, mirrored, shifts, fractions, zooms, bends)


def augment(
    images: np.ndarray,
    poses: Poses,
    chosen: np.ndarray,
    settings: AugmentTable,
    masks: bool = False,
) -> np.ndarray:
    """Returns changed images: mirrored, then rotated, zoomed and bent, then shifted.

    Args:
        images: array of shape `(n, rows, columns, channels)`.
        poses: of all images of the data set.
        chosen: indices of these images in the data set.
        settings: what is changed.
        masks: whether the images are masks, whose values are not mixed and which are not shifted
            between the pixels.
    """
    if settings.flip != "none":
        for axis in (1, 2):
            mirrored = poses.mirrored[chosen, axis - 1].reshape(-1, 1, 1, 1)
            images = np.where(mirrored, np.flip(images, axis), images)
    if settings.rotate == "quarter":
        turns = (poses.angles[chosen] // 90).astype(int)
        images = np.stack([np.rot90(each, k) for each, k in zip(images, turns, strict=True)])
    if settings.rotate == "any" or settings.zoom or settings.elastic:
        images = rotate(
            images,
            poses.angles[chosen] if settings.rotate == "any" else 0.0,
            zoom=poses.zooms[chosen],
            displacements=None if poses.bends is None else poses.bends[chosen],
            interpolation="nearest" if masks else settings.interpolation,
        )
        if settings.interpolation == "cubic" and not masks:
            images = np.clip(images, 0, 1)  # where splines exceed what pixels can be
    if settings.shift:
        images = _shifted(images, poses.shifts[chosen], settings.shift)
    if settings.subpixel and not masks:
        for axis in (1, 2):
            images = _between_pixels(images, poses.fractions[chosen, axis - 1], axis)
    return images


def _between_pixels(images: np.ndarray, fractions: np.ndarray, axis: int) -> np.ndarray:
    """Shifts by less than a pixel, by bilinear interpolation with zeros around the image."""
    around = [(1, 1) if at == axis else (0, 0) for at in range(4)]
    padded, size = np.pad(images, around), images.shape[axis]
    before, after = (np.take(padded, np.arange(size) + start, axis) for start in (0, 2))
    neighbours = np.where((fractions > 0).reshape(-1, 1, 1, 1), before, after)
    share = np.abs(fractions).reshape(-1, 1, 1, 1).astype(images.dtype)
    return (1 - share) * images + share * neighbours


def _shifted(images: np.ndarray, shifts: np.ndarray, most: int) -> np.ndarray:
    rows, columns = images.shape[1:3]
    padded = np.pad(images, ((0, 0), (most, most), (most, most), (0, 0)))
    starts = most - shifts
    return np.stack(
        [
            each[top : top + rows, left : left + columns]
            for each, (top, left) in zip(padded, starts, strict=True)
        ]
    )
