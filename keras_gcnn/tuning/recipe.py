"""The schema of searches: which builder, budget and tuner, on which data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from keras_gcnn.training.backend import Backend
from keras_gcnn.training.recipes import loading
from keras_gcnn.training.recipes.data_table import DataTable
from keras_gcnn.training.recipes.schema import check_together
from keras_gcnn.training.recipes.table import Table
from keras_gcnn.training.recipes.tables import (
    Arguments,
    BuilderTable,
    LatentTable,
    TrainingTable,
    check_group,
)

Tuner = Literal["random", "hyperband", "bayesian", "grid"]
_SEARCHED = ("optimizer", "learning_rate", "optimizer_arguments")
_TRIALS = 30


class SearchTable(BuilderTable):
    """`[search]`: arguments of `keras_gcnn.tuning.hypermodel`, the tuner, and its trials."""

    builder: str
    # One of the two is the budget of every trial.
    parameters: Annotated[int, Field(gt=0)] | None = None
    multiply_adds: Annotated[int, Field(gt=0)] | None = None
    groups: tuple[str, ...] | None = Field(None, strict=False, min_length=1)
    tuner: Tuner = "random"
    # The most trials; None for 30, or for grid and hyperband as many as they need.
    trials: Annotated[int, Field(gt=0)] | None = None
    arguments: Arguments = Field({})  # of the builder, the same in every trial
    space: Arguments = Field({})  # overrides the default hyperparameters

    @field_validator("groups")
    @classmethod
    def _check_groups(cls, groups: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for name in groups or ():
            check_group(name)
        return groups

    @model_validator(mode="after")
    def _has_one_budget(self) -> SearchTable:
        if (self.parameters is None) == (self.multiply_adds is None):
            raise ValueError(
                "a search has one budget: set either parameters, e.g. 50_000, or multiply_adds, "
                "e.g. 5_000_000"
            )
        return self

    @property
    def most_trials(self) -> int | None:
        """The most trials, or None for no limit."""
        if self.trials is None and self.tuner in ("random", "bayesian"):
            return _TRIALS
        return self.trials


class SearchRecipe(Table):
    """A whole search."""

    title: str
    seed: int = Field(0, ge=0, lt=2**32)
    backend: Backend | None = None
    data: DataTable = DataTable()
    training: TrainingTable = TrainingTable()
    latent: LatentTable | None = None  # for searches over an autoencoder
    search: SearchTable

    @model_validator(mode="after")
    def _tables_fit(self) -> SearchRecipe:
        for key in _SEARCHED:
            if key in self.training.model_fields_set:
                raise ValueError(
                    f"training.{key} is searched over; to fix it, set it in [search.space], where "
                    "the hyperparameters are optimizer, learning_rate, sgd_learning_rate and "
                    "weight_decay"
                )
        check_together(self.data, self.training, self.latent)
        return self

    @property
    def objective(self) -> tuple[str, str]:
        """Name of the value by which trials are compared, and "min" or "max".

        Autoencoders are compared by the negative evidence lower bound, since their loss depends on
        the beta of the trial.
        """
        if self.latent is not None:
            return "negative_elbo", "min"
        monitor = self.training.monitor
        return monitor, "max" if monitor == "val_accuracy" else "min"


def _folder() -> Path:
    return loading.folder("searches", "tuning/searches")


def search_names() -> tuple[str, ...]:
    """Returns the names of the searches that come with the library."""
    return loading.names(_folder())


def load_search(recipe: str | Path, **overrides: Any) -> SearchRecipe:
    """Reads and checks the recipe of a search.

    Args:
        recipe: name of a search that comes with the library, or path of a TOML file.
        **overrides: values to use instead of the file's, by dotted key with two underscores for the
            dot, e.g. `search__trials=10`; None leaves the file's.

    Returns:
        The `SearchRecipe`.

    Raises:
        TypeError: if `recipe` is neither a string nor a path.
        ValueError: if the recipe does not exist, is no TOML, or has a wrong or unknown key; the
            message names every such key.

    Example:

    >>> from keras_gcnn import tuning
    >>> tuning.load_search("digits", search__trials=4).search.trials
    4
    """
    path = loading.find(recipe, _folder())
    return loading.check(SearchRecipe, loading.read(path, overrides), path)
