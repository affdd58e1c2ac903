"""Classification: networks that name the class of an image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_gcnn import zoo
from keras_gcnn.data import Dataset, Split
from keras_gcnn.training.inputs.batches import OrderedBatches, ShuffledBatches
from keras_gcnn.training.recipes.schema import Recipe
from keras_gcnn.training.recipes.tables import EvaluationTable, TrainingTable
from keras_gcnn.training.reports import plots
from keras_gcnn.training.reports.report import Summary
from keras_gcnn.training.tasks import measurement
from keras_gcnn.training.tasks.evaluation import load_classifier
from keras_gcnn.training.tasks.task import Task
from keras_gcnn.types import Shape


def compile_classifier(model: keras.Model, optimizer: keras.optimizers.Optimizer) -> None:
    """Compiles a network with cross-entropy from logits and the metric accuracy."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=optimizer, loss=loss, metrics=["accuracy"])


def balanced_weights(labels: np.ndarray) -> np.ndarray:
    """Returns weights of classes, with which all classes weigh the same and the mean image 1.

    Example:

    >>> balanced_weights(np.array([0] * 4 + [1] * 8)).tolist()
    [1.5, 0.75]
    """
    counts = np.bincount(labels)
    return (len(labels) / (np.count_nonzero(counts) * np.maximum(counts, 1))).astype("float32")


class Classification(Task):
    """Networks trained by cross-entropy and measured by their errors on test images.

    Args:
        evaluation: `[evaluation]` of a recipe; None for its defaults.
    """

    builders = zoo.BUILDERS
    networks = "classifiers"
    table = "[evaluation]"
    keys = measurement.KEYS
    files = tuple(plots.FILES)

    def __init__(self, evaluation: EvaluationTable | None = None):
        self.evaluation = evaluation or EvaluationTable()

    def arguments(self, dataset: Dataset) -> dict[str, Any]:
        return {"input_shape": dataset.image_shape, "classes": len(dataset.classes)}

    def check(self, model: keras.Model, dataset: Dataset, name: str) -> None:
        super().check(model, dataset, name)
        if self.evaluation.turned and not dataset.is_square:
            rows, columns, _ = dataset.image_shape
            raise ValueError(
                f"Images of {rows} x {columns} pixels have another shape after a quarter turn, so "
                f"that {name} cannot be measured on turned images. In the recipe, set "
                f"evaluation.turned = false, or data.size to a single number, such as "
                f"{min(rows, columns)}; `keras-gcnn new NAME --data FOLDER` writes a recipe for a "
                "folder, with square images."
            )

    def compile(self, model: keras.Model, optimizer: keras.optimizers.Optimizer) -> None:
        compile_classifier(model, optimizer)

    def batches(self, split: Split, settings: TrainingTable, seed: int) -> ShuffledBatches:
        weights = balanced_weights(split.labels) if settings.class_weights != "none" else None
        return ShuffledBatches(
            split, settings.batch_size, seed, settings.augment, class_weights=weights
        )

    def validation(self, split: Split, settings: TrainingTable, seed: int, batch_size: int) -> Any:
        if isinstance(split.images, np.ndarray):
            return split.images, split.labels
        return OrderedBatches(split, labels=True, batch_size=batch_size)

    def output_shape(self, dataset: Dataset) -> Shape:
        return (len(dataset.classes),)

    def load(self, path: Path, dataset: Dataset) -> keras.Model:
        return load_classifier(path, dataset)

    def measure(
        self,
        model: keras.Model,
        dataset: Dataset,
        settings: TrainingTable,
        seed: int,
        folder: Path,
    ) -> dict[str, Any]:
        return measurement.measure(model, dataset, self.evaluation, seed)

    def is_measured(self, content: dict[str, Any], classes: int) -> bool:
        return measurement.is_measured(content, classes)

    def select(self, result: dict[str, Any], images: int) -> dict[str, Any] | None:
        return measurement.select(result, self.evaluation, images)

    def plot(
        self, results: list[dict[str, Any]], recipe: Recipe, folder: Path, summary: Summary
    ) -> dict[str, str]:
        return plots.write_plots(results, recipe, folder, summary)
