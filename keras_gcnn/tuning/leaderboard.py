"""The leaderboard of a search, as rows, tables and a recipe."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import keras_tuner
import tomli_w
from keras_tuner.engine.trial import Trial
from rich.console import Console
from rich.table import Table

from keras_gcnn.training import atomic_files
from keras_gcnn.tuning.folder import (
    BEST_RECIPE,
    LEADERBOARD_CSV,
    LEADERBOARD_MARKDOWN,
    SearchFolder,
)
from keras_gcnn.tuning.recipe import SearchRecipe
from keras_gcnn.tuning.zoo_hypermodel import ZooHyperModel

_SHOWN = 6
_FACTS = ("parameters", "widths", "epochs", "seconds", "seconds_per_epoch")


class Leaderboard:
    """The trials of a search, best first.

    Args:
        recipe: the search.
        folder: of the search.
        hypermodel: that is searched over.
        oracle: with the trials.
        data_arguments: names of arguments of the builder that follow from the data.
    """

    def __init__(
        self,
        recipe: SearchRecipe,
        folder: SearchFolder,
        hypermodel: ZooHyperModel,
        oracle: keras_tuner.Oracle,
        data_arguments: Collection[str],
    ):
        self.recipe = recipe
        self.folder = folder
        self.hypermodel = hypermodel
        self.oracle = oracle
        self.data_arguments = data_arguments
        self.objective, self.direction = recipe.objective

    def rows(self) -> list[dict[str, Any]]:
        """Returns one dict per trial: the finished ones, best first, then the others."""
        unordered = [self._row(trial) for trial in self.oracle.trials.values()]
        sign = -1 if self.direction == "max" else 1
        done = [row for row in unordered if row["status"] == "completed"]
        done.sort(key=lambda row: sign * row[self.objective])
        rows = done + [row for row in unordered if row["status"] != "completed"]
        return [{"rank": rank, **row} for rank, row in enumerate(rows, start=1)]

    def _row(self, trial: Trial) -> dict[str, Any]:
        facts = self._facts(trial.trial_id)
        hyper = self._active(trial.hyperparameters.values)
        status = trial.status.lower()
        return {
            "trial": trial.trial_id,
            # Waiting: the process that began it has ended.
            "status": "waiting" if trial.trial_id in self.oracle._retry_queue else status,
            self.objective: None if trial.score is None else float(trial.score),
            **{entry.name: hyper.get(entry.name) for entry in self.hypermodel.space},
            **{name: facts.get(name) for name in _FACTS},
            "reason": facts.get("reason", "") if status == "failed" else "",
        }

    def _active(self, values: dict[str, Any]) -> dict[str, Any]:
        """Returns the hyperparameters that take effect in a trial."""
        return {
            entry.name: values.get(entry.name)
            for entry in self.hypermodel.space
            if entry.parent is None or values.get(entry.parent) in entry.parent_values
        }

    def _facts(self, trial_id: str) -> dict[str, Any]:
        path = self.folder.trial(trial_id) / "result.json"
        if not path.is_file():  # the worker is on another machine and does not share the folder
            return {}
        return atomic_files.read_json(path, lambda content: isinstance(content, dict), "Delete it.")

    def best_by_group(self) -> list[dict[str, Any]]:
        """Returns the best finished trial of every group, best first."""
        best: dict[Any, dict[str, Any]] = {}
        for row in self.rows():
            if row["status"] == "completed":
                best.setdefault(row.get("group"), row)
        return list(best.values())

    def write(self) -> list[dict[str, Any]]:
        """Writes `leaderboard.csv` and `leaderboard.md`, and returns the rows."""
        rows = self.rows()
        if rows:
            atomic_files.write_csv(self.folder.path / LEADERBOARD_CSV, rows)
            atomic_files.write_text(self.folder.path / LEADERBOARD_MARKDOWN, self._markdown(rows))
        return rows

    def _markdown(self, rows: list[dict[str, Any]]) -> str:
        head = list(rows[0])
        lines = [f"# {self.recipe.title}", "", f"By {self.objective} ({self.direction}).", ""]
        lines += ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
        lines += ["| " + " | ".join(_text(row[key]) for key in head) + " |" for row in rows]
        return "\n".join(lines) + "\n"

    def show(self, console: Console) -> None:
        """Prints the best trials, and the best of every group that is not among them."""
        rows = self.rows()
        table = Table(title=self.recipe.title)
        columns = ("rank", "trial", self.objective, "seconds_per_epoch")
        for name in columns:
            table.add_column(name.replace("_", " "))
        table.add_column("settings, where they differ", overflow="fold")
        names = [entry.name for entry in self.hypermodel.space]
        varied = [name for name in names if len({str(row[name]) for row in rows}) > 1]
        first = rows[:_SHOWN]
        for row in [*first, *(row for row in self.best_by_group() if row not in first)]:
            table.add_row(*(_text(row[name]) for name in columns), self.settings(row, varied))
        console.print(table)
        for row in rows:
            if row["reason"]:
                console.print(f"trial {row['trial']} failed: {row['reason']}", markup=False)

    def settings(self, row: dict[str, Any], names: Collection[str] | None = None) -> str:
        """Returns hyperparameters of a row in one line: those in `names`, or all."""
        if names is None:
            names = [entry.name for entry in self.hypermodel.space]
        return ", ".join(f"{name} {_text(row[name])}" for name in names if row[name] is not None)

    def write_recipe(self) -> Path:
        """Writes `best.toml`, a recipe with the best network of every group."""
        recipe = self.recipe
        content: dict[str, Any] = {"title": f"{recipe.title}: the best settings"}
        content["seeds"] = [recipe.seed]
        if recipe.backend is not None:
            content["backend"] = recipe.backend
        content["data"] = _given(recipe.data)
        content["training"] = _given(recipe.training)
        if recipe.latent is not None:
            content["latent"] = _given(recipe.latent)
        content["models"] = [self._model(row) for row in self.best_by_group()]
        text = "# Written by `keras-gcnn tune`, for `keras-gcnn train`.\n"
        path = self.folder.path / BEST_RECIPE
        atomic_files.write_text(path, text + tomli_w.dumps(content))
        return path

    def _model(self, row: dict[str, Any]) -> dict[str, Any]:
        """Returns a `[[models]]` table with the settings of a trial."""
        hp = self.oracle.trials[row["trial"]].hyperparameters.copy()
        widths = row["widths"] or self.hypermodel.build(hp).widths
        arguments = self.hypermodel.recipe_arguments(hp, widths)
        return {
            "name": row.get("group") or self.recipe.search.builder,
            "builder": self.recipe.search.builder,
            # Arguments that follow from the data are left out: `train` finds them again.
            "arguments": {k: v for k, v in arguments.items() if k not in self.data_arguments},
            **self.hypermodel.training(hp),
        }


def _given(table: Any) -> dict[str, Any]:
    """Returns the keys that a recipe sets in a table, without None, which TOML lacks."""
    return table.model_dump(mode="json", exclude_unset=True, exclude_none=True)


def _text(value: Any) -> str:
    if value is None or value == "":
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value)
