"""Predicts a number for each of several image files with a saved model."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from keras_gcnn.data.folders.cache import Progress, silent
from keras_gcnn.data.folders.fitting import Shape
from keras_gcnn.training.predictions.batches import Run, outputs_of


@dataclass(frozen=True)
class Estimator:
    """A saved network for a number and how its images are prepared.

    Args:
        run: from a batch of images to a number for each.
        shape: to which images are brought.
    """

    run: Run
    shape: Shape


def table_of_numbers(
    estimator: Estimator, paths: Sequence[Path], progress: Progress = silent
) -> tuple[str, dict[Path, str]]:
    """Predicts the numbers of image files.

    Args:
        estimator: the network.
        paths: of the images.
        progress: shows progress.

    Returns:
        A table in CSV with the number of each image, and a dict from the files that cannot be used
        to the reasons.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["file", "number", "problem"])
    problems: dict[Path, str] = {}
    for output in outputs_of(estimator.run, paths, estimator.shape, progress):
        number = ""
        if output.values is None:
            problems[output.path] = output.reason
        else:
            number = f"{output.values.item():.7g}"  # the digits of float32
        writer.writerow([output.path, number, output.reason])
    return text.getvalue(), problems
