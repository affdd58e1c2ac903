"""Recipes of searches: which builder, at which budget, by which tuner, on which data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from keras_gcnn.training.recipes import loading as recipe_file
from keras_gcnn.training.recipes.tables import (
    Arguments,
    Backend,
    BuilderTable,
    DataTable,
    EvaluationTable,
    LatentTable,
    Table,
    TrainingTable,
)

Tuner = Literal["random", "hyperband", "bayesian", "grid"]
_SEARCHED = ("optimizer", "learning_rate", "optimizer_arguments")
_TRIALS = 30


class SearchTable(BuilderTable):
    """`[search]`: arguments of `keras_gcnn.tuning.hypermodel`, and how it is searched over."""

    builder: str
    parameters: int = Field(gt=0)
    groups: tuple[str, ...] | None = Field(None, strict=False, min_length=1)
    tuner: Tuner = "random"
    # Most trials; None for 30, and for a grid or hyperband for as many as these take.
    trials: Annotated[int, Field(gt=0)] | None = None
    arguments: Arguments = Field({})  # of the builder, the same in every trial
    space: Arguments = Field({})  # what is searched instead of the builder's defaults

    @property
    def most_trials(self) -> int | None:
        """The limit on trials, or None for no limit."""
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
    latent: LatentTable | None = None  # where an autoencoder is searched over
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
        if self.latent is not None and self.training.monitor != "val_loss":
            raise ValueError("autoencoders, by [latent], have no accuracy to monitor")
        return self

    @property
    def objective(self) -> tuple[str, str]:
        """Name of what trials are compared by, and whether it is to be small or large.

        Of autoencoders it is the negative evidence lower bound, which a trial's own beta does not
        change, as it does their loss.
        """
        if self.latent is not None:
            return "negative_elbo", "min"
        monitor = self.training.monitor
        return monitor, "max" if monitor == "val_accuracy" else "min"

    @property
    def evaluation(self) -> EvaluationTable | None:
        """What a recipe of the best settings measures, if it trains classifiers."""
        return None if self.latent is not None else EvaluationTable()


def _folder() -> Path:
    return recipe_file.folder("searches", "tuning/searches")


def search_names() -> tuple[str, ...]:
    """Names of the searches that come with the library."""
    return recipe_file.names(_folder())


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
    path = recipe_file.find(recipe, _folder())
    return recipe_file.check(SearchRecipe, recipe_file.read(path, overrides), path)
