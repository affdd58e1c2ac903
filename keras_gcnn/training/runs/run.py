"""Runs a recipe: trains every network with every seed, measures it, and writes the tables."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from rich.console import Console

from keras_gcnn import data
from keras_gcnn.backend.ops import name as backend_name
from keras_gcnn.training.backend import check_backend
from keras_gcnn.training.inputs.datasets import load_dataset
from keras_gcnn.training.loop.devices import distributed, prepare
from keras_gcnn.training.loop.fitting import check
from keras_gcnn.training.recipes.schema import Recipe
from keras_gcnn.training.recipes.selection import choose
from keras_gcnn.training.reports import report
from keras_gcnn.training.runs.network_run import NetworkRun
from keras_gcnn.training.runs.networks import build_network, symmetrize_network
from keras_gcnn.training.runs.run_folder import RunFolder
from keras_gcnn.training.tasks.registry import make_task
from keras_gcnn.training.tasks.task import Task

_Key = tuple[str, int]  # name and seed of a network
_Results = dict[_Key, dict[str, Any]]


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

    Calling it again on the same folder goes on where it was interrupted: finished networks are not
    trained again, and an interrupted one continues after its last epoch. By then the recipe may
    have further networks, further seeds, another title, or another `[evaluation]` or `[latent]`,
    for which finished networks are measured again if necessary.

    Args:
        recipe: from `keras_gcnn.training.load_recipe`.
        folder: for the run. It gets `results.json`, `results.md` and plots, and per network and
            seed a folder with `model.keras`, `history.csv`, `result.json` and TensorBoard logs.
        networks: names of the networks to train in this call; None for all. The tables hold what is
            finished, and a later call does the rest.
        seeds: the seeds to train with in this call; None for all.
        fresh: bool, whether to remove an earlier run in the folder first, with all its networks.
            Nothing is removed before the data are loaded and every network was built on trial.
            Files that are not of the run stay.
        data_dir: where prepared data sets are; see `keras_gcnn.data.load`.
        console: where progress is shown; None for silence.
        devices: int, number of GPUs over which each batch is distributed, on JAX and TensorFlow.
            Losses are those of one GPU, except that TensorFlow draws other random numbers.
            Without a GPU, the CPU counts as this many devices. A run may go on with another number.

    Returns:
        A list with one dict per finished network and seed, in the order of the recipe: errors in
        percent, seconds of training, and so on.

    Raises:
        ValueError: if the recipe does not fit the library, its backend or the data; if the folder
            holds another run, networks of other images, damaged files or a run that is going on; if
            there are no such networks, seeds or devices; if batches cannot be distributed over the
            devices; if `fresh` would remove networks that are not chosen; or if the images of a
            folder change meanwhile.
    """
    console = console or Console(quiet=True)
    backend = backend_name()
    check_backend(recipe.backend, backend)
    prepare(devices)
    chosen = choose(recipe, networks, seeds)
    if fresh and not (networks is None and seeds is None):
        raise ValueError(
            "fresh (--fresh) removes all networks of an earlier run, not only those that networks "
            "and seeds name. Leave one or the other out; to train a single network anew, move its "
            "folder out of the run and leave fresh out."
        )
    run_folder = RunFolder(Path(folder), recipe, backend, fresh)
    run_folder.check()  # first, since it takes no time
    run = _Run(recipe, run_folder, _Data(recipe, data_dir, console), console, devices)
    # Nothing is written or removed before everything that can be wrong with a recipe was tried.
    run.try_building(chosen[0][1])
    if not fresh:
        run.check_images(chosen[0][1])
    with run_folder.claim():
        return run.train(chosen)


class _Data:
    """The data of one seed at a time, since they may fill much of the memory."""

    def __init__(self, recipe: Recipe, data_dir: str | Path | None, console: Console):
        self.recipe = recipe
        self.data_dir = data_dir
        self.console = console
        self._seed: int | None = None
        self._dataset: data.Dataset | None = None
        self._first = ""  # fingerprint of the images

    def of(self, seed: int) -> data.Dataset:
        if self._dataset is None or seed != self._seed:
            self._dataset = None  # frees the memory before the next data set is loaded
            self._dataset = load_dataset(self.recipe.data, seed, self.data_dir, self.console)
            self._seed = seed
            self._check_images(self._dataset.fingerprint)
        return self._dataset

    def _check_images(self, fingerprint: str) -> None:
        self._first = self._first or fingerprint
        if fingerprint != self._first:
            raise ValueError(
                f"The images in {self.recipe.data.folder} have changed since this command began: "
                f"{self._first} then, {fingerprint} now. What is finished is kept. Put the images "
                "back and run the same command again, or choose another folder (--run-dir)."
            )


class _Run:
    """The networks of a recipe in their folder.

    Args:
        recipe: what is trained.
        folder: of the run.
        loaded: the data.
        console: where progress is shown.
        devices: int, over how many devices networks are trained.
    """

    def __init__(
        self, recipe: Recipe, folder: RunFolder, loaded: _Data, console: Console, devices: int
    ):
        self.recipe = recipe
        self.folder = folder
        self.loaded = loaded
        self.console = console
        self.devices = devices
        self.task: Task = make_task(recipe.latent, recipe.evaluation, recipe.data)

    def try_building(self, seed: int) -> None:
        """Builds every network once, with the data of a seed, to find out what is wrong."""
        if not len(self.loaded.of(seed).test):
            raise ValueError(
                "Networks are measured on test images, and there are none. Set data.test to a "
                "share or a number larger than 0, or put images into a folder named test."
            )
        with distributed(self.devices):
            for table in self.recipe.models:
                settings = self.recipe.training_of(table)
                check(self.loaded.of(seed), settings)
                network = build_network(
                    table, self.loaded.of(seed), seed, self.task, settings.dtype
                )
                self.task.check(network, self.loaded.of(seed), table.name)
                symmetrize_network(table, network, self.task)  # its errors, before the training

    def check_images(self, seed: int) -> None:
        """Checks that networks that were begun were trained on the images that there are now."""
        for network in self._networks().values():
            network.check_images(self.loaded.of(seed))

    def train(self, chosen: list[_Key]) -> list[dict[str, Any]]:
        """Trains what is chosen and not yet finished, and writes the tables."""
        seed = chosen[0][1]
        several = len({seed for _, seed in self.recipe.networks}) > 1
        summary = report.Summary(self.loaded.of(seed), seed, several, self.recipe.training)
        networks = self._networks()
        # Before anything is trained: damaged and missing files should not be noticed hours later.
        finished = self._read(networks, len(summary.classes))
        results = self._measured(networks, finished, summary.images["test"])
        self._write(results, summary)
        for key, network in networks.items():
            if key in chosen and key not in results:
                results[key] = network.train(self.loaded.of(network.seed))
                self._write(results, summary)  # readable while the rest is trained
        ordered = self._order(results)
        report.print_table(ordered, self.recipe.title, self.console)
        self._print(f"Models, logs, tables and plots: {self.folder.path}")
        return ordered

    def _read(self, networks: dict[_Key, NetworkRun], classes: int) -> _Results:
        """Returns the results of the networks that are finished."""
        finished: _Results = {}
        for key, network in networks.items():
            if (result := network.read(classes)) is not None:
                finished[key] = result
                network.remove_checkpoint()  # the process may have been killed before it did so
        return finished

    def _measured(
        self, networks: dict[_Key, NetworkRun], finished: _Results, images: int
    ) -> _Results:
        """Returns what the recipe asks for of finished networks; what is missing is measured.

        Args:
            networks: all networks of the run.
            finished: the results of those that are finished.
            images: int, number of test images.
        """
        selected = {key: self.task.select(result, images) for key, result in finished.items()}
        for key, result in selected.items():
            if result is None:
                networks[key].check_model()
            else:
                self._print(f"{networks[key].label}: already trained")
        return {
            key: result or networks[key].measure_again(self.loaded.of(key[1]), finished[key])
            for key, result in selected.items()
        }

    def _networks(self) -> dict[_Key, NetworkRun]:
        return {
            (table.name, seed): NetworkRun(
                self.recipe,
                self.task,
                table,
                seed,
                self.folder.network(table.name, seed),
                self.console,
                self.devices,
            )
            for table, seed in self.recipe.networks
        }

    def _write(self, results: _Results, summary: report.Summary) -> None:
        """Writes the tables and plots of the finished networks, if there are any."""
        if not results:
            return
        ordered = self._order(results)
        captions = self.task.plot(ordered, self.recipe, self.folder.path, summary)
        written = report.write_tables(ordered, self.recipe, self.folder.path, summary, captions)
        self.folder.remove_reports(kept=written)  # those of an earlier [evaluation]

    def _order(self, results: _Results) -> list[dict[str, Any]]:
        return [
            results[table.name, seed]
            for table in self.recipe.models
            for seed in self.recipe.seeds_of(table)
            if (table.name, seed) in results
        ]

    def _print(self, text: str) -> None:
        self.console.print(text, markup=False, emoji=False)
