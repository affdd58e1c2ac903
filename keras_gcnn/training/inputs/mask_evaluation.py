"""The masks that a network predicts, compared with the true ones, also in other poses."""

from __future__ import annotations

from collections.abc import Iterator

import keras
import numpy as np

from keras_gcnn.data import Split
from keras_gcnn.export.metadata import activation_of
from keras_gcnn.training.inputs.batches import Pose
from keras_gcnn.training.inputs.rotated_evaluation import turned_poses
from keras_gcnn.training.predictions.batches import inference_batch_size
from keras_gcnn.training.predictions.masks import as_classes

_MOST_AT_ONCE = 64  # images in a batch
_OUTSIDE = -1  # pixels of a rotated mask of which the image showed nothing; they do not count


def confusion(true: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Counts pixels by true class (rows) and predicted class (columns), without those outside.

    Example:

    >>> confusion(np.array([[0, 1, -1]]), np.array([[1, 1, 1]]), 2).tolist()
    [[0, 1], [0, 1]]
    """
    inside = true >= 0
    pairs = true[inside] * classes + predicted[inside]
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def dice(counts: np.ndarray) -> np.ndarray:
    """Returns the Dice coefficient of each class, from a `confusion`; NaN where a class is absent.

    It is twice the number of pixels that are of the class and predicted to be, divided by the sum
    of the pixels of the class and those that are predicted.
    """
    shared = np.diag(counts)
    with np.errstate(invalid="ignore"):
        return 2 * shared / (counts.sum(axis=0) + counts.sum(axis=1))


def intersection_over_union(counts: np.ndarray) -> np.ndarray:
    """Returns the Jaccard coefficient of each class, from a `confusion`; NaN as in `dice`."""
    shared = np.diag(counts)
    with np.errstate(invalid="ignore"):
        return shared / (counts.sum(axis=0) + counts.sum(axis=1) - shared)


def count_upright(model: keras.Model, split: Split, classes: int) -> np.ndarray:
    """Returns the `confusion` of every image as it is, of shape `(n, classes, classes)`."""
    return np.concatenate(
        [
            np.stack([confusion(*pair, classes) for pair in zip(true, found, strict=True)])
            for true, found in _batches(model, split, _as_it_is, _as_it_is)
        ]
    )


def count_turned(
    model: keras.Model, split: Split, classes: int, seed: int
) -> dict[str, np.ndarray]:
    """Returns the `confusion` of all square images in other poses, by the names of `COLUMNS`.

    The true mask is in the same pose; pixels that a rotation by any angle brings in from outside
    the image do not count.
    """
    of_images = turned_poses(len(split), seed)
    of_masks = turned_poses(len(split), seed, interpolation="nearest", fill=_OUTSIDE)
    return {
        column: sum(
            (
                confusion(true, found, classes)
                for poses in zip(of_images[column], of_masks[column], strict=True)
                for true, found in _batches(model, split, *poses)
            ),
            np.zeros((classes, classes), "int64"),
        )
        for column in of_images
    }


def _as_it_is(images: np.ndarray, _: np.ndarray) -> np.ndarray:
    return images


def _batches(
    model: keras.Model, split: Split, pose: Pose, mask_pose: Pose
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields true and predicted classes of pixels, `(batch, rows, columns)`."""
    step = inference_batch_size(split.images.shape[1:], _MOST_AT_ONCE)
    for start in range(0, len(split), step):
        chosen = np.arange(start, min(start + step, len(split)))
        masks = mask_pose(split.labels[chosen][..., None], chosen)[..., 0].astype("int64")
        yield masks, classify_pixels(model, pose(split.images[chosen], chosen))


def classify_pixels(model: keras.Model, images: np.ndarray) -> np.ndarray:
    """Returns the class of every pixel; a single score of a pixel is that of the foreground."""
    activation = activation_of(model)
    is_probability = None if activation is None else activation == "sigmoid"
    return as_classes(model.predict_on_batch(images), is_probability).astype("int64")
