"""The error of a classifier on rotated and mirrored images."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from keras_gcnn import groups
from keras_gcnn.data import Split, random_angles, rotate
from keras_gcnn.training.inputs.batches import OrderedBatches, Pose

# Names of the errors; the first is on upright test images.
COLUMNS = ("test", "quarter turns", "mirrored", "any angle")


def predict(model: keras.Model, split: Split, pose: Pose | None = None) -> np.ndarray:
    """Returns what a model predicts for the images of a split, in another pose if there is one."""
    return model.predict(OrderedBatches(split, pose), verbose=0)


def classify(model: keras.Model, split: Split, pose: Pose | None = None) -> np.ndarray:
    """Returns the index of the class that a classifier predicts for each image of a split."""
    return np.argmax(predict(model, split, pose), axis=-1)


def error_rate(predicted: np.ndarray, labels: np.ndarray) -> float:
    """Returns the share of wrong classes, in percent."""
    return 100 * float(np.mean(predicted != labels))


def rotation(angle: float) -> Pose:
    """Returns the pose of images that are rotated by this angle in degrees."""
    return lambda images, _: rotate(images, angle)


def random_rotation(n: int, seed: int, **options: Any) -> Pose:
    """Returns the pose of `n` images, each rotated by a random angle.

    Args:
        n: number of images.
        seed: of the angles.
        **options: of `keras_gcnn.data.rotate`; by default bilinear with zeros outside.
    """
    degrees = random_angles(n, seed)
    return lambda images, chosen: rotate(images, degrees[chosen], **options)


def turned_poses(n: int, seed: int, **options: Any) -> dict[str, list[Pose]]:
    """Returns the poses of square images that belong to each of `COLUMNS` after the first.

    These are the rotations by 90, 180 and 270 degrees, the four quarter turns of the mirror image,
    and `random_rotation`, whose arguments these are.
    """
    group = groups.get("p4m")

    def acted_on_by(element: int) -> Pose:
        return lambda images, _: np.ascontiguousarray(group.act_on_plane(images, element, (1, 2)))

    poses = (
        [acted_on_by(element) for element in range(1, 4)],
        [acted_on_by(element) for element in range(4, 8)],
        [random_rotation(n, seed, **options)],
    )
    return dict(zip(COLUMNS[1:], poses, strict=True))


def rotate_randomly(split: Split, seed: int) -> Split:
    """Returns the images, each rotated by a random angle; all of them are in the memory then."""
    pose = random_rotation(len(split), seed)
    return Split(pose(np.asarray(split.images), np.arange(len(split))), split.labels)


def rotated_errors(model: keras.Model, split: Split, seed: int = 0) -> dict[str, float]:
    """Measures the error of a classifier on the same images in other poses.

    Args:
        model: from images to scores per class.
        split: images and labels; square images.
        seed: int, for the random angles.

    Returns:
        dict with errors in percent: `"quarter turns"`, the mean over rotations by 90, 180 and 270
        degrees; `"mirrored"`, the mean over the four quarter turns of the mirror image;
        `"any angle"`, with every image rotated by `random_rotation`.
    """

    def error_of(pose: Pose) -> float:
        return error_rate(classify(model, split, pose), split.labels)

    return {
        column: float(np.mean([error_of(pose) for pose in poses]))
        for column, poses in turned_poses(len(split), seed).items()
    }


def angles(step: float) -> list[float]:
    """Returns the angles of `accuracy_by_angle` in degrees, from 0 to 360."""
    return [*np.arange(0, 360, step, dtype=float).tolist(), 360.0]


def accuracy_by_angle(model: keras.Model, split: Split, step: float = 15) -> dict[float, float]:
    """Measures the accuracy of a classifier with all images rotated by the same angle.

    Args:
        model: from images to scores per class.
        split: images and labels.
        step: degrees between the angles.

    Returns:
        dict from the angle in degrees, 0 to 360, to the accuracy in percent.
    """
    accuracies = {}
    for angle in angles(step)[:-1]:
        predicted = classify(model, split, rotation(angle))
        accuracies[angle] = 100 - error_rate(predicted, split.labels)
    return {**accuracies, 360.0: accuracies[0.0]}
