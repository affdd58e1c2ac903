"""Measures a saved model on a folder of images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from rich.console import Console

from keras_gcnn import analysis
from keras_gcnn.data import Dataset, Split, load_folder
from keras_gcnn.data.folders.masks import FOREGROUND
from keras_gcnn.data.folders.stored import join
from keras_gcnn.export import load, metadata
from keras_gcnn.training import atomic_files
from keras_gcnn.training.inputs.rotated_evaluation import (
    COLUMNS,
    error_rate,
    predict,
    rotated_errors,
)
from keras_gcnn.training.predictions.classes import as_probabilities, makes_probabilities
from keras_gcnn.training.progress import Bar
from keras_gcnn.training.reports import report
from keras_gcnn.training.tasks.evaluation import check_classifier
from keras_gcnn.training.tasks.folder_tasks import Labelling, Regression, Vectors
from keras_gcnn.training.tasks.measurement import confusion_matrix, count_parameters
from keras_gcnn.training.tasks.segmentation import measure_masks, plot_by_dice

PLOTS = ("confusion.png", "reliability.png", "worst.png")
"""Files that `evaluate_folder` writes beside `results.json`."""

_VECTORS: dict[Any, Vectors] = {"labels": Labelling(), "number": Regression()}  # by target


def evaluate_folder(
    path: str | Path,
    folder: str | Path,
    *,
    output: str | Path | None = None,
    table: str | None = None,
    seed: int = 0,
    console: Console | None = None,
) -> dict[str, Any]:
    """Measures a saved model on the test images of a folder, or on all if it names none.

    Images are brought to the size of the model as in its training. A network for masks needs the
    folders `images` and `masks`; see `evaluate_masks`. A network for labels or numbers needs a
    table of them, and is measured as in its training; see `evaluate_vectors`.

    Args:
        path: a `.keras` file.
        folder: of images, in a layout of `keras_gcnn.data.load_folder`.
        output: folder for `results.json` and plots of the confusion, of the reliability, and of the
            surest errors, or of boundaries; None for none.
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
    path, folder = Path(path), Path(folder)
    if output is not None:
        atomic_files.make_folder(Path(output))  # whether it can be is known before measuring
    model = load(path)
    known = metadata.read(path)
    if len(getattr(model, "output_shape", None) or ()) == 4:
        if table is not None:
            raise ValueError(
                f"{path} predicts masks, which are no table. Leave table={table!r} out."
            )
        masks = {"target": "mask", "masks": _masks_of(known)}
        dataset = load_like_training(model, folder, known, console, **masks)
        return evaluate_masks(model, path, dataset, output, seed, console)
    if (target := known.get("target")) in _VECTORS:
        dataset = load_like_training(model, folder, known, console, table=table, target=target)
        return evaluate_vectors(model, path, _VECTORS[target], dataset, output, seed, console)
    dataset = load_like_training(model, folder, known, console, table=table)
    check_classifier(model, path, dataset)
    test = dataset.test
    with console.status("measuring"):
        known_as = makes_probabilities(metadata.activation_of(model))
        probabilities = as_probabilities(predict(model, test), known_as)
        predicted = probabilities.argmax(axis=-1)
        errors = {COLUMNS[0]: error_rate(predicted, test.labels)}
        errors |= rotated_errors(model, test, seed) if dataset.is_square else {}
    result = {
        **_facts(model, dataset),
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


def evaluate_vectors(
    model: keras.Model,
    path: Path,
    task: Vectors,
    dataset: Dataset,
    output: str | Path | None,
    seed: int,
    console: Console,
) -> dict[str, Any]:
    """Measures a network for labels or numbers on the test images of a data set.

    Args:
        model: from images to logits of labels, or to a number.
        path: of its file.
        task: what it was trained for.
        dataset: images, and their labels or numbers.
        output: folder for `results.json`; None for none.
        seed: int, for random angles.
        console: where the table is printed.

    Returns:
        dict with the measures of the task, on the images as they are and rotated.

    Raises:
        ValueError: if the model does not fit the images.
    """
    task.check_fits(model, path, dataset)
    with console.status("measuring"):
        measures = task.measure_vectors(model, dataset.test, seed)
    result = {**_facts(model, dataset), "measures": measures, "classes": list(dataset.classes)}
    report.print_table([result], f"{path} on {dataset.name}, {len(dataset.test):,} images", console)
    if output is not None:
        atomic_files.write_json(Path(output) / "results.json", result)
        console.print(f"Results: {output}", markup=False)
    return result


def _facts(model: keras.Model, dataset: Dataset) -> dict[str, Any]:
    return {
        "network": model.name,
        "parameters": count_parameters(model),
        "images": len(dataset.test),
    }


def _masks_of(known: Mapping[str, Any]) -> str:
    """Returns how masks are read: those of a foreground may number its objects."""
    return "foreground" if known.get("classes") == [*FOREGROUND] else "values"


def load_like_training(
    model: keras.Model, folder: Path, known: Mapping[str, Any], console: Console, **given: Any
) -> Dataset:
    """Loads the images of a folder as those on which a model was trained.

    Args:
        model: the model.
        folder: of images; it may lack some of the classes of the model.
        known: metadata of the model.
        console: where progress is shown.
        **given: further arguments of `load_folder`.

    Raises:
        ValueError: if the folder has other classes.
    """
    options = {**_preparation(model, known.get("images", {})), **given}
    if options.get("target") != "number":
        options["classes"] = known.get("classes") or None
    dataset = load_folder(folder, test=0, validation=0, progress=Bar(console), **options)
    if len(dataset.test):
        return dataset
    train, held_out = dataset.train, dataset.validation
    images = join(train.images, held_out.images)
    return replace(dataset, test=Split(images, join(train.labels, held_out.labels)))


def _preparation(model: keras.Model, images: Mapping[str, Any]) -> dict[str, Any]:
    """Returns arguments of `load_folder` that bring images to the size and colour of a model.

    Args:
        model: the model.
        images: what its metadata say of them, which is asked where the model takes any size.
    """
    options = {key: images[key] for key in ("fit", "interpolation") if key in images}
    shape = getattr(model, "input_shape", None)
    if not isinstance(shape, tuple) or len(shape) != 4 or shape[3] not in (1, 3):
        return options  # it is refused with its shape when it is compared with the images
    rows, columns = (
        size or images.get(name) for size, name in zip(shape[1:3], ("rows", "columns"), strict=True)
    )
    if rows and columns:
        options["size"] = (rows, columns)
    return {**options, "color": "grey" if shape[3] == 1 else "rgb"}


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


def evaluate_masks(
    model: keras.Model,
    path: Path,
    dataset: Dataset,
    output: str | Path | None,
    seed: int,
    console: Console,
) -> dict[str, Any]:
    """Measures a network for masks on the test images of a data set.

    Args:
        model: from images to logits of every pixel.
        path: of its file.
        dataset: images and masks.
        output: folder for `results.json` and a plot of boundaries, `masks.png`; None for none.
        seed: int, for random angles.
        console: where the table is printed.

    Returns:
        dict with the Dice and Jaccard coefficients, of each class and in other poses.

    Raises:
        ValueError: if the model does not fit the images.
    """
    rows, columns, channels = dataset.image_shape
    fits = (None, rows, columns, channels), (None, rows, columns, len(dataset.classes))
    of_foreground = (*fits[1][:3], 1)  # a map of one score
    outputs = fits[1:] if len(dataset.classes) > 2 else (fits[1], of_foreground)
    if model.input_shape != fits[0] or model.output_shape not in outputs:
        raise ValueError(
            f"{path} maps {model.input_shape} to {model.output_shape}; the images and masks of "
            f"{dataset.name} need {fits[0]} to {fits[1]}."
        )
    with console.status("measuring"):
        measures, counts = measure_masks(model, dataset, seed)
    result = {**_facts(model, dataset), "measures": measures, "classes": list(dataset.classes)}
    report.print_table([result], f"{path} on {dataset.name}, {len(dataset.test):,} images", console)
    if output is not None:
        output = Path(output)
        atomic_files.make_folder(output)
        atomic_files.write_json(output / "results.json", result)
        atomic_files.write(
            output / "masks.png", lambda file: plot_by_dice(model, dataset.test, counts, file)
        )
        console.print(f"Results and plots: {output}", markup=False)
    return result
