"""What is measured of a trained network, and whether a result has all that is wanted."""

from __future__ import annotations

from typing import Any

import keras

from keras_gcnn.data import Dataset, Split
from keras_gcnn.data.options import SPLITS
from keras_gcnn.training.recipes.tables import EvaluationTable
from keras_gcnn.training.rotated_evaluation import (
    COLUMNS,
    accuracy_by_angle,
    angles,
    at_any_angle,
    classify,
    error,
    turned_errors,
)
from keras_gcnn.training.tasks.confusion import confusion_matrix


def measure(
    model: keras.Model, dataset: Dataset, evaluation: EvaluationTable, seed: int
) -> dict[str, Any]:
    """Measures a classifier on the test images of a data set.

    Args:
        model: from images to scores per class.
        dataset: with test images, which are square.
        evaluation: what is wanted, `[evaluation]` of a recipe.
        seed: int, for the random angles.

    Returns:
        dict of `"errors"` in percent, by the names of `COLUMNS` or for `"test"` alone; and, if they
        are wanted, `"accuracy_by_angle"` in percent with the number of its `"angle_images"`,
        `"confusion"`, a list of rows of counts, a row for each true class, and `"losses"`, the mean
        cross-entropy in inference by the names of the splits, and with turned images by that of
        their column.
    """
    test = dataset.test
    predicted = classify(model, test.images)
    result: dict[str, Any] = {"errors": {COLUMNS[0]: error(predicted, test.labels)}}
    if evaluation.turned:
        result["errors"] |= turned_errors(model, test, seed)
    if evaluation.angles:
        count = evaluation.picture_images
        first = Split(test.images[:count], test.labels[:count])
        curve = accuracy_by_angle(model, first, evaluation.angle_step)
        result["angle_images"] = len(first)
        # Text for keys, as in a JSON file, from which a later call reads the result.
        result["accuracy_by_angle"] = {str(angle): value for angle, value in curve.items()}
    if evaluation.confusion:
        result["confusion"] = confusion_matrix(test.labels, predicted, len(dataset.classes))
    if evaluation.losses:
        result["losses"] = {split: _loss(model, getattr(dataset, split)) for split in SPLITS}
        if evaluation.turned:
            result["losses"][COLUMNS[-1]] = _loss(model, at_any_angle(test, seed))
    return result


def _loss(model: keras.Model, split: Split) -> float:
    """Mean cross-entropy, from logits."""
    logits = model.predict(split.images, batch_size=256, verbose=0)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return float(loss(split.labels, logits))


def _losses(evaluation: EvaluationTable) -> tuple[str, ...]:
    """Names of the losses that are wanted."""
    return (*SPLITS, COLUMNS[-1]) if evaluation.turned else SPLITS


# All that `measure` may give.
KEYS = ("errors", "accuracy_by_angle", "angle_images", "confusion", "losses")


def is_measured(content: dict[str, Any], classes: int) -> bool:
    """Whether values are such as `measure` gives; wrong types may also raise an error.

    Args:
        content: what may be a result.
        classes: int, number of classes of the data.
    """
    curve = content.get("accuracy_by_angle", {})
    losses = content.get("losses", {})
    numbers = [*content["errors"].values(), *curve.values(), *map(float, curve), *losses.values()]
    whole = all(isinstance(number, int | float) for number in numbers)
    if "confusion" not in content:
        return whole
    rows = content["confusion"]
    return (
        whole
        and [len(row) for row in rows] == [classes] * classes
        and all(isinstance(count, int) and count >= 0 for row in rows for count in row)
    )


def select(
    result: dict[str, Any], evaluation: EvaluationTable, images: int
) -> dict[str, Any] | None:
    """What a recipe wants of a result, which may have been measured for another recipe.

    Args:
        result: with the values of `measure`, and others, which are kept.
        evaluation: what is wanted.
        images: number of test images.

    Returns:
        The result without what is not wanted, or None if something is missing.
    """
    columns = COLUMNS if evaluation.turned else COLUMNS[:1]
    wanted = [str(angle) for angle in angles(evaluation.angle_step)]
    complete = set(columns) <= set(result["errors"])
    if evaluation.angles:
        complete &= list(result.get("accuracy_by_angle", {})) == wanted
        complete &= result.get("angle_images") == min(evaluation.picture_images, images)
    if evaluation.confusion:
        complete &= "confusion" in result
    if evaluation.losses:
        complete &= set(_losses(evaluation)) <= set(result.get("losses", ()))
    if not complete:
        return None
    unwanted = set() if evaluation.angles else {"accuracy_by_angle", "angle_images"}
    unwanted |= set() if evaluation.confusion else {"confusion"}
    unwanted |= set() if evaluation.losses else {"losses"}
    kept = {name: value for name, value in result.items() if name not in unwanted}
    if evaluation.losses:
        kept["losses"] = {name: result["losses"][name] for name in _losses(evaluation)}
    return {**kept, "errors": {name: result["errors"][name] for name in columns}}
