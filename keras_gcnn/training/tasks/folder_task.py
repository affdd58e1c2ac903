"""What the tasks on folders of images share, besides naming a class."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import keras

from keras_gcnn import export
from keras_gcnn.analysis.plots.results import plot_errors
from keras_gcnn.data import Dataset, Split
from keras_gcnn.training import atomic_files
from keras_gcnn.training.inputs.batches import OrderedBatches, ShuffledBatches
from keras_gcnn.training.recipes.schema import Recipe
from keras_gcnn.training.recipes.tables import TrainingTable
from keras_gcnn.training.reports.report import Summary, by_network
from keras_gcnn.training.tasks.task import Task
from keras_gcnn.types import Shape


class FolderTask(Task):
    """A task with batches of images and labels, and measures by name."""

    table = "[data]"
    keys = ("measures",)
    files: ClassVar[tuple[str, ...]] = ("losses.png",)
    loss_name: ClassVar[str]
    """The measure that the plot shows; the smaller, the better."""

    def batches(self, split: Split, settings: TrainingTable, seed: int) -> ShuffledBatches:
        return ShuffledBatches(split, settings.batch_size, seed, settings.augment)

    def validation(
        self, split: Split, settings: TrainingTable, seed: int, batch_size: int
    ) -> OrderedBatches:
        return OrderedBatches(split, labels=True, batch_size=batch_size)

    def output_shape(self, dataset: Dataset) -> Shape:
        """Returns the shape of what a network predicts for an image."""
        return (self.arguments(dataset)["classes"],)

    def load(self, path: Path, dataset: Dataset) -> keras.Model:
        model = export.load(path)
        self.check_fits(model, path, dataset)
        return model

    def check_fits(self, model: keras.Model, path: Path, dataset: Dataset) -> None:
        """Raises a `ValueError` if a model of this file does not fit the data."""
        fits = (None, *dataset.image_shape), (None, *self.output_shape(dataset))
        if (model.input_shape, model.output_shape) != fits:
            raise ValueError(
                f"{path} maps {model.input_shape} to {model.output_shape}; the data need {fits[0]} "
                f"to {fits[1]}."
            )

    def is_measured(self, content: dict[str, Any], classes: int) -> bool:
        return all(isinstance(number, int | float) for number in content["measures"].values())

    def select(self, result: dict[str, Any], images: int) -> dict[str, Any] | None:
        return result

    def plot(
        self, results: list[dict[str, Any]], recipe: Recipe, folder: Path, summary: Summary
    ) -> dict[str, str]:
        runs = by_network(results)
        values = {
            name: [run["measures"][self.loss_name] for run in seeds] for name, seeds in runs.items()
        }
        parameters = {name: seeds[0]["parameters"] for name, seeds in runs.items()}
        note = f"{recipe.data.title}, {summary.images['test']:,} test images"
        atomic_files.write(
            folder / "losses.png",
            lambda path: plot_errors(
                values, path, parameters, recipe.title, note, axis=self.loss_name
            ),
        )
        return {
            "losses.png": f"{self.loss_name}: mean, standard deviation, and every seed as a dot"
        }
