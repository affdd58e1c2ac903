"""Predicts the labels of image files, of which an image has any number, with a saved model."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_gcnn.data.folders.cache import Progress, silent
from keras_gcnn.data.folders.fitting import Shape
from keras_gcnn.training.predictions.batches import Run, outputs_of
from keras_gcnn.training.predictions.classes import Prediction

_THRESHOLD = 0.5  # from this probability on an image has a label
_NONE = "-"  # what tables say of an image without labels


@dataclass(frozen=True)
class Labeller:
    """A saved network for several labels and how its images are prepared.

    Args:
        run: from a batch of images to a score for each label.
        shape: to which images are brought.
        classes: names of the labels.
        probabilities: whether scores are probabilities; None for unknown, which are logits.
    """

    run: Run
    shape: Shape
    classes: tuple[str, ...]
    probabilities: bool | None = None

    def predict(self, paths: Sequence[Path], progress: Progress = silent) -> Iterator[Prediction]:
        """Yields the probability of each label for each file, in their order.

        Args:
            paths: of image files.
            progress: shows progress.
        """
        for output in outputs_of(self.run, paths, self.shape, progress):
            probabilities = output.values
            if probabilities is not None:
                probabilities = np.asarray(probabilities, "float64")
                probabilities = probabilities if self.probabilities else _sigmoid(probabilities)
            yield Prediction(output.path, probabilities, output.reason)


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    return (1 + np.tanh(logits / 2)) / 2  # the exponential of large numbers would overflow


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
