"""One network of a run: built, trained, measured, and kept in a folder of its own."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import keras
import numpy as np
from rich.console import Console
from rich.text import Text

from keras_gcnn import data, zoo
from keras_gcnn.training import atomic_files as files
from keras_gcnn.training import environment
from keras_gcnn.training.loop import devices
from keras_gcnn.training.loop.fitting import fit
from keras_gcnn.training.recipes.schema import Recipe
from keras_gcnn.training.recipes.tables import ModelTable
from keras_gcnn.training.runs import result_file
from keras_gcnn.training.tasks.autoencoding import Autoencoding
from keras_gcnn.training.tasks.classification import Classification
from keras_gcnn.training.tasks.task import Task, check_builder


def task_of(recipe: Recipe) -> Task:
    """What the networks of a recipe are trained for."""
    if recipe.latent is not None:
        return Autoencoding(recipe.latent)
    return Classification(recipe.evaluation)


def build(
    table: ModelTable, dataset: data.Dataset, seed: int, task: Task | None = None
) -> keras.Model:
    """Builds the network of a `[[models]]` table for a data set; None is classification.

    Raises:
        ValueError: if there is no such builder, or it does not take the arguments.
    """
    task = task or Classification()
    check_builder(task, table.builder, (*zoo.BUILDERS, *zoo.AUTOENCODERS))
    keras.utils.set_random_seed(seed)
    arguments = {
        **task.arguments(dataset),
        "data_format": "channels_last",  # of the data, whatever Keras's configuration says
    }
    try:
        return getattr(zoo, table.builder)(**{**arguments, **table.arguments})
    except TypeError as error:
        raise ValueError(f"models.arguments of {table.name}: {error}") from None


class Network:
    """A network of a recipe, with one of its seeds.

    Args:
        recipe: what is trained.
        table: which of the recipe's networks.
        seed: int, one of the network's seeds.
        folder: for what is written.
        console: where progress is shown.
        devices: int, over how many devices it is trained.
    """

    def __init__(
        self,
        recipe: Recipe,
        table: ModelTable,
        seed: int,
        folder: Path,
        console: Console,
        devices: int = 1,
    ):
        self.recipe = recipe
        self.task = task_of(recipe)
        self.table = table
        self.seed = seed
        self.folder = folder
        self.console = console
        self.devices = devices
        several = len(recipe.seeds_of(table)) > 1
        self.label = f"{table.name}, seed {seed}" if several else table.name

    @property
    def _model(self) -> Path:
        return self.folder / "model.keras"

    @property
    def _result(self) -> Path:
        return self.folder / "result.json"

    def read(self, classes: int) -> dict[str, Any] | None:
        """The result, or None if the network is not finished.

        Args:
            classes: int, number of classes of the data.

        Raises:
            ValueError: if the file is damaged, another network's, or lacks what is needed now.
        """
        if not self._result.is_file():
            return None
        result = result_file.read(self._result, classes, self.task.is_measured)
        found, own = (result["network"], result["seed"]), (self.table.name, self.seed)
        if found != own:
            raise ValueError(
                f"{self._result} is the result of {found[0]} with seed {found[1]}, and its folder "
                f"that of {own[0]} with seed {own[1]}. Put the right files back, or move the "
                "folder out of the run to train this network again."
            )
        return result

    def sweep(self) -> None:
        """Removes the training state, which a finished network needs no more."""
        shutil.rmtree(self.folder / "checkpoint", ignore_errors=True)

    def check_model(self) -> None:
        """Checks that a finished network can be measured again.

        Raises:
            ValueError: if its model is missing.
        """
        if not self._model.is_file():
            raise ValueError(f"{self._model} is missing. {self._remedy}")

    @property
    def _remedy(self) -> str:
        return (
            f"The model is needed to measure what {self.task.table} now asks for. Put it back, "
            f"take back the change of {self.task.table}, or delete {self._result} to train this "
            "network again."
        )

    def train(self, dataset: data.Dataset) -> dict[str, Any]:
        """Trains from the start or from where it was interrupted, and measures."""
        keras.backend.clear_session()  # layers get the same names however many were built before
        with devices.several(self.devices):  # which clearing would undo
            model = build(self.table, dataset, self.seed, self.task)
            history = fit(
                model,
                dataset,
                self.recipe.training_of(self.table),
                self.folder,
                seed=self.seed,
                task=self.task,
                label=self.label,
                console=self.console,
            )
        if self.devices > 1:
            model = self._on_one_device(model, dataset)
        files.write(self._model, model.save)
        facts = {
            "network": self.table.name,
            "seed": self.seed,
            "parameters": int(sum(np.prod(v.shape) for v in model.trainable_variables)),
            **result_file.times([row["seconds"] for row in history]),
            "environment": environment.describe(self.devices),
        }
        result = self._measure(model, dataset, facts)
        self.sweep()
        return result

    def _on_one_device(self, model: keras.Model, dataset: data.Dataset) -> keras.Model:
        """The same model where it can be measured by batches of any size, and saved."""
        weights, optimizer = model.get_weights(), keras.optimizers.serialize(model.optimizer)
        state: dict[str, np.ndarray] = {}
        model.optimizer.save_own_variables(state)
        keras.backend.clear_session()
        model = build(self.table, dataset, self.seed, self.task)
        model.set_weights(weights)
        self.task.compile(model, keras.optimizers.deserialize(optimizer))
        model.optimizer.build(model.trainable_variables)
        model.optimizer.load_own_variables(state)
        return model

    def measure_again(self, dataset: data.Dataset, result: dict[str, Any]) -> dict[str, Any]:
        """Measures a finished network for a `[evaluation]` or `[latent]` that has changed.

        Args:
            dataset: of the network's seed.
            result: what was read of the network.

        Raises:
            ValueError: if its model cannot be loaded, or does not fit the data.
        """
        keras.backend.clear_session()
        try:
            model = self.task.load(self._model, dataset)
        except ValueError as error:
            raise ValueError(f"{error} {self._remedy}") from error
        # What was measured before goes, so that all that is in the file is of one date.
        facts = {name: value for name, value in result.items() if name not in self.task.keys}
        return self._measure(model, dataset, {**facts, "measured": environment.now()})

    def _measure(
        self, model: keras.Model, dataset: data.Dataset, facts: dict[str, Any]
    ) -> dict[str, Any]:
        if not self.console.is_terminal:  # which shows the status
            self.console.print(f"{self.label}  testing", markup=False, emoji=False)
        with self.console.status(Text(f"{self.label}: measuring on the test images")):
            measured = self.task.measure(
                model, dataset, self.recipe.training, self.seed, self.folder
            )
        result = {**facts, **measured}
        files.write_json(self._result, result)
        return result
