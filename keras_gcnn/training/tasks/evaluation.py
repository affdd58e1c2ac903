"""Loads a saved classifier and measures it on the test images of a data set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
from rich.console import Console

from keras_gcnn import data, export, zoo
from keras_gcnn.analysis.plots.base import check_format
from keras_gcnn.analysis.plots.results import plot_accuracy_by_angle
from keras_gcnn.data.loading import names_fitting
from keras_gcnn.export import metadata
from keras_gcnn.training import atomic_files
from keras_gcnn.training.predictions.files import check_written
from keras_gcnn.training.progress import Bar
from keras_gcnn.training.recipes.tables import EvaluationTable
from keras_gcnn.training.reports import report
from keras_gcnn.training.tasks.measurement import count_parameters, measure
from keras_gcnn.types import Shape


def load_classifier(path: str | Path, dataset: data.Dataset) -> keras.Model:
    """Loads a saved model and checks that it fits a data set.

    Raises:
        ValueError: if the file is missing or no model, its input or classes do not fit, or it
            predicts no classes.
    """
    model = export.load(path)
    target = metadata.read(path).get("target")
    if target in ("labels", "number"):
        raise ValueError(
            f"{path} predicts {'several labels' if target == 'labels' else 'a number'} of an "
            f"image, and {dataset.name} has classes. Measure it on a folder of images with a "
            "table: --data FOLDER."
        )
    check_classifier(model, Path(path), dataset)
    return model


def check_classifier(model: keras.Model, path: Path, dataset: data.Dataset) -> None:
    """Raises a `ValueError` if a model of this file does not classify the images of a data set."""
    image, scores = _shapes(model, path)
    fits = len(image) == 3 and all(
        size in (None, wanted) for size, wanted in zip(image, dataset.image_shape, strict=True)
    )
    if not fits or scores != (len(dataset.classes),):
        raise ValueError(
            f"{path} maps images of shape {image} to {scores}, but {dataset.name} has "
            f"images of shape {dataset.image_shape} in {len(dataset.classes)} classes. "
            + _advice(image, scores, dataset)
        )


def _advice(image: Shape, scores: Shape, dataset: data.Dataset) -> str:
    """Returns what to do about a data set that does not fit a model."""
    if dataset.preparation is not None:  # it is a folder
        return "Give a folder of the classes of the model."
    classes = scores[0] if len(scores) == 1 else None
    fitting = "" if classes is None else ", ".join(names_fitting(image, classes))
    return f"Choose a data set that fits: {fitting}." if fitting else "No data set fits it."


def _shapes(model: keras.Model, path: Path) -> tuple[Shape, Shape]:
    """Returns the shapes of the input and the output, without the batch."""
    if isinstance(model, zoo.VariationalAutoencoder):
        raise ValueError(
            f"{path} is an autoencoder, which has no classes and so no test error. The results of "
            "its training hold what its latent vectors keep; keras_gcnn.analysis measures it."
        )
    try:
        inputs, outputs = model.inputs, model.outputs
    except (AttributeError, ValueError):  # the model is not built, or of another class
        inputs = outputs = None
    if not inputs or not outputs:
        problem = "its inputs and outputs are not known before it is called"
    elif len(inputs) == len(outputs) == 1:
        return tuple(inputs[0].shape[1:]), tuple(outputs[0].shape[1:])
    else:
        problem = f"it has {len(inputs)} inputs and {len(outputs)} outputs"
    raise ValueError(
        f"{path} cannot be evaluated: {problem}. It has to be a functional or a built sequential "
        "model with one image as its input and one vector of scores, one per class, as its output."
    )


def evaluate_file(
    path: str | Path,
    name: str,
    *,
    picture: str | Path | None = None,
    test_subset: int | None = None,
    seed: int = 0,
    data_dir: str | Path | None = None,
    console: Console | None = None,
) -> dict[str, Any]:
    """Measures a saved classifier on upright, rotated and mirrored test images.

    Args:
        path: a `.keras` file.
        name: of a data set of `keras_gcnn.data.load`.
        picture: file for a plot of accuracy by angle, or None.
        test_subset: int, the most test images; None for all.
        seed: int, for the random angles.
        data_dir: where prepared data sets are.
        console: where the table is printed; None for silence.

    Returns:
        dict with the name of the network, its parameters, and its errors in percent.

    Raises:
        ValueError: if the model does not fit the data, or there can be no plot of this name.
    """
    if picture is not None:  # before the measurement, which takes long
        picture = Path(picture)
        check_format(picture)
        check_written(picture, [Path(path)])
    console = console or Console(quiet=True)
    dataset = data.load(
        name, test_subset=test_subset, seed=seed, data_dir=data_dir, progress=Bar(console)
    )
    model = load_classifier(path, dataset)
    if picture is not None:
        atomic_files.make_folder(picture.parent)
    evaluation = EvaluationTable(angles=picture is not None, picture_images=len(dataset.test))
    with console.status("measuring on rotated images"):
        measured = measure(model, dataset, evaluation, seed)
    result = {
        "network": model.name,
        "seed": seed,
        "parameters": count_parameters(model),
        "errors": measured["errors"],
    }
    report.print_table([result], f"{path} on {name}, {len(dataset.test)} test images", console)
    if picture is not None:
        curve = {float(angle): value for angle, value in measured["accuracy_by_angle"].items()}
        note = f"{name}: {len(dataset.test)} test images, bilinear rotation, zeros outside"
        atomic_files.write(
            picture,
            lambda file: plot_accuracy_by_angle({model.name: [curve]}, file, str(path), note),
        )
    return result
