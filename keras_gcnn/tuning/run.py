"""Runs a search: in one process, or as the chief or a worker of several."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras_tuner
from rich.console import Console

from keras_gcnn import data
from keras_gcnn.analysis.plots.results import plot_trials
from keras_gcnn.backend.ops import name as backend_name
from keras_gcnn.training import atomic_files, environment
from keras_gcnn.training.backend import check_backend
from keras_gcnn.training.inputs.datasets import load_dataset
from keras_gcnn.training.loop.fitting import check
from keras_gcnn.training.tasks.registry import check_builder, make_task
from keras_gcnn.training.tasks.task import Task
from keras_gcnn.tuning.announcer import Announcer
from keras_gcnn.tuning.durable_oracles import make_oracle, release
from keras_gcnn.tuning.folder import ERROR_BY_COST, SearchFolder
from keras_gcnn.tuning.hypermodels import hypermodel
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
from keras_gcnn.tuning.zoo_hypermodel import ZooHyperModel


def search(
    recipe: SearchRecipe,
    folder: str | Path,
    *,
    fresh: bool = False,
    data_dir: str | Path | None = None,
    console: Console | None = None,
) -> list[dict[str, Any]]:
    """Searches over a builder of the zoo and writes a leaderboard and a recipe.

    Calling it again on the same folder goes on where it was interrupted or killed: no finished
    trial is repeated, and an interrupted one continues after its last epoch. With KerasTuner's
    environment variables (`KERASTUNER_ORACLE_IP`, `KERASTUNER_ORACLE_PORT`, `KERASTUNER_TUNER_ID`)
    this process is the chief or a worker in a search by several processes.

    Args:
        recipe: from `keras_gcnn.tuning.load_search`.
        folder: for the search. It gets `leaderboard.md` and `leaderboard.csv` after every trial, at
            the end `best.toml`, a recipe of the best network of every group, and a plot of error
            against cost; and per trial a folder with history and TensorBoard logs.
        fresh: bool, whether to remove an earlier search in the folder first.
        data_dir: where prepared data sets are; see `keras_gcnn.data.load`.
        console: where progress is shown; None for silence.

    Returns:
        A list with one dict per trial, best first; an empty list in a worker.

    Raises:
        ValueError: if the recipe does not fit the library, its backend or the data; if the budget
            cannot be met; if the folder holds another search, trials of other images or a search
            that is going on; if the chief's port is in use; or if every trial failed, with the
            reason of the first.
    """
    console = console or Console(quiet=True)
    end_with_parent()
    hush()
    search_folder = _folder(recipe, folder, fresh)
    this_role = role()
    if this_role == Role.WORKER:
        search_folder.check_same()
    else:
        search_folder.check()
        check_address()
    prepared = _prepare(recipe, data_dir)
    if this_role == Role.WORKER:
        _tuner(recipe, search_folder, prepared, console).search()
        return []
    search_folder.check_images(prepared.dataset.fingerprint)
    with search_folder.claim():
        search_folder.note_images(prepared.dataset.fingerprint)
        if this_role == Role.SINGLE:  # the workers of a chief may still train, and come back
            release(search_folder.path)
        tuner = _tuner(recipe, search_folder, prepared, console)
        board = Leaderboard(
            recipe, search_folder, prepared.hypermodel, tuner.oracle, prepared.data_arguments
        )
        tuner.oracle.listener = announcer = Announcer(board, console)
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
    """Searches by several processes on this machine: a chief, and workers, which train.

    Args:
        recipe: from `keras_gcnn.tuning.load_search`.
        folder: for the search.
        command: a command line that calls `search` with the same recipe and folder.
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
    if role() != Role.SINGLE:
        raise ValueError(
            "--workers starts a chief of its own, but KERASTUNER_ORACLE_IP is set. Unset the "
            "variables of KerasTuner, or leave --workers out to join the search of that chief."
        )
    search_folder = _folder(recipe, folder, fresh)
    search_folder.check()
    prepared = _prepare(recipe, data_dir)  # reports errors once, and before anything is removed
    search_folder.check_images(prepared.dataset.fingerprint)
    with search_folder.claim():
        release(search_folder.path)
    return run_workers(command, workers, search_folder.path, console or Console(quiet=True))


def _folder(recipe: SearchRecipe, folder: str | Path, fresh: bool) -> SearchFolder:
    """Returns the folder of a search.

    Raises:
        ValueError: if the recipe is for another backend.
    """
    backend = backend_name()
    check_backend(recipe.backend, backend)
    return SearchFolder(Path(folder).absolute(), recipe, backend, fresh)


@dataclass(frozen=True)
class _Prepared:
    """The parts of trials that do not depend on the tuner."""

    task: Task
    dataset: data.Dataset
    hypermodel: ZooHyperModel
    data_arguments: Set[str]  # names of arguments of the builder that follow from the data


def _prepare(recipe: SearchRecipe, data_dir: str | Path | None) -> _Prepared:
    """Loads the data and makes the hypermodel; raises a `ValueError` if something is wrong."""
    if recipe.data.target != "class":
        raise ValueError(
            f'data.target = "{recipe.data.target}": searches are over classifiers and '
            "autoencoders. Leave it out, or train single networks."
        )
    task = make_task(recipe.latent)
    check_builder(task, recipe.search.builder, "search.builder")
    dataset = load_dataset(recipe.data, recipe.seed, data_dir)
    check(dataset, recipe.training)
    arguments = {**task.arguments(dataset), "data_format": "channels_last"}
    names = arguments.keys() - recipe.search.arguments.keys()
    return _Prepared(task, dataset, _hypermodel(recipe.search, arguments), names)


def _hypermodel(table: SearchTable, data_arguments: dict[str, Any]) -> ZooHyperModel:
    """Makes the hypermodel, and builds one network of every group to find out what is wrong."""
    model = hypermodel(
        table.builder,
        table.parameters,
        table.groups,
        multiply_adds=table.multiply_adds,
        space=table.space,
        **{**data_arguments, **table.arguments},
    )
    groups = next((entry.values for entry in model.space if entry.name == "group"), (None,))
    for group in groups:
        hp = keras_tuner.HyperParameters()
        if group is not None:
            hp.Fixed("group", group)
        try:
            model.build(hp)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"[search]: {table.builder} cannot be built{f' with {group}' if group else ''}: "
                f"{error}"
            ) from None
    return model


def _tuner(
    recipe: SearchRecipe,
    folder: SearchFolder,
    prepared: _Prepared,
    console: Console,
) -> SearchTuner:
    oracle = make_oracle(recipe, folder.path, prepared.hypermodel.feasible)
    if role() != Role.WORKER and folder.state.is_file():
        oracle.reload()
    return SearchTuner(
        oracle, prepared.hypermodel, recipe, folder, prepared.dataset, prepared.task, console
    )


def _finish(board: Leaderboard, console: Console) -> list[dict[str, Any]]:
    """Writes and shows the results of a search.

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
            + f". The complete errors are in {board.folder.path}, in result.json of each trial."
        )
    board.show(console)
    path = board.write_recipe()
    _plot(board, rows)
    console.print(f"Leaderboard, logs and plot: {board.folder.path}", markup=False, emoji=False)
    console.print(f"Train the best with: keras-gcnn train {path}", markup=False, emoji=False)
    return rows


def _plot(board: Leaderboard, rows: list[dict[str, Any]]) -> None:
    """Writes the plot of error against cost."""
    accuracy = board.objective == "val_accuracy"
    trials: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        if row["status"] == "completed" and row["seconds_per_epoch"]:
            value = row[board.objective]
            name = row.get("group") or board.recipe.search.builder
            point = (row["seconds_per_epoch"], 100 * (1 - value) if accuracy else value)
            trials.setdefault(name, []).append(point)
    if trials:
        now = environment.describe()
        date = str(now["date"])[:10]
        note = f"{now['backend']}, {now['processor']}, {now['cores']} cores, {date}"
        axis = "validation error (%)" if accuracy else board.objective.replace("_", " ")
        atomic_files.write(
            board.folder.path / ERROR_BY_COST,
            lambda path: plot_trials(trials, path, board.recipe.title, note, axis=axis),
        )
