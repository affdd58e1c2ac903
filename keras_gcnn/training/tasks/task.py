"""What a recipe's networks are trained for, and what is measured of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import keras

from keras_gcnn.data import Dataset, Split
from keras_gcnn.training.batches import ShuffledBatches
from keras_gcnn.training.recipes.tables import TrainingTable

if TYPE_CHECKING:
    from keras_gcnn.training.recipes.schema import Recipe
    from keras_gcnn.training.reports.report import Summary


class Task(ABC):
    """What depends on whether networks classify images or draw them again.

    Attributes:
        builders: names of the builders of `keras_gcnn.zoo` that make networks for it.
        kind: what these are, for messages.
        table: name of the recipe's table that says what is measured.
        keys: all that `measure` may give.
    """

    builders: ClassVar[tuple[str, ...]]
    kind: ClassVar[str]
    table: ClassVar[str]
    keys: ClassVar[tuple[str, ...]]

    @abstractmethod
    def arguments(self, dataset: Dataset) -> dict[str, Any]:
        """What a builder is told of the data."""

    @abstractmethod
    def compile(self, model: keras.Model, optimizer: keras.optimizers.Optimizer) -> None:
        """Compiles a network with the loss of the task."""

    @abstractmethod
    def batches(self, split: Split, settings: TrainingTable, seed: int) -> ShuffledBatches:
        """The batches to train on."""

    @abstractmethod
    def validation(self, split: Split, settings: TrainingTable, seed: int) -> tuple:
        """What `fit` takes as `validation_data`."""

    @abstractmethod
    def load(self, path: Path, dataset: Dataset) -> keras.Model:
        """Loads a trained network; raises a `ValueError` if it does not fit the data."""

    @abstractmethod
    def measure(
        self,
        model: keras.Model,
        dataset: Dataset,
        settings: TrainingTable,
        seed: int,
        folder: Path,
    ) -> dict[str, Any]:
        """Measures a network on the test images; pictures of it alone go into the folder."""

    @abstractmethod
    def is_measured(self, content: dict[str, Any], classes: int) -> bool:
        """Whether values are such as `measure` gives; wrong types may also raise an error."""

    @abstractmethod
    def select(self, result: dict[str, Any], images: int) -> dict[str, Any] | None:
        """What the recipe wants of a result, or None if something is missing.

        Args:
            result: with the values of `measure`, and others, which are kept.
            images: number of test images.
        """

    @abstractmethod
    def draw(
        self, results: list[dict[str, Any]], recipe: Recipe, folder: Path, summary: Summary
    ) -> dict[str, str]:
        """Writes the pictures of a run, and returns what they show by the names of the files."""


def check_builder(task: Task, builder: str, others: Sequence[str]) -> None:
    """Raises a `ValueError` if a builder is none of the task's; `others` are of other tasks."""
    if builder in task.builders:
        return
    hint = ""
    if builder in others:
        hint = " A recipe trains autoencoders if it has [latent], and classifiers if it has not."
    raise ValueError(
        f"models.builder = {builder!r} is no builder of {task.kind}s in keras_gcnn.zoo.{hint} "
        f"Choose one of {', '.join(task.builders)}."
    )
