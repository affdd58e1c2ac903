"""Runs a search: in one process, or as the chief or a worker of several."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import keras_tuner
from keras_tuner.engine.trial import Trial
from rich.console import Console

from keras_gcnn import data
from keras_gcnn.analysis.plots.figures import plot_trials
from keras_gcnn.training import atomic_files as files
from keras_gcnn.training import environment
from keras_gcnn.training.backend import check_backend
from keras_gcnn.training.loop.fitting import check
from keras_gcnn.training.tasks.autoencoding import Autoencoding
from keras_gcnn.training.tasks.classification import Classification
from keras_gcnn.training.tasks.task import Task, check_builder
from keras_gcnn.tuning.durable_oracles import make_oracle, release
from keras_gcnn.tuning.folder import SearchFolder
from keras_gcnn.tuning.leaderboard import Leaderboard
from keras_gcnn.tuning.recipe import SearchRecipe, SearchTable
from keras_gcnn.tuning.tuner import SearchTuner
from keras_gcnn.tuning.workers import (
    Role,
    check_address,
    end_with_parent,
    hush,
    role,
    run_workers,
)
from keras_gcnn.tuning.zoo_hypermodel import ZooHyperModel, hypermodel
from keras_gcnn.zoo import AUTOENCODERS, BUILDERS


def search(
    recipe: SearchRecipe,
    folder: str | Path,
    *,
    fresh: bool = False,
    data_dir: str | Path | None = None,
    console: Console | None = None,
) -> list[dict[str, Any]]:
    """Searches over a builder of the zoo and writes what it finds.

    Calling it again on the same folder goes on where it was interrupted or killed: no finished
    trial is repeated, and one that was going on continues after its last epoch. With KerasTuner's
    environment variables (`KERASTUNER_ORACLE_IP`, `KERASTUNER_ORACLE_PORT`, `KERASTUNER_TUNER_ID`)
    this process is the chief or a worker of a search by several.

    Args:
        recipe: from `keras_gcnn.tuning.load_search`.
        folder: for the search. It gets `leaderboard.md` and `leaderboard.csv` after every trial, at
            the end `best.toml`, a recipe of the best network of every group, and a picture of
            error against cost; and per trial a folder with history and TensorBoard logs.
        fresh: bool, whether to remove an earlier search in the folder first.
        data_dir: where prepared data sets are; see `keras_gcnn.data.load`.
        console: where progress is shown; None for silence.

    Returns:
        A list with one dict a trial, best first; of a worker, what it knows, which is nothing.

    Raises:
        ValueError: if the recipe does not fit the library, its backend or the data, the budget
            cannot be met, the folder holds another search or one that is going on, the chief's
            port is in use, or every trial failed; the message has the first reason.
    """
    console = console or Console(quiet=True)
    end_with_parent()
    hush()
    own = _folder(recipe, folder, fresh)
    mine = role()
    if mine == Role.WORKER:
        own.check_same()
    else:
        own.check()
        check_address()
    prepared = _prepare(recipe, data_dir)
    if mine == Role.WORKER:
        _tuner(recipe, own, prepared, console).search()
        return []
    with own.claim():
        if mine == Role.ALONE:  # a chief's workers may be training still, and will come back
            release(own.path)
        tuner = _tuner(recipe, own, prepared, console)
        board = Leaderboard(recipe, own, prepared.over, tuner.oracle, prepared.of_data)
        tuner.oracle.listener = announcer = _Announcer(board, console)
        tuner.search()
        announcer.sum_up()
        return _finish(board, console)


def search_with_workers(
    recipe: SearchRecipe,
    folder: str | Path,
    command: Sequence[str],
    workers: int,
    *,
    fresh: bool = False,
    data_dir: str | Path | None = None,
    console: Console | None = None,
) -> int:
    """Searches by several processes on this machine: a chief, and workers that train.

    Args:
        recipe: from `keras_gcnn.tuning.load_search`.
        folder: for the search.
        command: a command that calls `search` with the same recipe and folder.
        workers: int, number of workers.
        fresh: bool, whether to remove an earlier search in the folder first.
        data_dir: where prepared data sets are.
        console: where progress is shown; None for silence.

    Returns:
        The exit status of the search.

    Raises:
        ValueError: for a wrong number of workers, if this process is part of another search, or as
            `search` does before it begins.
    """
    if workers < 1:
        raise ValueError(f"workers={workers} (--workers) has to be at least 1.")
    if role() != Role.ALONE:
        raise ValueError(
            "--workers starts a chief of its own, but KERASTUNER_ORACLE_IP is set. Unset the "
            "variables of KerasTuner, or leave --workers out to join the search of that chief."
        )
    own = _folder(recipe, folder, fresh)
    own.check()
    _prepare(recipe, data_dir)  # what is wrong is said once, and before anything is removed
    with own.claim():
        release(own.path)
    return run_workers(command, workers, own.path, console or Console(quiet=True))


def _folder(recipe: SearchRecipe, folder: str | Path, fresh: bool) -> SearchFolder:
    """The search's folder.

    Raises:
        ValueError: if the recipe is for another backend.
    """
    backend = keras.backend.backend()
    check_backend(recipe.backend, backend)
    return SearchFolder(Path(folder).absolute(), recipe, backend, fresh)


@dataclass(frozen=True)
class _Prepared:
    """What trials are made of."""

    task: Task
    dataset: data.Dataset
    over: ZooHyperModel
    of_data: frozenset[str]  # arguments of the builder that follow from the data


def _prepare(recipe: SearchRecipe, data_dir: str | Path | None) -> _Prepared:
    """Loads the data and tries the hypermodel; raises a `ValueError` if something is wrong."""
    task = Classification() if recipe.latent is None else Autoencoding(recipe.latent)
    try:
        check_builder(task, recipe.search.builder, (*BUILDERS, *AUTOENCODERS))
    except ValueError as error:  # which speaks of the recipes of trainings
        raise ValueError(str(error).replace("models.builder", "search.builder")) from None
    dataset = data.load(**recipe.data.model_dump(), seed=recipe.seed, data_dir=data_dir)
    check(dataset, recipe.training)
    of_data = {**task.arguments(dataset), "data_format": "channels_last"}
    over = _hypermodel(recipe.search, of_data)
    return _Prepared(task, dataset, over, of_data.keys() - recipe.search.arguments.keys())


def _hypermodel(table: SearchTable, of_data: dict[str, Any]) -> ZooHyperModel:
    """The hypermodel, of which the first network of every group was built."""
    arguments = {**of_data, **table.arguments}
    over = hypermodel(table.builder, table.parameters, table.groups, space=table.space, **arguments)
    groups = next((one.values for one in over.space if one.name == "group"), (None,))
    for group in groups:
        hp = keras_tuner.HyperParameters()
        if group is not None:
            hp.Fixed("group", group)
        try:
            over.build(hp)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"[search]: {table.builder} cannot be built{f' with {group}' if group else ''}: "
                f"{error}"
            ) from None
    return over


def _tuner(
    recipe: SearchRecipe,
    own: SearchFolder,
    prepared: _Prepared,
    console: Console,
) -> SearchTuner:
    oracle = make_oracle(recipe, own.path, prepared.over.feasible)
    if role() != Role.WORKER and own.state.is_file():
        oracle.reload()
    return SearchTuner(oracle, prepared.over, recipe, own, prepared.dataset, prepared.task, console)


class _Announcer:
    """Says what every trial has reached, and keeps the leaderboard up to date."""

    def __init__(self, board: Leaderboard, console: Console):
        self.board = board
        self.console = console
        self._start = time.perf_counter()
        self._ended = 0

    def sum_up(self) -> None:
        """Says how many trials there were, and how fast."""
        if not self._ended:
            said = (
                "Nothing was left to try: the tuner has had its trials. For more, raise --trials."
            )
            self.console.print(said, markup=False, emoji=False)
            return
        hours = (time.perf_counter() - self._start) / 3600
        rate = (
            f"{self._ended} trials in {60 * hours:.1f} minutes, {self._ended / hours:.0f} an hour"
        )
        self.console.print(rate, markup=False, emoji=False)

    def __call__(self, oracle: keras_tuner.Oracle, trial: Trial) -> None:
        self._ended += 1
        rows = self.board.write()
        row = next(one for one in rows if one["trial"] == trial.trial_id)
        objective = self.board.objective
        if row["status"] == "completed":
            said = f"{objective} {row[objective]:.4g}, rank {row['rank']} of {len(rows)}"
        else:
            said = f"failed: {row['reason'] or 'see the log of the worker'}"
        said = f"trial {trial.trial_id}: {said} ({self.board.settings(row)})"
        self.console.print(said, markup=False, emoji=False)


def _finish(board: Leaderboard, console: Console) -> list[dict[str, Any]]:
    """Writes and shows what was found.

    Raises:
        ValueError: if every trial failed.
    """
    rows = board.write()
    best = board.best_by_group()
    if not best:
        reasons = [row["reason"] for row in rows if row["reason"]]
        raise ValueError(
            f"Every one of the {len(rows)} trials failed"
            + (f"; the first of them: {reasons[0].rstrip('.')}" if reasons else "")
            + f". The whole errors are in {board.own.path}, in result.json of each trial."
        )
    board.show(console)
    path = board.write_recipe()
    _draw(board, rows)
    console.print(f"Leaderboard, logs and pictures: {board.own.path}", markup=False, emoji=False)
    console.print(f"Train the best with: keras-gcnn train {path}", markup=False, emoji=False)
    return rows


def _draw(board: Leaderboard, rows: list[dict[str, Any]]) -> None:
    """Writes the picture of error against cost."""
    accuracy = board.objective == "val_accuracy"
    trials: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        if row["status"] == "completed" and row["seconds_per_epoch"]:
            value = row[board.objective]
            name = row.get("group") or board.recipe.search.builder
            point = (row["seconds_per_epoch"], 100 * (1 - value) if accuracy else value)
            trials.setdefault(name, []).append(point)
    if trials:
        what = environment.describe()
        note = f"{what['backend']}, {what['processor']}, {what['cores']} cores, {what['date'][:10]}"
        axis = "validation error (%)" if accuracy else board.objective.replace("_", " ")
        files.write(
            board.own.path / "error_by_cost.png",
            lambda path: plot_trials(trials, path, board.recipe.title, note, axis=axis),
        )
