"""Measures a saved classifier on a folder of images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
from rich.console import Console

from keras_gcnn import analysis
from keras_gcnn.data import Dataset, Split, load_folder
from keras_gcnn.export import metadata
from keras_gcnn.training import atomic_files
from keras_gcnn.training.inputs.rotated_evaluation import (
    COLUMNS,
    error_rate,
    predict,
    rotated_errors,
)
from keras_gcnn.training.prediction import as_probabilities
from keras_gcnn.training.progress import Bar
from keras_gcnn.training.reports import report
from keras_gcnn.training.tasks.evaluation import load_classifier
from keras_gcnn.training.tasks.measurement import confusion_matrix, count_parameters

PLOTS = ("confusion.png", "reliability.png", "worst.png")
"""Files that `evaluate_folder` writes beside `results.json`."""


def evaluate_folder(
    path: str | Path,
    folder: str | Path,
    *,
    output: str | Path | None = None,
    table: str | None = None,
    seed: int = 0,
    console: Console | None = None,
) -> dict[str, Any]:
    """Measures a saved classifier on the test images of a folder, or on all if it names none.

    Images are brought to the size of the model as in its training.

    Args:
        path: a `.keras` file.
        folder: of images, in a layout of `keras_gcnn.data.load_folder`.
        output: folder for `results.json` and plots of the confusion, of the reliability, and of the
            surest errors; None for none.
        table: CSV file of files and labels, from the folder.
        seed: int, for random angles.
        console: where the table is printed; None for silence.

    Returns:
        dict with the errors in percent on the images as they are, rotated and mirrored, the area
        under the curve, the expected calibration error, and the confusion matrix.

    Raises:
        ValueError: if model and folder do not fit each other.
    """
    console = console or Console(quiet=True)
    known = metadata.read(path)
    dataset = _load(Path(path), Path(folder), known, table, console)
    model = load_classifier(path, dataset)
    test = dataset.test
    with console.status("measuring"):
        probabilities = as_probabilities(predict(model, test))
        predicted = probabilities.argmax(axis=-1)
        errors = {COLUMNS[0]: error_rate(predicted, test.labels)}
        errors |= rotated_errors(model, test, seed) if _is_square(dataset) else {}
    result = {
        "network": model.name,
        "parameters": count_parameters(model),
        "images": len(test),
        "errors": errors,
        "area under the curve": analysis.area_under_curve(probabilities, test.labels),
        "calibration error": analysis.reliability(probabilities, test.labels).error,
        "confusion": confusion_matrix(test.labels, predicted, len(dataset.classes)),
        "classes": list(dataset.classes),
    }
    report.print_table([result], f"{path} on {dataset.name}, {len(test):,} images", console)
    console.print(
        f"Area under the curve {result['area under the curve']:.4f}, expected calibration error "
        f"{result['calibration error']:.4f}."
    )
    if output is not None:
        _write(Path(output), model, result, test, probabilities)
        console.print(f"Results and plots: {output}", markup=False)
    return result


def _is_square(dataset: Dataset) -> bool:
    rows, columns, _ = dataset.image_shape
    return rows == columns


def _load(
    path: Path, folder: Path, known: Mapping[str, Any], table: str | None, console: Console
) -> Dataset:
    """Loads the images of a folder as those on which the model was trained."""
    images = known.get("images", {})
    options: dict[str, Any] = {}
    if {"rows", "columns", "channels"} <= images.keys():
        options["size"] = (images["rows"], images["columns"])
        options["color"] = "grey" if images["channels"] == 1 else "rgb"
        options |= {key: images[key] for key in ("fit", "interpolation") if key in images}
    dataset = load_folder(
        folder, test=0, validation=0, table=table, progress=Bar(console), **options
    )
    names = known.get("classes")
    if names is not None and list(dataset.classes) != list(names):
        raise ValueError(
            f"{path} knows the classes {', '.join(map(str, names))}, but {folder} has "
            f"{', '.join(dataset.classes)}. Name the folders as in the training."
        )
    test = dataset.test if len(dataset.test) else dataset.train
    return Dataset(
        dataset.name,
        dataset.train,
        dataset.validation,
        test,
        dataset.classes,
        dataset.description,
        dataset.preparation,
    )


def _write(
    output: Path, model: keras.Model, result: dict[str, Any], test: Split, probabilities: np.ndarray
) -> None:
    atomic_files.make_folder(output)
    atomic_files.write_json(output / "results.json", result)
    classes = result["classes"]
    note = f"{model.name}, {len(test):,} images"
    plots = {
        "confusion.png": lambda path: analysis.plot_confusion(
            {model.name: result["confusion"]}, classes, path, note=note
        ),
        "reliability.png": lambda path: analysis.plot_reliability(
            probabilities, test.labels, path, note=note
        ),
        "worst.png": lambda path: analysis.plot_worst_errors(
            test.images, test.labels, probabilities, classes, path, note=note
        ),
    }
    for name in PLOTS:
        atomic_files.write(output / name, plots[name])
