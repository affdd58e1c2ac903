"""Predicts the classes of image files with a saved model."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from keras_gcnn.data.folders.cache import Progress, silent
from keras_gcnn.training.predictions.scores import Prediction, Scorer

_PROBABILITIES = {"linear": False, "softmax": True, "sigmoid": True}  # by the last activation


def makes_probabilities(activation: str | None) -> bool | None:
    """Whether a model that ends by this activation makes probabilities; None for unknown."""
    return _PROBABILITIES.get(str(activation))


class Classifier(Scorer):
    """A saved classifier and how its images are prepared."""

    def to_probabilities(self, scores: np.ndarray) -> np.ndarray:
        return as_probabilities(scores, self.probabilities)


def as_probabilities(scores: np.ndarray, probabilities: bool | None = None) -> np.ndarray:
    """Returns probabilities from logits; probabilities stay unchanged.

    Args:
        scores: of shape `(..., classes)`.
        probabilities: whether these are probabilities already; None for a guess: if none is below
            0 and they add up to 1.

    Example:

    >>> as_probabilities(np.array([[0.0, 0.0], [0.0, np.log(3)]])).round(2).tolist()
    [[0.5, 0.5], [0.25, 0.75]]
    """
    scores = np.asarray(scores, "float64")
    if probabilities is None:
        sums = scores.sum(axis=-1)
        probabilities = bool(scores.min() >= 0 and np.allclose(sums, 1, atol=1e-4))
    if probabilities:
        return scores
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def table_of_classes(
    classifier: Classifier,
    paths: Sequence[Path],
    all_classes: bool,
    progress: Progress = silent,
) -> tuple[str, dict[Path, str]]:
    """Predicts the classes of image files.

    Args:
        classifier: the network.
        paths: of the images.
        all_classes: whether there is a column of probabilities for each class.
        progress: shows progress.

    Returns:
        The table of `as_csv`, and a dict from the files that cannot be used to the reasons.
    """
    predictions = list(classifier.predict(paths, progress))
    problems = {each.path: each.reason for each in predictions if each.reason}
    return as_csv(predictions, classifier.classes, all_classes), problems


def as_csv(predictions: Iterable[Prediction], classes: Sequence[str], all_classes: bool) -> str:
    """Returns a table of predictions.

    Args:
        predictions: of image files.
        classes: their names.
        all_classes: whether there is a column of probabilities for each class.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    names = [f"probability of {name}" for name in classes] if all_classes else []
    writer.writerow(["file", "class", "probability", *names, "problem"])
    for each in predictions:
        if each.probabilities is None:
            writer.writerow([each.path, "", "", *[""] * len(names), each.reason])
            continue
        best = int(np.argmax(each.probabilities))
        numbers = [f"{value:.6f}" for value in each.probabilities] if all_classes else []
        row = [each.path, classes[best], f"{each.probabilities[best]:.6f}", *numbers, ""]
        writer.writerow(row)
    return text.getvalue()
