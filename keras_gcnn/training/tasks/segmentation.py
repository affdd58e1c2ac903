"""Segmentation: networks that name the class of every pixel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_gcnn import analysis, losses, zoo
from keras_gcnn.data import Dataset, Split
from keras_gcnn.training import atomic_files
from keras_gcnn.training.inputs.mask_evaluation import (
    classify_pixels,
    count_turned,
    count_upright,
    dice,
    intersection_over_union,
)
from keras_gcnn.training.recipes.schema import Recipe
from keras_gcnn.training.recipes.tables import TrainingTable
from keras_gcnn.training.reports.report import Summary, by_network
from keras_gcnn.training.tasks.folder_task import FolderTask
from keras_gcnn.training.tasks.task import copy_plot, network_folder
from keras_gcnn.types import Shape

_MOST_NAMED = 8  # classes with a measure of their own
_SHOWN = 10  # images in a plot


class Segmentation(FolderTask):
    """Networks for masks, trained by cross-entropy and Dice, and measured on turned images too.

    The Dice and the Jaccard coefficient ("IoU") of a class are those of all pixels of all test
    images together; without the name of a class they are the means over classes.
    """

    builders = zoo.SEGMENTERS
    networks = "networks for masks"
    files = ("losses.png", "masks-{network}.png")
    loss_name = "wrong pixels %"

    def arguments(self, dataset: Dataset) -> dict[str, Any]:
        return {"input_shape": dataset.image_shape, "classes": len(dataset.classes)}

    def output_shape(self, dataset: Dataset) -> Shape:
        rows, columns, _ = dataset.image_shape
        return (rows, columns, len(dataset.classes))

    def compile(self, model: keras.Model, optimizer: keras.optimizers.Optimizer) -> None:
        model.compile(optimizer=optimizer, loss=losses.DiceCrossEntropy(), metrics=["accuracy"])

    def measure(
        self,
        model: keras.Model,
        dataset: Dataset,
        settings: TrainingTable,
        seed: int,
        folder: Path,
    ) -> dict[str, Any]:
        measures, counts = measure_masks(model, dataset, seed)
        atomic_files.write(
            folder / "masks.png", lambda path: plot_by_dice(model, dataset.test, counts, path)
        )
        return {"measures": measures}

    def plot(
        self, results: list[dict[str, Any]], recipe: Recipe, folder: Path, summary: Summary
    ) -> dict[str, str]:
        captions = super().plot(results, recipe, folder, summary)
        for name, seeds in by_network(results).items():
            network = network_folder(folder, name, seeds[0]["seed"])
            copies = copy_plot(network, folder, "masks", name)
            captions |= dict.fromkeys(
                copies, f"{name}: true and predicted boundaries, from the worst image to the best"
            )
        return captions


def measure_masks(
    model: keras.Model, dataset: Dataset, seed: int
) -> tuple[dict[str, float], np.ndarray]:
    """Measures a network for masks on the test images.

    Args:
        model: from images to logits of every pixel.
        dataset: with test images and masks.
        seed: int, for random angles.

    Returns:
        A dict of measures by name, of images as they are and, if they are square, turned; and the
        `confusion` of each image.
    """
    counts = count_upright(model, dataset.test, len(dataset.classes))
    measures = mask_measures(counts.sum(axis=0), dataset.classes)
    if dataset.is_square:
        turned = count_turned(model, dataset.test, len(dataset.classes), seed)
        measures |= {f"Dice, {name}": _mean(dice(each)) for name, each in turned.items()}
    return measures, counts


def mask_measures(counts: np.ndarray, classes: tuple[str, ...]) -> dict[str, float]:
    """Returns the measures of a `confusion` of pixels, by name."""
    coefficients, jaccard = dice(counts), intersection_over_union(counts)
    measures = {
        "Dice": _mean(coefficients),
        "IoU": _mean(jaccard),
        "wrong pixels %": 100 * float(1 - np.trace(counts) / max(1, counts.sum())),
    }
    if len(classes) <= _MOST_NAMED:
        for index, name in enumerate(classes):
            measures[f"Dice of {name}"] = float(coefficients[index])
            measures[f"IoU of {name}"] = float(jaccard[index])
    return measures


def _mean(coefficients: np.ndarray) -> float:
    """Returns the mean over the classes that occur."""
    known = coefficients[np.isfinite(coefficients)]
    return float(np.mean(known)) if len(known) else float("nan")


def plot_by_dice(model: keras.Model, split: Split, counts: np.ndarray, path: str | Path) -> None:
    """Plots masks of images spread evenly from that with the worst to that with the best Dice.

    Args:
        model: from images to logits of every pixel.
        split: images and masks.
        counts: the `confusion` of each image.
        path: file to write.
    """
    coefficients = np.array([_mean(dice(each)) for each in counts])
    order = np.argsort(coefficients, kind="stable")
    chosen = order[np.linspace(0, len(order) - 1, min(_SHOWN, len(order))).round().astype(int)]
    images = split.images[chosen]
    analysis.plot_masks(
        images,
        split.labels[chosen],
        classify_pixels(model, images),
        path,
        captions=[f"Dice {coefficients[index]:.2f}" for index in chosen],
    )
