"""Error of a classifier on images that are upright, turned and mirrored."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np

from keras_gcnn import groups
from keras_gcnn.data import Split, random_angles, rotate

COLUMNS = ("upright", "quarter turns", "mirrored", "any angle")


def _error(model: keras.Model, images: np.ndarray, labels: np.ndarray) -> float:
    scores = model.predict(images, batch_size=256, verbose=0)
    return 100 * float(np.mean(np.argmax(scores, axis=-1) != labels))


def turned_errors(model: keras.Model, split: Split, seed: int = 0) -> dict[str, float]:
    """Measures the error of a classifier on the same images in several positions.

    Args:
        model: from images to scores per class.
        split: images and labels; square images.
        seed: int, for the random angles.

    Returns:
        dict with errors in percent: `"upright"`; `"quarter turns"`, over the turns by 90, 180 and
        270 degrees; `"mirrored"`, over the four quarter turns of the mirror image; `"any angle"`,
        each image at one random angle (bilinear, zeros outside).
    """
    group = groups.get("p4m")

    def mean_error(elements: range) -> float:
        moved = (group.act_on_plane(split.images, g, (1, 2)) for g in elements)
        return float(np.mean([_error(model, np.ascontiguousarray(x), split.labels) for x in moved]))

    angles = random_angles(len(split), seed)
    return dict(
        zip(
            COLUMNS,
            (
                mean_error(range(1)),
                mean_error(range(1, 4)),
                mean_error(range(4, 8)),
                _error(model, rotate(split.images, angles), split.labels),
            ),
            strict=True,
        )
    )


def accuracy_by_angle(
    model: keras.Model,
    split: Split,
    step: float = 15,
    advance: Callable[[], None] = lambda: None,
) -> dict[float, float]:
    """Measures the accuracy of a classifier with all images turned by the same angle.

    Args:
        model: from images to scores per class.
        split: images and labels.
        step: degrees between the angles.
        advance: called after each angle, for a progress bar.

    Returns:
        dict from the angle in degrees, 0 to 360, to the accuracy in percent.
    """
    measured = {}
    for angle in np.arange(0, 360, step):
        measured[float(angle)] = 100 - _error(model, rotate(split.images, angle), split.labels)
        advance()
    return {**measured, 360.0: measured[0.0]}
