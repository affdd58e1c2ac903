"""The plots of a run of classifiers, and its page on confusions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from keras_gcnn.analysis.plots.results import plot_accuracy_by_angle, plot_confusion, plot_errors
from keras_gcnn.training import atomic_files
from keras_gcnn.training.recipes.schema import Recipe
from keras_gcnn.training.reports.confusion_page import confusion_markdown
from keras_gcnn.training.reports.report import Summary, by_network

# All files that `write_plots` may write, with their captions.
FILES = {
    "errors.png": "Test error: mean, standard deviation, and every seed as a dot",
    "accuracy_by_angle.png": "Accuracy by the angle of the test images",
    "confusion.png": "Which class is taken for which",
    "confusion.md": "Error of each class, and the pairs confused most",
    "areas.png": "100 % - AUC, the area under the receiver operating characteristic",
}


def write_plots(
    results: list[dict[str, Any]], recipe: Recipe, folder: Path, summary: Summary
) -> dict[str, str]:
    """Writes the plots that a recipe asks for.

    Args:
        results: one dict per network and seed, each with all that the recipe asks for.
        recipe: what was trained.
        folder: where to write.
        summary: of the data.

    Returns:
        dict from the names of the files to their captions.
    """
    runs = by_network(results)
    seed_counts = sorted({len(seeds) for seeds in runs.values()})
    count = f"{seed_counts[0]}"
    if len(seed_counts) > 1:
        count = f"{seed_counts[0]} to {seed_counts[-1]}"
    note = f"{recipe.data.title}, {count} {'seed' if seed_counts == [1] else 'seeds'} a network"
    parameters = {name: seeds[0]["parameters"] for name, seeds in runs.items()}
    written = ["errors.png"]
    atomic_files.write(
        folder / "errors.png",
        lambda path: plot_errors(
            {name: [run["errors"]["test"] for run in seeds] for name, seeds in runs.items()},
            path,
            parameters,
            recipe.title,
            f"{note}, {summary.images['test']:,} test images",
        ),
    )
    if recipe.evaluation.angles:
        written.append("accuracy_by_angle.png")
        curves = {
            name: [
                {float(angle): value for angle, value in run["accuracy_by_angle"].items()}
                for run in seeds
            ]
            for name, seeds in runs.items()
        }
        images = results[0]["angle_images"]
        method = f"{note}, {images:,} test images, bilinear rotation, zeros outside"
        atomic_files.write(
            folder / "accuracy_by_angle.png",
            lambda path: plot_accuracy_by_angle(curves, path, recipe.title, method),
        )
    if recipe.evaluation.confusion:
        written += ["confusion.png", "confusion.md"]
        matrices = {
            name: np.sum([run["confusion"] for run in seeds], axis=0)
            for name, seeds in runs.items()
        }
        atomic_files.write(
            folder / "confusion.png",
            lambda path: plot_confusion(matrices, summary.classes, path, recipe.title, note),
        )
        text = confusion_markdown(matrices, summary.classes, recipe.title)
        atomic_files.write_text(folder / "confusion.md", text)
    if recipe.evaluation.auc:
        written.append("areas.png")
        atomic_files.write(
            folder / "areas.png",
            lambda path: plot_errors(
                {
                    name: [100 * (1 - run["areas"]["test"]) for run in seeds]
                    for name, seeds in runs.items()
                },
                path,
                parameters,
                recipe.title,
                f"{note}, {summary.images['test']:,} test images",
                axis="100 % - AUC",
            ),
        )
    return {name: FILES[name] for name in written}
