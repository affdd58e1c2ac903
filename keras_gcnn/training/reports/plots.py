"""The pictures of a run, and its page on confusions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from keras_gcnn.analysis.plots.results import plot_accuracy_by_angle, plot_confusion, plot_errors
from keras_gcnn.training import atomic_files as files
from keras_gcnn.training.recipes.schema import Recipe
from keras_gcnn.training.reports.report import Summary, by_network
from keras_gcnn.training.tasks.confusion import confusion_markdown


def draw(
    results: list[dict[str, Any]], recipe: Recipe, folder: Path, summary: Summary
) -> dict[str, str]:
    """Writes the pictures that a recipe wants.

    Args:
        results: one dict per network and seed, each with what the recipe wants measured.
        recipe: what was trained.
        folder: where to write.
        summary: of the data.

    Returns:
        dict from the names of the files to what they show.
    """
    runs = by_network(results)
    seeds = sorted({len(own) for own in runs.values()})
    count = f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
    note = f"{recipe.data.name}, {count} {'seed' if seeds == [1] else 'seeds'} a network"
    written = {"errors.png": "Test error: mean, standard deviation, and every seed as a dot"}
    files.write(
        folder / "errors.png",
        lambda path: plot_errors(
            {name: [run["errors"]["test"] for run in own] for name, own in runs.items()},
            path,
            {name: own[0]["parameters"] for name, own in runs.items()},
            recipe.title,
            f"{note}, {summary.images['test']:,} test images",
        ),
    )
    if recipe.evaluation.angles:
        written["accuracy_by_angle.png"] = "Accuracy by the angle of the test images"
        curves = {
            name: [{float(a): v for a, v in run["accuracy_by_angle"].items()} for run in own]
            for name, own in runs.items()
        }
        images = results[0]["angle_images"]
        how = f"{note}, {images:,} test images, bilinear rotation, zeros outside"
        files.write(
            folder / "accuracy_by_angle.png",
            lambda path: plot_accuracy_by_angle(curves, path, recipe.title, how),
        )
    if recipe.evaluation.confusion:
        written["confusion.png"] = "Which class is taken for which"
        written["confusion.md"] = "Error of each class, and the pairs confused most"
        matrices = {
            name: np.sum([run["confusion"] for run in own], axis=0) for name, own in runs.items()
        }
        files.write(
            folder / "confusion.png",
            lambda path: plot_confusion(matrices, summary.classes, path, recipe.title, note),
        )
        text = confusion_markdown(matrices, summary.classes, recipe.title)
        files.write_text(folder / "confusion.md", text)
    return written
