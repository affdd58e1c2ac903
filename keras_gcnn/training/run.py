"""Runs a recipe: trains every network for every seed, measures, and writes the table."""

from __future__ import annotations

import shutil
import statistics
from pathlib import Path
from typing import Any

import keras
import numpy as np
from rich.console import Console
from rich.text import Text

from keras_gcnn import data, zoo
from keras_gcnn.analysis.figures import plot_accuracy_by_angle
from keras_gcnn.training import environment, files, report
from keras_gcnn.training.fit import check, fit
from keras_gcnn.training.recipe import ModelTable, Recipe
from keras_gcnn.training.run_folder import RunFolder
from keras_gcnn.training.turned import COLUMNS, accuracy_by_angle, turned_errors


def build(table: ModelTable, dataset: data.Dataset, seed: int) -> keras.Model:
    """Builds the network of a `[[models]]` table for a data set.

    Raises:
        ValueError: if there is no such builder, or it does not take the arguments.
    """
    if table.builder not in zoo.__all__:
        raise ValueError(
            f"models.builder = {table.builder!r} is no builder of keras_gcnn.zoo. Choose one of "
            f"{', '.join(zoo.__all__)}."
        )
    keras.utils.set_random_seed(seed)
    arguments = {
        "input_shape": dataset.image_shape,
        "classes": len(dataset.classes),
        "data_format": "channels_last",  # of the data, whatever Keras's configuration says
    }
    try:
        return getattr(zoo, table.builder)(**{**arguments, **table.arguments})
    except TypeError as error:
        raise ValueError(f"models.arguments of {table.name}: {error}") from None


def _read_result(path: Path) -> dict[str, Any]:
    def is_result(content: Any) -> bool:
        numbers = [content["parameters"], content["epochs"], content["seconds_per_epoch"]]
        numbers += [content["errors"][name] for name in COLUMNS]
        numbers += [*content["accuracy_by_angle"].values()]
        angles = [float(angle) for angle in content["accuracy_by_angle"]]
        return (
            all(isinstance(number, int | float) for number in numbers)
            and {"network", "seed"} <= set(content)
            and len(angles) > 0
        )

    remedy = "Delete it to train this network again, or start the whole run anew (--fresh)."
    return files.read_json(path, is_result, remedy)


def _train_one(
    table: ModelTable, dataset: data.Dataset, recipe: Recipe, seed: int, folder: Path, console
) -> dict[str, Any]:
    keras.backend.clear_session()  # layers get the same names however many were built before
    model = build(table, dataset, seed)
    label = f"{table.name}, seed {seed}" if len(recipe.seeds) > 1 else table.name
    history = fit(model, dataset, recipe.training, folder, seed=seed, label=label, console=console)
    files.write(folder / "model.keras", model.save)
    with console.status(Text(f"{label}: measuring on turned images")):
        first = data.Split(
            dataset.test.images[: recipe.evaluation.picture_images],
            dataset.test.labels[: recipe.evaluation.picture_images],
        )
        result = {
            "network": table.name,
            "seed": seed,
            "parameters": int(sum(np.prod(v.shape) for v in model.trainable_variables)),
            "epochs": len(history),
            "seconds_per_epoch": round(statistics.median(row["seconds"] for row in history), 3),
            "errors": turned_errors(model, dataset.test, seed),
            # Text for keys, as in the JSON file, from which a later call reads the result.
            "accuracy_by_angle": {
                str(angle): accuracy
                for angle, accuracy in accuracy_by_angle(
                    model, first, recipe.evaluation.angle_step
                ).items()
            },
        }
    files.write_json(folder / "result.json", result)
    shutil.rmtree(folder / "checkpoint", ignore_errors=True)
    return result


def train(
    recipe: Recipe,
    folder: str | Path,
    *,
    fresh: bool = False,
    data_dir: str | Path | None = None,
    console: Console | None = None,
) -> list[dict[str, Any]]:
    """Trains all networks of a recipe and writes their results.

    Calling it again on the same folder goes on where it was interrupted: networks that are finished
    are not trained again, and one that was interrupted continues after its last epoch.

    Args:
        recipe: from `keras_gcnn.training.load_recipe`.
        folder: for the run. It gets `results.json`, `results.md`, `accuracy_by_angle.png`, and per
            network and seed a folder with `model.keras`, `history.csv`, `result.json` and
            TensorBoard logs.
        fresh: bool, whether to remove an earlier run in the folder first, once the data are loaded
            and all networks could be built. Files that are not of the run stay.
        data_dir: where prepared data sets are; see `keras_gcnn.data.load`.
        console: where progress is shown; None for silence.

    Returns:
        A list with one dict per network and seed: errors in percent, seconds per epoch, and so on.

    Raises:
        ValueError: if the recipe does not fit the library or the data, or the folder holds another
            run, damaged files or one that is going on.
    """
    console = console or Console(quiet=True)
    own = RunFolder(Path(folder), recipe, keras.backend.backend(), fresh)
    own.check()  # first, since it takes no time
    # Nothing is written or removed before all that can be wrong with a recipe has been tried.
    first = _load_data(recipe, recipe.seeds[0], data_dir)
    check(first, recipe.training)
    for table in recipe.models:
        build(table, first, recipe.seeds[0])
    with own.claim():
        return _train_all(recipe, own, first, data_dir, console)


def _load_data(recipe: Recipe, seed: int, data_dir: str | Path | None) -> data.Dataset:
    return data.load(**recipe.data.model_dump(), seed=seed, data_dir=data_dir)


def _train_all(
    recipe: Recipe,
    own: RunFolder,
    dataset: data.Dataset,
    data_dir: str | Path | None,
    console: Console,
) -> list[dict[str, Any]]:
    """Trains what is not yet finished and writes the tables; `dataset` is the first seed's."""
    # Read before anything is trained: a damaged file should not be found hours later.
    finished = {
        folder: _read_result(folder / "result.json")
        for seed in recipe.seeds
        for table in recipe.models
        if ((folder := own.network(table.name, seed)) / "result.json").is_file()
    }
    results = []
    for index, seed in enumerate(recipe.seeds):
        if index:
            dataset = _load_data(recipe, seed, data_dir)
        for table in recipe.models:
            folder = own.network(table.name, seed)
            if folder in finished:
                results.append(finished[folder])
                line = f"{table.name}, seed {seed}: already trained"
                console.print(line, markup=False, emoji=False)
            else:
                results.append(_train_one(table, dataset, recipe, seed, folder, console))
    notes = {"data": dataset.description, "environment": environment.describe()}
    report.write_tables(results, own.path, recipe.title, notes)
    _draw(results, recipe, own.path, len(dataset.test))
    report.print_table(results, recipe.title, console)
    console.print(f"Models, logs, table and picture: {own.path}", markup=False, emoji=False)
    return results


def _draw(results: list[dict[str, Any]], recipe: Recipe, folder: Path, images: int) -> None:
    curves = {}
    for table in recipe.models:
        runs = [r["accuracy_by_angle"] for r in results if r["network"] == table.name]
        curves[table.name] = {
            float(angle): statistics.mean(run[angle] for run in runs) for angle in runs[0]
        }
    note = (
        f"{recipe.data.name}: {min(images, recipe.evaluation.picture_images)} test images, "
        f"{len(recipe.seeds)} seed(s), bilinear rotation, zeros outside"
    )
    files.write(
        folder / "accuracy_by_angle.png",
        lambda path: plot_accuracy_by_angle(curves, path, recipe.title, note),
    )
