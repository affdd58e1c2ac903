"""Measures a trained classifier, and selects from a result what a recipe asks for."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from keras_gcnn import analysis
from keras_gcnn.data import Dataset, Split
from keras_gcnn.data.options import SPLITS
from keras_gcnn.training.inputs.batches import Pose
from keras_gcnn.training.inputs.rotated_evaluation import (
    COLUMNS,
    accuracy_by_angle,
    angles,
    error_rate,
    predict,
    random_rotation,
    rotated_errors,
)
from keras_gcnn.training.predictions.classes import as_probabilities
from keras_gcnn.training.recipes.tables import EvaluationTable

# All keys of what `measure` may return.
KEYS = ("errors", "accuracy_by_angle", "angle_images", "confusion", "losses", "areas")


def count_parameters(model: keras.Model) -> int:
    """Returns the number of trainable parameters, by which networks are compared."""
    return int(sum(np.prod(variable.shape) for variable in model.trainable_variables))


def confusion_matrix(labels: np.ndarray, predicted: np.ndarray, classes: int) -> list[list[int]]:
    """Counts images by their true class (rows) and their predicted class (columns).

    Example:

    >>> import numpy as np
    >>> confusion_matrix(np.array([0, 0, 1]), np.array([0, 1, 1]), 2)
    [[1, 1], [0, 1]]
    """
    pairs = np.bincount(labels * classes + predicted, minlength=classes**2)
    return pairs.reshape(classes, classes).tolist()


def measure(
    model: keras.Model, dataset: Dataset, evaluation: EvaluationTable, seed: int
) -> dict[str, Any]:
    """Measures a classifier on the test images of a data set.

    Args:
        model: from images to scores per class.
        dataset: with test images, which are square.
        evaluation: `[evaluation]` of a recipe.
        seed: int, for the random angles.

    Returns:
        dict with `"errors"` in percent, by the names of `COLUMNS` or for `"test"` alone; and, as
        far as the recipe asks for them, `"accuracy_by_angle"` in percent with the number of
        `"angle_images"`; `"confusion"`, rows of counts as `confusion_matrix` returns them;
        `"losses"`, the mean cross-entropy in inference of each split and, if rotated images are
        measured, of the test images at any angle; and `"areas"`, the area under the curve of the
        test images, and of those at any angle likewise.
    """
    test = dataset.test
    scores = predict(model, test)
    predicted = np.argmax(scores, axis=-1)
    result: dict[str, Any] = {"errors": {COLUMNS[0]: error_rate(predicted, test.labels)}}
    if evaluation.turned:
        result["errors"] |= rotated_errors(model, test, seed)
    if evaluation.angles:
        count = evaluation.picture_images
        first = test.first(count)
        curve = accuracy_by_angle(model, first, evaluation.angle_step)
        result["angle_images"] = len(first)
        # Keys are text, as in the JSON file from which a later call reads the result.
        result["accuracy_by_angle"] = {str(angle): value for angle, value in curve.items()}
    if evaluation.confusion:
        result["confusion"] = confusion_matrix(test.labels, predicted, len(dataset.classes))
    if evaluation.losses:
        result["losses"] = {split: _loss(model, getattr(dataset, split)) for split in SPLITS}
        if evaluation.turned:
            pose = random_rotation(len(test), seed)
            result["losses"][COLUMNS[-1]] = _loss(model, test, pose)
    if evaluation.auc:
        result["areas"] = {COLUMNS[0]: _area(scores, test.labels)}
        if evaluation.turned:
            rotated = predict(model, test, random_rotation(len(test), seed))
            result["areas"][COLUMNS[-1]] = _area(rotated, test.labels)
    return result


def _area(logits: np.ndarray, labels: np.ndarray) -> float:
    """Returns the area under the curve, of several classes the mean."""
    return analysis.area_under_curve(as_probabilities(logits), labels)


def _loss(model: keras.Model, split: Split, pose: Pose | None = None) -> float:
    """Returns the mean cross-entropy from logits."""
    logits = predict(model, split, pose)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return float(loss(split.labels, logits))


def _series(evaluation: EvaluationTable) -> dict[str, tuple[str, ...]]:
    """Returns what a recipe asks for of `"losses"` and `"areas"`: the names in each."""
    rotated = COLUMNS[-1:] if evaluation.turned else ()
    wanted = {}
    if evaluation.losses:
        wanted["losses"] = (*SPLITS, *rotated)
    if evaluation.auc:
        wanted["areas"] = (COLUMNS[0], *rotated)
    return wanted


def is_measured(content: dict[str, Any], classes: int) -> bool:
    """Whether values look like what `measure` returns; wrong types may also raise an error.

    Args:
        content: of a result.json.
        classes: int, number of classes of the data.
    """
    curve = content.get("accuracy_by_angle", {})
    losses, areas = content.get("losses", {}), content.get("areas", {})
    numbers = [*content["errors"].values(), *curve.values(), *map(float, curve)]
    numbers += [*losses.values(), *areas.values()]
    valid = all(isinstance(number, int | float) for number in numbers)
    if "confusion" not in content:
        return valid
    rows = content["confusion"]
    return (
        valid
        and [len(row) for row in rows] == [classes] * classes
        and all(isinstance(count, int) and count >= 0 for row in rows for count in row)
    )


def select(
    result: dict[str, Any], evaluation: EvaluationTable, images: int
) -> dict[str, Any] | None:
    """Selects what a recipe asks for from a result that may have been measured for another.

    Args:
        result: the values of `measure`; other values in it are kept.
        evaluation: `[evaluation]` of the recipe.
        images: number of test images.

    Returns:
        The result without measurements that the recipe does not ask for, or None if one that it
        asks for is missing.
    """
    columns = COLUMNS if evaluation.turned else COLUMNS[:1]
    wanted_angles = [str(angle) for angle in angles(evaluation.angle_step)]
    complete = set(columns) <= set(result["errors"])
    if evaluation.angles:
        complete &= list(result.get("accuracy_by_angle", {})) == wanted_angles
        complete &= result.get("angle_images") == min(evaluation.picture_images, images)
    if evaluation.confusion:
        complete &= "confusion" in result
    series = _series(evaluation)
    complete &= all(set(names) <= set(result.get(key, ())) for key, names in series.items())
    if not complete:
        return None
    unwanted = set() if evaluation.angles else {"accuracy_by_angle", "angle_images"}
    unwanted |= set() if evaluation.confusion else {"confusion"}
    unwanted |= {"losses", "areas"} - series.keys()
    kept = {name: value for name, value in result.items() if name not in unwanted}
    for key, names in series.items():
        kept[key] = {name: result[key][name] for name in names}
    return {**kept, "errors": {name: result["errors"][name] for name in columns}}
