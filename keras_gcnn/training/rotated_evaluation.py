"""Error of a classifier on images that are turned and mirrored."""

from __future__ import annotations

import keras
import numpy as np

from keras_gcnn import groups
from keras_gcnn.data import Split, random_angles, rotate

# The first is on the test images as they are.
COLUMNS = ("test", "quarter turns", "mirrored", "any angle")


def classify(model: keras.Model, images: np.ndarray) -> np.ndarray:
    """Indices of the classes that a classifier takes images for."""
    return np.argmax(model.predict(images, batch_size=256, verbose=0), axis=-1)


def error(predicted: np.ndarray, labels: np.ndarray) -> float:
    """Share of wrong classes, in percent."""
    return 100 * float(np.mean(predicted != labels))


def at_any_angle(split: Split, seed: int) -> Split:
    """The images, each turned by one random angle (bilinear, zeros outside)."""
    return Split(rotate(split.images, random_angles(len(split), seed)), split.labels)


def turned_errors(model: keras.Model, split: Split, seed: int = 0) -> dict[str, float]:
    """Measures the error of a classifier on the same images in other positions.

    Args:
        model: from images to scores per class.
        split: images and labels; square images.
        seed: int, for the random angles.

    Returns:
        dict with errors in percent: `"quarter turns"`, over the turns by 90, 180 and 270 degrees;
        `"mirrored"`, over the four quarter turns of the mirror image; `"any angle"`,
        `at_any_angle`.
    """
    group = groups.get("p4m")

    def mean_error(elements: range) -> float:
        moved = (group.act_on_plane(split.images, g, (1, 2)) for g in elements)
        errors = [error(classify(model, np.ascontiguousarray(x)), split.labels) for x in moved]
        return float(np.mean(errors))

    turned = at_any_angle(split, seed)
    values = (
        mean_error(range(1, 4)),
        mean_error(range(4, 8)),
        error(classify(model, turned.images), split.labels),
    )
    return dict(zip(COLUMNS[1:], values, strict=True))


def angles(step: float) -> list[float]:
    """The angles of `accuracy_by_angle` in degrees, from 0 to 360."""
    return [*np.arange(0, 360, step, dtype=float).tolist(), 360.0]


def accuracy_by_angle(model: keras.Model, split: Split, step: float = 15) -> dict[float, float]:
    """Measures the accuracy of a classifier with all images turned by the same angle.

    Args:
        model: from images to scores per class.
        split: images and labels.
        step: degrees between the angles.

    Returns:
        dict from the angle in degrees, 0 to 360, to the accuracy in percent.
    """
    measured = {}
    for angle in angles(step)[:-1]:
        images = rotate(split.images, angle)
        measured[angle] = 100 - error(classify(model, images), split.labels)
    return {**measured, 360.0: measured[0.0]}
