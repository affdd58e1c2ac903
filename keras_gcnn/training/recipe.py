"""Recipes: what is trained on what, as TOML files that are checked key by key."""

from __future__ import annotations

import difflib
import json
import math
import os
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, ValidationInfo, model_validator

from keras_gcnn.training.tables import (
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
        """How a network is trained: `[training]`, with epochs and arguments of its own."""
        epochs = min(self.training.epochs, model.epochs or self.training.epochs)
        arguments = {**self.training.optimizer_arguments, **model.optimizer_arguments}
        return self.training.model_copy(update={"epochs": epochs, "optimizer_arguments": arguments})

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
    """Where the recipes are: inside an installed package, or beside the package in a checkout."""
    package = Path(str(files("keras_gcnn")))
    installed = package / "recipes"
    return installed if installed.is_dir() else package.parent / "zoo"


def recipe_names() -> tuple[str, ...]:
    """Names of the recipes that come with the library."""
    return tuple(sorted(path.stem for path in _folder().glob("*.toml")))


def find_recipe(recipe: str | Path) -> Path:
    """Path of a recipe, given by its name or path.

    Raises:
        TypeError: if it is neither a string nor a path.
        ValueError: if there is neither a recipe of that name nor such a file.
    """
    if not isinstance(recipe, str | os.PathLike):
        raise TypeError(
            f"recipe={recipe!r} has to be the name of a recipe or the path of a TOML file."
        )
    for path in (_folder() / f"{recipe}.toml", Path(recipe)):
        try:
            if path.is_file():
                return path
        except OSError:  # a name that no file system takes
            pass
    close = difflib.get_close_matches(str(recipe), recipe_names(), n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    given = _short(repr(str(recipe)))
    raise ValueError(
        f"There is no recipe {given}.{hint} Give the path of a TOML file or one of: "
        f"{', '.join(recipe_names())}."
    )


def _short(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:200]}..."


def _as_written(value: Any) -> str:
    """A value as it stands in a TOML file."""
    if isinstance(value, float):
        return repr(value)
    return _short(json.dumps(value, ensure_ascii=False, default=str))


def _explain(error: ValidationError, path: Path) -> str:
    lines = []
    errors = error.errors()
    for one in errors:
        if one["type"] == "too_short" and any(
            len(other["loc"]) > len(one["loc"]) and other["loc"][: len(one["loc"])] == one["loc"]
            for other in errors
        ):
            continue  # pydantic does not count the wrong items, which are reported anyway
        key = ".".join(str(part) for part in one["loc"]) or "the recipe"
        if one["type"] == "extra_forbidden":
            table: Any = Recipe
            for part in one["loc"][:-1]:
                field = table.model_fields.get(part) if isinstance(part, str) else None
                if field is not None:
                    table = ModelTable if part == "models" else field.annotation
            lines.append(f"{key}: unknown key; allowed are {', '.join(table.model_fields)}")
        else:
            message = one["msg"].removeprefix("Value error, ")
            message = message.replace("tuple", "list").replace("Tuple", "List")
            # A key that is missing, and the recipe itself, were not given as one value.
            given = one["type"] != "missing" and one["loc"]
            lines.append(
                f"{key}: {message}" + (f" (given: {_as_written(one['input'])})" if given else "")
            )
    return f"{path} is no valid recipe:\n  " + "\n  ".join(lines)


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
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is no TOML file: {error}") from None
    training = content.get("training")
    written = training.get("epochs") if isinstance(training, dict) else None
    if not isinstance(written, int):  # it has the default, or is reported below
        written = TrainingTable().epochs
    for key, value in overrides.items():
        if value is not None:
            *tables, last = key.split("__")
            table = content
            for name in tables:
                table = table.setdefault(name, {}) if isinstance(table, dict) else table
            if isinstance(table, dict):  # what is not is reported below
                table[last] = value
    try:
        return Recipe.model_validate(content, context={"epochs": written})
    except ValidationError as error:
        raise ValueError(_explain(error, path)) from None
