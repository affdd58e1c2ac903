"""The interface of a task: what networks are trained for, and what is measured of them."""

from __future__ import annotations

import shutil
from abc import ABC, abstractmethod
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import keras

from keras_gcnn.data import Dataset, Split
from keras_gcnn.export.metadata import activation_of
from keras_gcnn.rewriting.symmetrize import symmetrize
from keras_gcnn.training import atomic_files
from keras_gcnn.training.inputs.batches import ShuffledBatches
from keras_gcnn.training.recipes.schema import Recipe
from keras_gcnn.training.recipes.tables import TrainingTable
from keras_gcnn.training.reports.report import Summary
from keras_gcnn.types import Shape


class Task(ABC):
    """Everything that depends on whether networks classify images or reconstruct them.

    Attributes:
        builders: names of the builders of `keras_gcnn.zoo` that make networks for the task.
        networks: what these networks are called, in the plural, for messages.
        table: name of the recipe's table that decides what is measured.
        keys: all keys of what `measure` may return.
        files: names of all files that `plot` may write; `{network}` stands for a network's name.
    """

    builders: ClassVar[tuple[str, ...]]
    networks: ClassVar[str]
    table: ClassVar[str]
    keys: ClassVar[tuple[str, ...]]
    files: ClassVar[tuple[str, ...]]

    @abstractmethod
    def arguments(self, dataset: Dataset) -> dict[str, Any]:
        """Returns the arguments of a builder that follow from the data."""

    def finish(self, model: keras.Model, dataset: Dataset) -> keras.Model:
        """Returns the network with what the task adds behind it."""
        return model

    def metadata(self, dataset: Dataset) -> dict[str, Any]:
        """Returns what the file of a network says of its outputs: what they are, and their names.

        See `keras_gcnn.export.metadata.read`.
        """
        return {"classes": list(dataset.classes)}

    def output_shape(self, dataset: Dataset) -> Shape | None:
        """Returns the shape of what a network predicts for an image; None for any."""
        return None

    def check(self, model: keras.Model, dataset: Dataset, name: str) -> None:
        """Checks that a network fits the data, before it is trained.

        Args:
            model: the network.
            dataset: the data.
            name: of the network in the recipe.

        Raises:
            ValueError: if its arguments in the recipe gave it another input or output, or an
                activation in place of logits.
        """
        wanted = self.output_shape(dataset)
        fits = (None, *dataset.image_shape), (None, *(wanted or ()))
        if wanted is not None and (model.input_shape, model.output_shape) != fits:
            raise ValueError(
                f"models.arguments of {name} make a network from {model.input_shape} to "
                f"{model.output_shape}; the data need {fits[0]} to {fits[1]}. Leave out the "
                "arguments that follow from the data, such as classes and input_shape."
            )
        activation = activation_of(model)
        if wanted is not None and activation not in (None, "linear"):
            raise ValueError(
                f"models.arguments of {name} end the network by {activation}, and the loss takes "
                "logits. Leave classifier_activation out."
            )

    @abstractmethod
    def compile(self, model: keras.Model, optimizer: keras.optimizers.Optimizer) -> None:
        """Compiles a network with the loss of the task."""

    @abstractmethod
    def batches(self, split: Split, settings: TrainingTable, seed: int) -> ShuffledBatches:
        """Returns the batches to train on."""

    @abstractmethod
    def validation(self, split: Split, settings: TrainingTable, seed: int, batch_size: int) -> Any:
        """Returns what `keras.Model.fit` takes as `validation_data`.

        Args:
            split: images and labels.
            settings: how the network is trained.
            seed: int, for what is drawn.
            batch_size: int, of batches that are made here; Keras itself divides arrays.
        """

    def symmetrize(self, model: keras.Model, group: str, already: str | None = None) -> keras.Model:
        """Returns a network whose answers are averaged over the poses of an image."""
        return symmetrize(model, group, already=already)

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
        """Measures a network on the test images; plots of this network go into the folder."""

    @abstractmethod
    def is_measured(self, content: dict[str, Any], classes: int) -> bool:
        """Whether values look like what `measure` returns; wrong types may also raise an error."""

    @abstractmethod
    def select(self, result: dict[str, Any], images: int) -> dict[str, Any] | None:
        """Returns what the recipe asks for of a result, or None if something is missing.

        Args:
            result: the values of `measure`; other values in it are kept.
            images: number of test images.
        """

    @abstractmethod
    def plot(
        self, results: list[dict[str, Any]], recipe: Recipe, folder: Path, summary: Summary
    ) -> dict[str, str]:
        """Writes the plots of a run; returns a dict from file names to captions."""


def network_folder(run: Path, name: str, seed: int) -> Path:
    """Returns the folder of a network inside the folder of its run."""
    return run / f"{name}-seed{seed}"


def copy_plot(network: Path, run: Path, plot: str, name: str) -> list[str]:
    """Copies a plot of one network into the folder of its run.

    Args:
        network: folder of the network.
        run: folder of the run.
        plot: name of the plot without its ending.
        name: of the network.

    Returns:
        The name of the copy, or nothing if there is no such plot.
    """
    source, target = network / f"{plot}.png", f"{plot}-{name}.png"
    if not source.is_file():
        return []
    atomic_files.write(run / target, partial(shutil.copy, source))
    return [target]
