"""The schema of recipes: which networks are trained on which data, and how."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationInfo, model_validator

from keras_gcnn.training.backend import Backend
from keras_gcnn.training.recipes import loading
from keras_gcnn.training.recipes.data_table import DataTable
from keras_gcnn.training.recipes.table import Table
from keras_gcnn.training.recipes.tables import (
    AugmentTable,
    EvaluationTable,
    LatentTable,
    ModelTable,
    Seeds,
    TrainingTable,
)


def check_together(data: DataTable, training: TrainingTable, latent: LatentTable | None) -> None:
    """Checks that all settings of the training have an effect on what is trained.

    Args:
        data: `[data]` of a recipe or of a search.
        training: `[training]` of it.
        latent: `[latent]` of it, if it trains autoencoders.

    Raises:
        ValueError: if one would do nothing, or cannot be followed.
    """
    check_augment(training)
    if latent is not None:
        _check_autoencoders(data, training)
        return
    if data.target != "class" and training.class_weights != "none":
        raise ValueError(
            f'training.class_weights is for classes, and data.target = "{data.target}"'
        )
    if data.target == "number" and training.monitor != "val_loss":
        raise ValueError('data.target = "number" has no accuracy to monitor')
    for key in ("binarize", "straighten"):
        if getattr(training, key):
            raise ValueError(f"training.{key} is for autoencoders, and there is no [latent]")


def _check_autoencoders(data: DataTable, training: TrainingTable) -> None:
    if data.target != "class":
        raise ValueError(
            "[latent] measures autoencoders on images with classes, and data.target = "
            f'"{data.target}"'
        )
    if training.monitor != "val_loss":
        raise ValueError("autoencoders, by [latent], have no accuracy to monitor")
    if training.class_weights != "none":
        raise ValueError("training.class_weights is for classifiers, and [latent] for autoencoders")


def check_augment(training: TrainingTable) -> None:
    """Raises a `ValueError` if images that are to be straightened would be changed otherwise."""
    if training.straighten and (training.augment != AugmentTable() or training.binarize):
        raise ValueError(
            "training.straighten rotates the images itself and needs grey images: leave augment "
            "and binarize out"
        )


class Recipe(Table):
    """A whole recipe."""

    title: str
    seeds: Seeds = (0,)
    backend: Backend | None = None
    data: DataTable = DataTable()
    training: TrainingTable = TrainingTable()
    evaluation: EvaluationTable = EvaluationTable()
    latent: LatentTable | None = None  # for autoencoders, instead of [evaluation]
    models: tuple[ModelTable, ...] = Field(min_length=1, strict=False)

    def training_of(self, model: ModelTable) -> TrainingTable:
        """Returns `[training]` as overridden by the settings of a network."""
        shared = self.training
        overrides = {
            "epochs": min(shared.epochs, model.epochs or shared.epochs),
            "optimizer": model.optimizer or shared.optimizer,
            "learning_rate": model.learning_rate or shared.learning_rate,
            "optimizer_arguments": {**shared.optimizer_arguments, **model.optimizer_arguments},
            "augment": model.augment or shared.augment,
        }
        return shared.model_copy(update=overrides)

    def seeds_of(self, model: ModelTable) -> tuple[int, ...]:
        """Returns the seeds with which a network is trained."""
        return model.seeds or self.seeds

    @property
    def networks(self) -> tuple[tuple[ModelTable, int], ...]:
        """Every network with each of its seeds: all networks with one seed, then with the next."""
        seeds = dict.fromkeys(seed for model in self.models for seed in self.seeds_of(model))
        return tuple(
            (model, seed) for seed in seeds for model in self.models if seed in self.seeds_of(model)
        )

    @model_validator(mode="after")
    def _epochs_fit(self, info: ValidationInfo) -> Recipe:
        # The limit is that of the file: fewer epochs given as an override hold for all networks.
        most = max(self.training.epochs, (info.context or {}).get("epochs", math.inf))
        for model in self.models:
            if (model.epochs or 0) > most:
                raise ValueError(
                    f"{model.name} has epochs = {model.epochs}, but no network gets more than "
                    f"training.epochs = {most}. Raise the latter, or leave the former out"
                )
        return self

    @model_validator(mode="after")
    def _tables_fit(self) -> Recipe:
        check_together(self.data, self.training, self.latent)
        for model in self.models:
            check_augment(self.training_of(model))
        if self.evaluation != EvaluationTable():
            if self.latent is not None:
                raise ValueError("[evaluation] is for classifiers and [latent] for autoencoders")
            if self.data.target != "class":
                raise ValueError(
                    f'[evaluation] is for classes, and data.target = "{self.data.target}"'
                )
        return self

    @model_validator(mode="after")
    def _names_differ(self) -> Recipe:
        names = [model.name for model in self.models]
        if len(set(names)) < len(names):
            raise ValueError(f"two models have the same name among {', '.join(names)}")
        return self


def _folder() -> Path:
    return loading.folder("recipes", "zoo/recipes")


def recipe_names() -> tuple[str, ...]:
    """Returns the names of the recipes that come with the library."""
    return loading.names(_folder())


def find_recipe(recipe: str | Path) -> Path:
    """Returns the path of a recipe, given its name or path; errors as in `load_recipe`."""
    return loading.find(recipe, _folder())


def load_recipe(recipe: str | Path, **overrides: Any) -> Recipe:
    """Reads and checks a recipe.

    Args:
        recipe: name of a recipe that comes with the library, or path of a TOML file.
        **overrides: values to use instead of the file's, by dotted key with two underscores for the
            dot, e.g. `data__name="mnist"`; None leaves the file's.

    Returns:
        The `Recipe`.

    Raises:
        TypeError: if `recipe` is neither a string nor a path.
        ValueError: if the recipe does not exist, is no TOML, or has a wrong or unknown key; the
            message names every such key.

    Example:

    >>> from keras_gcnn import training
    >>> training.load_recipe("digits", training__epochs=2).training.epochs
    2
    """
    path = find_recipe(recipe)
    # The limit in the file, by which the epochs of single networks are checked.
    training = loading.read(path, {}).get("training")
    epochs = training.get("epochs") if isinstance(training, dict) else None
    if not isinstance(epochs, int):  # it is the default, or is rejected below
        epochs = TrainingTable().epochs
    content = loading.read(path, overrides)
    return loading.check(Recipe, content, path, {"epochs": epochs})
