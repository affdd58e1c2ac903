"""One network of a run: built, trained, measured, and kept in a folder of its own."""

from __future__ import annotations

import shutil
import statistics
from pathlib import Path
from typing import Any

import keras
import numpy as np
from rich.console import Console
from rich.text import Text

from keras_gcnn import data, zoo
from keras_gcnn.training import environment, files
from keras_gcnn.training.evaluation import load_classifier
from keras_gcnn.training.fit import fit
from keras_gcnn.training.measurement import is_measured, measure
from keras_gcnn.training.recipe import ModelTable, Recipe


def build(table: ModelTable, dataset: data.Dataset, seed: int) -> keras.Model:
    """Builds the network of a `[[models]]` table for a data set.

    Raises:
        ValueError: if there is no such builder, or it does not take the arguments.
    """
    if table.builder not in zoo.BUILDERS:
        raise ValueError(
            f"models.builder = {table.builder!r} is no builder of keras_gcnn.zoo. Choose one of "
            f"{', '.join(zoo.BUILDERS)}."
        )
    keras.utils.set_random_seed(seed)
    arguments = {
        "input_shape": dataset.image_shape,
        "classes": len(dataset.classes),
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
    """

    def __init__(
        self, recipe: Recipe, table: ModelTable, seed: int, folder: Path, console: Console
    ):
        self.recipe = recipe
        self.table = table
        self.seed = seed
        self.folder = folder
        self.console = console
        several = len(recipe.seeds_of(table)) > 1
        self.label = f"{table.name}, seed {seed}" if several else table.name

    @property
    def _model(self) -> Path:
        return self.folder / "model.keras"

    @property
    def _result(self) -> Path:
        return self.folder / "result.json"

    def read(self) -> dict[str, Any] | None:
        """The result, or None if the network is not finished.

        Raises:
            ValueError: if the file is damaged.
        """
        if not self._result.is_file():
            return None
        remedy = "Delete it to train this network again, or start the whole run anew (--fresh)."
        return files.read_json(self._result, _is_result, remedy)

    def check_model(self) -> None:
        """Checks that a finished network can be measured again.

        Raises:
            ValueError: if its model is missing.
        """
        if not self._model.is_file():
            raise ValueError(
                f"{self._model} is missing, and needed to measure what [evaluation] now asks for. "
                f"Put it back, or delete {self._result} to train this network again."
            )

    def train(self, dataset: data.Dataset) -> dict[str, Any]:
        """Trains from the start or from where it was interrupted, and measures."""
        keras.backend.clear_session()  # layers get the same names however many were built before
        model = build(self.table, dataset, self.seed)
        history = fit(
            model,
            dataset,
            self.recipe.training_of(self.table),
            self.folder,
            seed=self.seed,
            label=self.label,
            console=self.console,
        )
        files.write(self._model, model.save)
        seconds = [row["seconds"] for row in history]
        facts = {
            "network": self.table.name,
            "seed": self.seed,
            "parameters": int(sum(np.prod(v.shape) for v in model.trainable_variables)),
            "epochs": len(history),
            "seconds": round(sum(seconds), 3),
            "seconds_per_epoch": round(statistics.median(seconds), 3),
            "environment": environment.describe(),
        }
        result = self._measure(model, dataset, facts)
        shutil.rmtree(self.folder / "checkpoint", ignore_errors=True)
        return result

    def measure_again(self, dataset: data.Dataset, result: dict[str, Any]) -> dict[str, Any]:
        """Measures a finished network for an `[evaluation]` that has changed.

        Args:
            dataset: of the network's seed.
            result: what was read of the network.
        """
        keras.backend.clear_session()
        return self._measure(load_classifier(self._model, dataset), dataset, result)

    def _measure(
        self, model: keras.Model, dataset: data.Dataset, facts: dict[str, Any]
    ) -> dict[str, Any]:
        with self.console.status(Text(f"{self.label}: measuring on the test images")):
            measured = measure(model, dataset, self.recipe.evaluation, self.seed)
        result = {**facts, **measured}
        files.write_json(self._result, result)
        return result


def _is_result(content: Any) -> bool:
    numbers = ("seed", "parameters", "epochs", "seconds", "seconds_per_epoch")
    return (
        all(isinstance(content[name], int | float) for name in numbers)
        and isinstance(content["network"], str)
        and isinstance(content["environment"], dict)
        and is_measured(content)
    )
