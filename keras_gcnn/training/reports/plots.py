"""The plots of a run of classifiers, and its page on confusions."""

from __future__ import annotations

from collections.abc import Callable
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
    plots = _Plots(results, recipe, folder, summary)
    written = plots.write_errors()
    if recipe.evaluation.angles:
        written += plots.write_accuracy_by_angle()
    if recipe.evaluation.confusion:
        written += plots.write_confusions()
    if recipe.evaluation.auc:
        written += plots.write_areas()
    return {name: FILES[name] for name in written}


class _Plots:
    """The plots of a run; each method writes one and returns the names of its files.

    Args:
        results: one dict per network and seed.
        recipe: what was trained.
        folder: where to write.
        summary: of the data.
    """

    def __init__(
        self, results: list[dict[str, Any]], recipe: Recipe, folder: Path, summary: Summary
    ):
        self.runs = by_network(results)
        self.title = recipe.title
        self.folder = folder
        self.classes = summary.classes
        self.angle_images = results[0].get("angle_images", 0)
        counts = sorted({len(seeds) for seeds in self.runs.values()})
        count = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
        seeds = "seed" if counts == [1] else "seeds"
        self.note = f"{recipe.data.title}, {count} {seeds} a network"
        self.test_note = f"{self.note}, {summary.images['test']:,} test images"

    def write_errors(self) -> list[str]:
        errors = self._values(lambda run: run["errors"]["test"])
        return self._write_bars("errors.png", errors)

    def write_areas(self) -> list[str]:
        areas = self._values(lambda run: 100 * (1 - run["areas"]["test"]))
        return self._write_bars("areas.png", areas, axis="100 % - AUC")

    def write_accuracy_by_angle(self) -> list[str]:
        curves = self._values(
            lambda run: {float(angle): value for angle, value in run["accuracy_by_angle"].items()}
        )
        images = f"{self.angle_images:,} test images"
        note = f"{self.note}, {images}, bilinear rotation, zeros outside"
        atomic_files.write(
            self.folder / "accuracy_by_angle.png",
            lambda path: plot_accuracy_by_angle(curves, path, self.title, note),
        )
        return ["accuracy_by_angle.png"]

    def write_confusions(self) -> list[str]:
        matrices = {
            name: np.sum([run["confusion"] for run in seeds], axis=0)
            for name, seeds in self.runs.items()
        }
        atomic_files.write(
            self.folder / "confusion.png",
            lambda path: plot_confusion(matrices, self.classes, path, self.title, self.note),
        )
        text = confusion_markdown(matrices, self.classes, self.title)
        atomic_files.write_text(self.folder / "confusion.md", text)
        return ["confusion.png", "confusion.md"]

    def _values(self, value_of: Callable[[dict[str, Any]], Any]) -> dict[str, list[Any]]:
        """Returns a value of every result, by network."""
        return {name: [value_of(run) for run in seeds] for name, seeds in self.runs.items()}

    def _write_bars(self, name: str, values: dict[str, list[float]], **options: Any) -> list[str]:
        parameters = {name: seeds[0]["parameters"] for name, seeds in self.runs.items()}
        atomic_files.write(
            self.folder / name,
            lambda path: plot_errors(
                values, path, parameters, self.title, self.test_note, **options
            ),
        )
        return [name]
