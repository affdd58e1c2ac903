"""One network of a run: built, trained, measured, and kept in its own folder."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import numpy as np
from rich.console import Console
from rich.text import Text

from keras_gcnn import analysis, data
from keras_gcnn.data.folders.fitting import Shape
from keras_gcnn.export.metadata import add_to_keras
from keras_gcnn.training import atomic_files, environment, trained_images
from keras_gcnn.training.loop import devices
from keras_gcnn.training.loop.checkpoint import STATE
from keras_gcnn.training.loop.fitting import fit
from keras_gcnn.training.recipes.schema import Recipe
from keras_gcnn.training.recipes.tables import ModelTable
from keras_gcnn.training.runs import result_file
from keras_gcnn.training.runs.networks import build_network, symmetrize_network
from keras_gcnn.training.tasks.measurement import count_parameters
from keras_gcnn.training.tasks.task import Task


class NetworkRun:
    """A network of a recipe, trained with one of its seeds.

    Args:
        recipe: what is trained.
        task: what its networks are trained for.
        table: the network's table in the recipe.
        seed: int, one of the network's seeds.
        folder: where the network and its results are kept.
        console: where progress is shown.
        device_count: int, over how many devices it is trained.
    """

    def __init__(
        self,
        recipe: Recipe,
        task: Task,
        table: ModelTable,
        seed: int,
        folder: Path,
        console: Console,
        device_count: int = 1,
    ):
        self.recipe = recipe
        self.task = task
        self.table = table
        self.seed = seed
        self.folder = folder
        self.console = console
        self.device_count = device_count
        several = len(recipe.seeds_of(table)) > 1
        self.label = f"{table.name}, seed {seed}" if several else table.name

    @property
    def _model_file(self) -> Path:
        return self.folder / "model.keras"

    @property
    def _checkpoint(self) -> Path:
        return self.folder / "checkpoint"

    @property
    def _result_file(self) -> Path:
        return self.folder / "result.json"

    def read(self, classes: int) -> dict[str, Any] | None:
        """Returns the result, or None if the network is not finished.

        Args:
            classes: int, number of classes of the data.

        Raises:
            ValueError: if the file is damaged, belongs to another network, or lacks values that
                are needed now.
        """
        if not self._result_file.is_file():
            return None
        result = result_file.read(self._result_file, classes, self.task.is_measured)
        if (result["network"], result["seed"]) != (self.table.name, self.seed):
            raise ValueError(
                f"{self._result_file} is the result of {result['network']} with seed "
                f"{result['seed']}, and its folder that of {self.table.name} with seed "
                f"{self.seed}. Put the right files back, or move the folder out of the run to "
                "train this network again."
            )
        return result

    @property
    def _is_begun(self) -> bool:
        return self._result_file.is_file() or (self._checkpoint / STATE).is_file()

    def check_images(self, dataset: data.Dataset) -> None:
        """Checks that a network that was begun or finished was trained on these images.

        Raises:
            ValueError: if the images in its folder of images are others now.
        """
        if self._is_begun:
            trained_images.check(
                self.folder,
                dataset.fingerprint,
                f"The network in {self.folder} was",
                self.recipe.data.folder,
                f"choose another folder for the run (--run-dir), or remove {self.folder} to train "
                "this network again.",
            )

    def remove_checkpoint(self) -> None:
        """Removes the training state, which a finished network no longer needs."""
        shutil.rmtree(self._checkpoint, ignore_errors=True)

    def check_model(self) -> None:
        """Checks that a finished network can be measured again.

        Raises:
            ValueError: if its model is missing.
        """
        if not self._model_file.is_file():
            raise ValueError(f"{self._model_file} is missing. {self._remedy}")

    @property
    def _remedy(self) -> str:
        return (
            f"The model is needed to measure what {self.task.table} now asks for. Put it back, "
            f"take back the change of {self.task.table}, or delete {self._result_file} to train "
            "this network again."
        )

    def train(self, dataset: data.Dataset) -> dict[str, Any]:
        """Trains from the start or from where it was interrupted, measures, returns the result."""
        keras.backend.clear_session()  # so that layer names do not depend on earlier networks
        settings = self.recipe.training_of(self.table)
        if not self._is_begun:
            trained_images.note(self.folder, dataset.fingerprint)
        with devices.distributed(self.device_count):  # after clearing, which would undo it
            model = build_network(self.table, dataset, self.seed, self.task, settings.dtype)
            history = fit(
                model,
                dataset,
                settings,
                self.folder,
                seed=self.seed,
                task=self.task,
                label=self.label,
                console=self.console,
            )
        if self.device_count > 1 or settings.dtype != "float32":
            model = self._for_use(model, dataset)
        model = symmetrize_network(self.table, model, self.task)
        known = {**self.task.metadata(dataset), "images": _preparation(dataset)}
        atomic_files.write(self._model_file, lambda path: _save(model, path, known))
        facts = {
            "network": self.table.name,
            "seed": self.seed,
            "parameters": count_parameters(model),
            "multiply_adds": analysis.cost(model).multiply_adds,
            **result_file.times([row["seconds"] for row in history]),
            "environment": environment.describe(self.device_count),
        }
        result = self._measure(model, dataset, facts)
        self.remove_checkpoint()
        return result

    def _for_use(self, model: keras.Model, dataset: data.Dataset) -> keras.Model:
        """Returns a copy in float32 and on one device, where it can be saved and measured."""
        weights, optimizer = model.get_weights(), keras.optimizers.serialize(model.optimizer)
        state: dict[str, np.ndarray] = {}
        model.optimizer.save_own_variables(state)
        keras.backend.clear_session()
        model = build_network(self.table, dataset, self.seed, self.task)
        model.set_weights(weights)
        self.task.compile(model, keras.optimizers.deserialize(optimizer))
        model.optimizer.build(model.trainable_variables)
        model.optimizer.load_own_variables(state)
        return model

    def measure_again(self, dataset: data.Dataset, result: dict[str, Any]) -> dict[str, Any]:
        """Measures a finished network for an `[evaluation]` or `[latent]` that has changed.

        Args:
            dataset: loaded with the network's seed.
            result: the network's earlier result.

        Returns:
            The new result.

        Raises:
            ValueError: if its model cannot be loaded, or does not fit the data.
        """
        keras.backend.clear_session()
        try:
            model = self.task.load(self._model_file, dataset)
        except ValueError as error:
            raise ValueError(f"{error} {self._remedy}") from error
        # Earlier measurements are dropped, so that all that is in the file is of one date.
        facts = {name: value for name, value in result.items() if name not in self.task.keys}
        return self._measure(model, dataset, {**facts, "measured": environment.now()})

    def _measure(
        self, model: keras.Model, dataset: data.Dataset, facts: dict[str, Any]
    ) -> dict[str, Any]:
        if not self.console.is_terminal:  # a terminal shows the status below
            self.console.print(f"{self.label}  testing", markup=False, emoji=False)
        with self.console.status(Text(f"{self.label}: measuring on the test images")):
            measured = self.task.measure(
                model, dataset, self.recipe.training, self.seed, self.folder
            )
        result = {**facts, **measured}
        atomic_files.write_json(self._result_file, result)
        return result


def _preparation(dataset: data.Dataset) -> dict[str, Any]:
    """Returns how images are prepared, which the file of a model says too."""
    return asdict(dataset.preparation or Shape(*dataset.image_shape))


def _save(model: keras.Model, path: Path, metadata: dict[str, Any]) -> None:
    model.save(path)
    add_to_keras(path, metadata)
