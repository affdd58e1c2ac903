"""Runs a recipe: trains every network for every seed, measures, and writes the table."""

from __future__ import annotations

import json
import shutil
import statistics
from pathlib import Path
from typing import Any

import keras
import numpy as np
from rich.console import Console

from keras_gcnn import data, zoo
from keras_gcnn.analysis.figures import plot_accuracy_by_angle
from keras_gcnn.training import environment, files, report
from keras_gcnn.training.fit import fit
from keras_gcnn.training.recipe import ModelTable, Recipe
from keras_gcnn.training.turned import accuracy_by_angle, turned_errors


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
    arguments = {"input_shape": dataset.image_shape, "classes": len(dataset.classes)}
    try:
        return getattr(zoo, table.builder)(**{**arguments, **table.arguments})
    except TypeError as error:
        raise ValueError(f"models.arguments of {table.name}: {error}") from None


def _claim(folder: Path, recipe: Recipe, fresh: bool) -> None:
    """Makes the folder this recipe's own, or says why it cannot be."""
    content = {**recipe.model_dump(mode="json"), "backend": keras.backend.backend()}
    path = folder / "recipe.json"
    if fresh and path.is_file():
        shutil.rmtree(folder)
    if path.is_file():
        if json.loads(path.read_text(encoding="utf-8")) != content:
            raise ValueError(
                f"{folder} holds a run of another recipe, data set or backend. Choose another "
                "folder (--run-dir), or start anew in this one (--fresh)."
            )
    elif folder.is_dir() and any(folder.iterdir()):
        raise ValueError(f"{folder} is not empty and holds no run. Choose another folder.")
    files.write_json(path, content)


def _train_one(
    table: ModelTable, dataset: data.Dataset, recipe: Recipe, seed: int, folder: Path, console
) -> dict[str, Any]:
    model = build(table, dataset, seed)
    label = f"{table.name}, seed {seed}" if len(recipe.seeds) > 1 else table.name
    history = fit(model, dataset, recipe.training, folder, seed=seed, label=label, console=console)
    files.write(folder / "model.keras", model.save)
    with console.status(f"{label}: measuring on turned images"):
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
            "accuracy_by_angle": accuracy_by_angle(model, first, recipe.evaluation.angle_step),
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
        fresh: bool, whether to remove an earlier run in the folder first.
        data_dir: where prepared data sets are; see `keras_gcnn.data.load`.
        console: where progress is shown; None for silence.

    Returns:
        A list with one dict per network and seed: errors in percent, seconds per epoch, and so on.

    Raises:
        ValueError: if the recipe does not fit the library or the data, or the folder holds another
            run.
    """
    folder = Path(folder)
    console = console or Console(quiet=True)
    _claim(folder, recipe, fresh)
    results = []
    for seed in recipe.seeds:
        dataset = data.load(**recipe.data.model_dump(), seed=seed, data_dir=data_dir)
        for table in recipe.models:  # a mistake in the last network should not wait for the others
            build(table, dataset, seed)
        for table in recipe.models:
            own = folder / f"{table.name}-seed{seed}"
            finished = own / "result.json"
            if finished.is_file():
                results.append(json.loads(finished.read_text(encoding="utf-8")))
                console.print(f"{table.name}, seed {seed}: already trained")
            else:
                results.append(_train_one(table, dataset, recipe, seed, own, console))
            keras.backend.clear_session()
    notes = {"data": dataset.description, "environment": environment.describe()}
    report.write_tables(results, folder, recipe.title, notes)
    _draw(results, recipe, folder, len(dataset.test))
    report.print_table(results, recipe.title, console)
    console.print(f"Models, logs, table and picture: {folder}")
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
