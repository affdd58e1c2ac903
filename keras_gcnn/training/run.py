"""Runs a recipe: trains every network for every seed, measures, and writes the table."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import keras
from rich.console import Console

from keras_gcnn import data
from keras_gcnn.training import pictures, report
from keras_gcnn.training.fit import check
from keras_gcnn.training.measurement import select
from keras_gcnn.training.network import Network, build
from keras_gcnn.training.recipe import Recipe
from keras_gcnn.training.run_folder import TABLES, RunFolder


def train(
    recipe: Recipe,
    folder: str | Path,
    *,
    networks: Collection[str] | None = None,
    seeds: Collection[int] | None = None,
    fresh: bool = False,
    data_dir: str | Path | None = None,
    console: Console | None = None,
) -> list[dict[str, Any]]:
    """Trains the networks of a recipe and writes their results.

    Calling it again on the same folder goes on where it was interrupted: networks that are finished
    are not trained again, and one that was interrupted continues after its last epoch. By then the
    recipe may have further networks, further seeds, another title, or another `[evaluation]`, for
    which finished networks are measured again if they have to be.

    Args:
        recipe: from `keras_gcnn.training.load_recipe`.
        folder: for the run. It gets `results.json`, `results.md` and pictures, and per network and
            seed a folder with `model.keras`, `history.csv`, `result.json` and TensorBoard logs.
        networks: names of the networks to train in this call; None for all. The tables hold what is
            finished, and a later call does the rest.
        seeds: the seeds to train with in this call; None for all.
        fresh: bool, whether to remove an earlier run in the folder first, once the data are loaded
            and all networks could be built. Files that are not of the run stay.
        data_dir: where prepared data sets are; see `keras_gcnn.data.load`.
        console: where progress is shown; None for silence.

    Returns:
        A list with one dict per finished network and seed, in the order of the recipe: errors in
        percent, seconds of training, and so on.

    Raises:
        ValueError: if the recipe does not fit the library or the data, the folder holds another
            run, damaged files or a run that is going on, or there are no such networks or seeds.
    """
    console = console or Console(quiet=True)
    chosen = _choose(recipe, networks, seeds)
    own = RunFolder(Path(folder), recipe, keras.backend.backend(), fresh)
    own.check()  # first, since it takes no time
    # Nothing is written or removed before all that can be wrong with a recipe has been tried.
    loaded = _Data(recipe, data_dir)
    seed = chosen[0][1]
    check(loaded.of(seed), recipe.training)
    for table in recipe.models:
        build(table, loaded.of(seed), seed)
    with own.claim():
        return _train_all(recipe, own, chosen, loaded, console)


def _choose(
    recipe: Recipe, networks: Collection[str] | None, seeds: Collection[int] | None
) -> list[tuple[str, int]]:
    """Names and seeds of the networks to train, in the order of training."""
    pairs = [(table.name, seed) for table, seed in recipe.networks]
    for what, asked, known in (
        ("networks", networks, [table.name for table in recipe.models]),
        ("seeds", seeds, list(dict.fromkeys(seed for _, seed in pairs))),
    ):
        if isinstance(asked, str) or not set(asked or known) <= set(known):
            raise ValueError(
                f"{what}={asked!r}: the recipe has other {what}. Give a list of some of "
                f"{', '.join(map(str, known))}."
            )
    chosen = [
        (name, seed)
        for name, seed in pairs
        if (networks is None or name in networks) and (seeds is None or seed in seeds)
    ]
    if not chosen:
        having = "; ".join(
            f"{table.name} with {', '.join(map(str, recipe.seeds_of(table)))}"
            for table in recipe.models
        )
        raise ValueError(
            f"networks={networks!r} and seeds={seeds!r} leave nothing to train. The recipe has "
            f"these networks with these seeds: {having}."
        )
    return chosen


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
) -> list[dict[str, Any]]:
    """Trains what is chosen and not yet finished, and writes the tables."""
    summary = report.Summary(loaded.of(chosen[0][1]))
    networks = {
        (table.name, seed): Network(recipe, table, seed, own.network(table.name, seed), console)
        for table, seed in recipe.networks
    }
    # Read before anything is trained: a damaged file should not be found hours later.
    finished = {key: result for key, one in networks.items() if (result := one.read())}
    complete = {}
    for key, result in finished.items():
        complete[key] = select(result, recipe.evaluation, summary.images["test"])
        if complete[key] is None:
            networks[key].check_model()
    results = {}
    for key, network in networks.items():
        if complete.get(key):
            results[key] = complete[key]
            console.print(f"{network.label}: already trained", markup=False, emoji=False)
        elif key in finished:
            results[key] = network.measure_again(loaded.of(network.seed), finished[key])
        elif key in chosen:
            results[key] = network.train(loaded.of(network.seed))
    ordered = [
        results[table.name, seed]
        for table in recipe.models
        for seed in recipe.seeds_of(table)
        if (table.name, seed) in results
    ]
    _write(ordered, recipe, own, summary, console)
    return ordered


def _write(
    results: list[dict[str, Any]],
    recipe: Recipe,
    own: RunFolder,
    summary: report.Summary,
    console: Console,
) -> None:
    drawn = pictures.draw(results, recipe, own.path, summary)
    written = report.write_tables(results, recipe, own.path, summary, drawn)
    for name in set(TABLES) - set(written):  # of an earlier [evaluation]
        (own.path / name).unlink(missing_ok=True)
    report.print_table(results, recipe.title, console)
    console.print(f"Models, logs, tables and pictures: {own.path}", markup=False, emoji=False)
