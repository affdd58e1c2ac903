"""Recipes: what is trained on what, as TOML files that are checked key by key."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationInfo, model_validator

from keras_gcnn.training.recipes import loading as recipe_file
from keras_gcnn.training.recipes.tables import (
    Backend,
    DataTable,
    EvaluationTable,
    LatentTable,
    ModelTable,
    Seeds,
    Table,
    TrainingTable,
)


class Recipe(Table):
    """A whole recipe."""

    title: str
    seeds: Seeds = Field((0,), strict=False)
    backend: Backend | None = None
    data: DataTable = DataTable()
    training: TrainingTable = TrainingTable()
    evaluation: EvaluationTable = EvaluationTable()
    latent: LatentTable | None = None  # instead of [evaluation], where autoencoders are trained
    models: tuple[ModelTable, ...] = Field(min_length=1, strict=False)

    def training_of(self, model: ModelTable) -> TrainingTable:
        """How a network is trained: `[training]`, with what the network has of its own."""
        shared = self.training
        own = {
            "epochs": min(shared.epochs, model.epochs or shared.epochs),
            "optimizer": model.optimizer or shared.optimizer,
            "learning_rate": model.learning_rate or shared.learning_rate,
            "optimizer_arguments": {**shared.optimizer_arguments, **model.optimizer_arguments},
        }
        return shared.model_copy(update=own)

    def seeds_of(self, model: ModelTable) -> tuple[int, ...]:
        """The seeds with which a network is trained."""
        return model.seeds or self.seeds

    @property
    def networks(self) -> tuple[tuple[ModelTable, int], ...]:
        """Every network with every seed of its own: all of one seed, then all of the next."""
        seeds = dict.fromkeys(seed for model in self.models for seed in self.seeds_of(model))
        return tuple(
            (model, seed) for seed in seeds for model in self.models if seed in self.seeds_of(model)
        )

    @model_validator(mode="after")
    def _epochs_fit(self, info: ValidationInfo) -> Recipe:
        # Of a TOML file only, before its epochs are overridden: fewer epochs hold for all networks.
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
        if self.latent is not None:
            if self.evaluation != EvaluationTable():
                raise ValueError("[evaluation] is for classifiers and [latent] for autoencoders")
            if self.training.monitor != "val_loss":
                raise ValueError("autoencoders, by [latent], have no accuracy to monitor")
            if self.training.straighten and (self.training.rotate or self.training.binarize):
                raise ValueError(
                    "training.straighten turns the images itself and needs them in grey: leave "
                    "rotate and binarize out"
                )
            return self
        for key in ("binarize", "straighten"):
            if getattr(self.training, key):
                raise ValueError(f"training.{key} is for autoencoders, and there is no [latent]")
        return self

    @model_validator(mode="after")
    def _names_differ(self) -> Recipe:
        names = [model.name for model in self.models]
        if len(set(names)) < len(names):
            raise ValueError(f"two models have the same name among {', '.join(names)}")
        return self


def _folder() -> Path:
    return recipe_file.folder("recipes", "zoo/recipes")


def recipe_names() -> tuple[str, ...]:
    """Names of the recipes that come with the library."""
    return recipe_file.names(_folder())


def find_recipe(recipe: str | Path) -> Path:
    """Path of a recipe, given by its name or path; errors as in `load_recipe`."""
    return recipe_file.find(recipe, _folder())


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
    # As it stands in the file, for networks whose epochs are to be within it.
    written = recipe_file.read(path, {}).get("training")
    epochs = written.get("epochs") if isinstance(written, dict) else None
    if not isinstance(epochs, int):  # it has the default, or is reported below
        epochs = TrainingTable().epochs
    content = recipe_file.read(path, overrides)
    return recipe_file.check(Recipe, content, path, {"epochs": epochs})
