"""Predicts the probabilities of classes or labels of image files with a saved model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_gcnn.data.folders.cache import Progress, silent
from keras_gcnn.data.folders.fitting import Shape
from keras_gcnn.training.predictions.batches import Run, outputs_of


@dataclass(frozen=True)
class Prediction:
    """What a model says of an image.

    Args:
        path: of the image.
        probabilities: of the classes or labels, float64; None for an image that cannot be read.
        reason: why it cannot be read, or "".
    """

    path: Path
    probabilities: np.ndarray | None
    reason: str = ""


@dataclass(frozen=True)
class NamedScores:
    """Base of the saved networks that give a score for each class or label, or a map of them.

    Args:
        run: from a batch of images to scores.
        shape: to which images are brought.
        classes: names of the classes or labels.
        probabilities: whether scores are probabilities; None for unknown.
    """

    run: Run
    shape: Shape
    classes: tuple[str, ...]
    probabilities: bool | None = None


class Scorer(NamedScores):
    """Base of the saved networks that give a score for each class or label of an image.

    A subclass makes probabilities of scores in `to_probabilities`.
    """

    def to_probabilities(self, scores: np.ndarray) -> np.ndarray:
        """Returns probabilities, float64, from the scores of an image."""
        raise NotImplementedError

    def predict(self, paths: Sequence[Path], progress: Progress = silent) -> Iterator[Prediction]:
        """Yields a prediction for each file, in their order.

        Args:
            paths: of image files.
            progress: shows progress.
        """
        for output in outputs_of(self.run, paths, self.shape, progress):
            scores = output.values
            probabilities = None if scores is None else self.to_probabilities(scores)
            yield Prediction(output.path, probabilities, output.reason)
