"""Predicts labels of image files with a saved model; an image has any number of them."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from keras_gcnn.data.folders.cache import Progress, silent
from keras_gcnn.training.predictions.scores import Scorer

_THRESHOLD = 0.5  # from this probability on an image has a label
_NONE = "-"  # what tables say of an image without labels


class Labeller(Scorer):
    """A saved network for several labels and how its images are prepared.

    Scores are taken for logits unless they are known to be probabilities.
    """

    def to_probabilities(self, scores: np.ndarray) -> np.ndarray:
        scores = np.asarray(scores, "float64")
        # Not by the exponential, which would overflow.
        return scores if self.probabilities else (1 + np.tanh(scores / 2)) / 2


def table_of_labels(
    labeller: Labeller, paths: Sequence[Path], progress: Progress = silent
) -> tuple[str, dict[Path, str]]:
    """Predicts the labels of image files.

    Args:
        labeller: the network.
        paths: of the images.
        progress: shows progress.

    Returns:
        A table in CSV with the labels of each image, separated by `;`, and the probability of every
        label; and a dict from the files that cannot be used to the reasons.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    names = [f"probability of {name}" for name in labeller.classes]
    writer.writerow(["file", "labels", *names, "problem"])
    problems: dict[Path, str] = {}
    for each in labeller.predict(paths, progress):
        cells = [""] * (1 + len(names))
        if each.probabilities is None:
            problems[each.path] = each.reason
        else:
            pairs = zip(labeller.classes, each.probabilities, strict=True)
            labels = ";".join(name for name, value in pairs if value >= _THRESHOLD)
            cells = [labels or _NONE, *(f"{value:.6f}" for value in each.probabilities)]
        writer.writerow([each.path, *cells, each.reason])
    return text.getvalue(), problems
