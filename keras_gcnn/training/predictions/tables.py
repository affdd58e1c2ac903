"""Predicts what a saved model says of image files, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from keras_gcnn.data.folders.cache import Progress, silent
from keras_gcnn.training.predictions.classes import Classifier, table_of_classes
from keras_gcnn.training.predictions.labels import Labeller, table_of_labels
from keras_gcnn.training.predictions.numbers import Estimator, table_of_numbers


def table_of(
    predictor: Classifier | Labeller | Estimator,
    paths: Sequence[Path],
    all_classes: bool = False,
    progress: Progress = silent,
) -> tuple[str, dict[Path, str]]:
    """Predicts the classes, labels or numbers of image files.

    Args:
        predictor: the network.
        paths: of the images.
        all_classes: whether there is a column of probabilities for each class; labels always have
            them.
        progress: shows progress.

    Returns:
        A table in CSV, and a dict from the files that cannot be used to the reasons.

    Raises:
        ValueError: if probabilities are asked for and the network predicts numbers.
    """
    if isinstance(predictor, Classifier):
        return table_of_classes(predictor, paths, all_classes, progress)
    if isinstance(predictor, Labeller):
        return table_of_labels(predictor, paths, progress)
    if all_classes:
        raise ValueError("--proba is for classes and labels, and the model predicts a number.")
    return table_of_numbers(predictor, paths, progress)
