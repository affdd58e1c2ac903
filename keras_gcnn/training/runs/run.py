"""Runs a recipe: trains every network for every seed, measures, and writes the table."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import keras
from rich.console import Console

from keras_gcnn import data
from keras_gcnn.training.backend import check_backend
from keras_gcnn.training.loop.devices import prepare, several
from keras_gcnn.training.loop.fitting import check
from keras_gcnn.training.recipes.schema import Recipe
from keras_gcnn.training.recipes.selection import choose
from keras_gcnn.training.reports import report
from keras_gcnn.training.runs.network_run import Network, build, task_of
from keras_gcnn.training.runs.run_folder import RunFolder

_Results = dict[tuple[str, int], dict[str, Any]]


def train(
    recipe: Recipe,
    folder: str | Path,
    *,
    networks: Collection[str] | None = None,
    seeds: Collection[int] | None = None,
    fresh: bool = False,
    data_dir: str | Path | None = None,
    console: Console | None = None,
    devices: int = 1,
) -> list[dict[str, Any]]:
    """Trains the networks of a recipe and writes their results.

    Calling it again on the same folder goes on where it was interrupted: networks that are finished
    are not trained again, and one that was interrupted continues after its last epoch. By then the
    recipe may have further networks, further seeds, another title, or another `[evaluation]` or
    `[latent]`, for which finished networks are measured again if they have to be.

    Args:
        recipe: from `keras_gcnn.training.load_recipe`.
        folder: for the run. It gets `results.json`, `results.md` and pictures, and per network and
            seed a folder with `model.keras`, `history.csv`, `result.json` and TensorBoard logs.
        networks: names of the networks to train in this call; None for all. The tables hold what is
            finished, and a later call does the rest.
        seeds: the seeds to train with in this call; None for all.
        fresh: bool, whether to remove an earlier run in the folder first, with all its networks,
            once the data are loaded and all networks could be built. Files that are not of the run
            stay.
        data_dir: where prepared data sets are; see `keras_gcnn.data.load`.
        console: where progress is shown; None for silence.
        devices: int, number of GPUs over which each batch is dealt out, with the losses of one, on
            JAX and TensorFlow, but for random numbers, which on TensorFlow are others. Without a
            GPU the CPU counts as so many. A run may go on with another number.

    Returns:
        A list with one dict per finished network and seed, in the order of the recipe: errors in
        percent, seconds of training, and so on.

    Raises:
        ValueError: if the recipe does not fit the library, its backend or the data, the folder
            holds another run, damaged files or a run that is going on, there are no such
            networks, seeds or devices, batches cannot be dealt out to the devices, or `fresh` would
            remove networks that are not chosen.
    """
    console = console or Console(quiet=True)
    backend = keras.backend.backend()
    check_backend(recipe.backend, backend)
    prepare(devices)
    chosen = choose(recipe, networks, seeds)
    if fresh and not (networks is None and seeds is None):
        raise ValueError(
            "fresh (--fresh) removes all networks of an earlier run, not only those that networks "
            "and seeds name. Leave one or the other out; to train a single network anew, move its "
            "folder out of the run and leave fresh out."
        )
    own = RunFolder(Path(folder), recipe, backend, fresh)
    own.check()  # first, since it takes no time
    # Nothing is written or removed before all that can be wrong with a recipe has been tried.
    loaded = _Data(recipe, data_dir)
    seed = chosen[0][1]
    task = task_of(recipe)
    with several(devices):
        for table in recipe.models:
            check(loaded.of(seed), recipe.training_of(table))
            build(table, loaded.of(seed), seed, task)
    with own.claim():
        return _train_all(recipe, own, chosen, loaded, console, devices)


class _Data:
    """The data of one seed at a time, since they may fill much of the memory."""

    def __init__(self, recipe: Recipe, data_dir: str | Path | None):
        self.recipe = recipe
        self.data_dir = data_dir
        self._seed: int | None = None
        self._dataset: data.Dataset | None = None

    def of(self, seed: int) -> data.Dataset:
        if self._dataset is None or seed != self._seed:
            self._dataset = None  # gives the memory back before the next are loaded
            self._dataset = data.load(
                **self.recipe.data.model_dump(), seed=seed, data_dir=self.data_dir
            )
            self._seed = seed
        return self._dataset


def _train_all(
    recipe: Recipe,
    own: RunFolder,
    chosen: list[tuple[str, int]],
    loaded: _Data,
    console: Console,
    devices: int,
) -> list[dict[str, Any]]:
    """Trains what is chosen and not yet finished, and writes the tables."""
    seed = chosen[0][1]
    several = len({seed for _, seed in recipe.networks}) > 1
    summary = report.Summary(loaded.of(seed), seed, several, recipe.training)
    networks = {
        (table.name, seed): Network(
            recipe, table, seed, own.network(table.name, seed), console, devices
        )
        for table, seed in recipe.networks
    }
    # Read before anything is trained: a damaged file should not be found hours later.
    classes = len(summary.classes)
    finished = {key: result for key, one in networks.items() if (result := one.read(classes))}
    results = {}
    for key, result in finished.items():
        networks[key].sweep()  # a kill may have come between the result and this
        if complete := networks[key].task.select(result, summary.images["test"]):
            results[key] = complete
            label = networks[key].label
            console.print(f"{label}: already trained", markup=False, emoji=False)
        else:
            networks[key].check_model()
    # Measured before anything is trained, for the same reason.
    for key, result in finished.items():
        if key not in results:
            results[key] = networks[key].measure_again(loaded.of(key[1]), result)
    tables = _Tables(recipe, own, summary)
    tables.write(results)
    for key, network in networks.items():
        if key in chosen and key not in results:
            results[key] = network.train(loaded.of(network.seed))
            tables.write(results)  # what is finished can be read while the rest is trained
    return tables.show(results, console)


class _Tables:
    """The tables and pictures of a run.

    Args:
        recipe: what is trained.
        own: the run's folder.
        summary: of the data.
    """

    def __init__(self, recipe: Recipe, own: RunFolder, summary: report.Summary):
        self.recipe = recipe
        self.own = own
        self.summary = summary

    def write(self, results: _Results) -> None:
        """Writes the tables and pictures of what is finished, if there is something."""
        if not results:
            return
        ordered = self._order(results)
        drawn = task_of(self.recipe).draw(ordered, self.recipe, self.own.path, self.summary)
        written = report.write_tables(ordered, self.recipe, self.own.path, self.summary, drawn)
        self.own.remove_tables(kept=written)  # of an earlier [evaluation]

    def show(self, results: _Results, console: Console) -> list[dict[str, Any]]:
        """Shows the table and returns the results in the order of the recipe."""
        ordered = self._order(results)
        report.print_table(ordered, self.recipe.title, console)
        where = f"Models, logs, tables and pictures: {self.own.path}"
        console.print(where, markup=False, emoji=False)
        return ordered

    def _order(self, results: _Results) -> list[dict[str, Any]]:
        return [
            results[table.name, seed]
            for table in self.recipe.models
            for seed in self.recipe.seeds_of(table)
            if (table.name, seed) in results
        ]
