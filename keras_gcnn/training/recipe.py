"""Recipes: what is trained on what, as TOML files that are checked key by key."""

from __future__ import annotations

import difflib
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

Backend = Literal["tensorflow", "jax", "torch"]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DataTable(_Table):
    """`[data]`: arguments of `keras_gcnn.data.load`."""

    name: str = "digits"
    validation: float | int = 0.1
    subset: Annotated[int, Field(gt=0)] | None = None
    test_subset: Annotated[int, Field(gt=0)] | None = None
    rotate: tuple[Literal["train", "validation", "test"], ...] = ()


class TrainingTable(_Table):
    """`[training]`: how every network is trained."""

    epochs: int = Field(30, gt=0)
    patience: int = Field(5, gt=0)
    monitor: Literal["val_loss", "val_accuracy"] = "val_loss"
    batch_size: int = Field(64, gt=0)
    optimizer: str = "adam"
    learning_rate: float = Field(1e-3, gt=0)
    optimizer_arguments: dict[str, Any] = {}


class EvaluationTable(_Table):
    """`[evaluation]`: the table's turned images and the picture of accuracy by angle."""

    angle_step: float = Field(15, gt=0, le=180)
    picture_images: int = Field(2000, gt=0)


class ModelTable(_Table):
    """`[[models]]`: one network, a builder of `keras_gcnn.zoo` with its arguments."""

    name: str = Field(pattern=r"^[\w.+-]+$")
    builder: str
    arguments: dict[str, Any] = {}


class Recipe(_Table):
    """A whole recipe."""

    title: str
    seeds: tuple[Annotated[int, Field(ge=0)], ...] = Field((0,), min_length=1)
    backend: Backend | None = None
    data: DataTable = DataTable()
    training: TrainingTable = TrainingTable()
    evaluation: EvaluationTable = EvaluationTable()
    models: tuple[ModelTable, ...] = Field(min_length=1)

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
        ValueError: if there is neither a recipe of that name nor such a file.
    """
    named = _folder() / f"{recipe}.toml"
    if named.is_file():
        return named
    if Path(recipe).is_file():
        return Path(recipe)
    close = difflib.get_close_matches(str(recipe), recipe_names(), n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise ValueError(
        f"There is no recipe {str(recipe)!r}.{hint} Give the path of a TOML file or one of: "
        f"{', '.join(recipe_names())}."
    )


def _explain(error: ValidationError, path: Path) -> str:
    lines = []
    for one in error.errors():
        key = ".".join(str(part) for part in one["loc"]) or "the recipe"
        if one["type"] == "extra_forbidden":
            table: Any = Recipe
            for part in one["loc"][:-1]:
                field = table.model_fields.get(part) if isinstance(part, str) else None
                if field is not None:
                    table = ModelTable if part == "models" else field.annotation
            lines.append(f"{key}: unknown key; allowed are {', '.join(table.model_fields)}")
        else:
            lines.append(f"{key}: {one['msg']} (given: {one['input']!r})")
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
    for key, value in overrides.items():
        if value is not None:
            *tables, last = key.split("__")
            table = content
            for name in tables:
                table = table.setdefault(name, {})
            table[last] = value
    try:
        return Recipe.model_validate(content)
    except ValidationError as error:
        raise ValueError(_explain(error, path)) from None
