"""Measures a saved model like a freshly trained one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
from rich.console import Console

import keras_gcnn.layers  # noqa: F401 - registers the layers for loading
from keras_gcnn import data
from keras_gcnn.analysis.figures import plot_accuracy_by_angle
from keras_gcnn.training import files, report
from keras_gcnn.training.turned import accuracy_by_angle, turned_errors


def load_classifier(path: str | Path, dataset: data.Dataset) -> keras.Model:
    """Loads a saved model and checks that it fits a data set.

    Raises:
        ValueError: if the file is missing or no model, or its input or classes do not fit.
    """
    path = Path(path)
    if not path.is_file() or path.suffix != ".keras":
        raise ValueError(f"{path} is no .keras file. `keras-gcnn train` writes one per network.")
    try:
        model = keras.saving.load_model(path, compile=False)
    except (OSError, TypeError, KeyError, ValueError) as error:
        raise ValueError(f"{path} cannot be loaded as a Keras model: {error}") from error
    shapes = tuple(model.input_shape[1:]), tuple(model.output_shape[1:])
    if shapes != (dataset.image_shape, (len(dataset.classes),)):
        raise ValueError(
            f"{path} maps images of shape {shapes[0]} to {shapes[1]}, but {dataset.name} has "
            f"images of shape {dataset.image_shape} in {len(dataset.classes)} classes. Choose a "
            f"data set that fits: {', '.join(data.names())}."
        )
    return model


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
    """Measures a saved model on upright, turned and mirrored test images.

    Args:
        path: a `.keras` file.
        name: data set, as `keras_gcnn.data.load` knows it.
        picture: file for a picture of accuracy by angle, or None.
        test_subset: int, most test images, or None for all.
        seed: int, of the random angles.
        data_dir: where prepared data sets are.
        console: where the table is shown; None for silence.

    Returns:
        dict with the network's name, parameters and errors in percent.

    Raises:
        ValueError: if the model does not fit the data.
    """
    console = console or Console(quiet=True)
    dataset = data.load(name, test_subset=test_subset, seed=seed, data_dir=data_dir)
    model = load_classifier(path, dataset)
    with console.status("measuring on turned images"):
        result = {
            "network": model.name,
            "seed": seed,
            "parameters": int(sum(np.prod(v.shape) for v in model.trainable_variables)),
            "errors": turned_errors(model, dataset.test, seed),
        }
        if picture:
            curve = accuracy_by_angle(model, dataset.test)
            note = f"{name}: {len(dataset.test)} test images, bilinear rotation, zeros outside"
            files.write(
                Path(picture),
                lambda file: plot_accuracy_by_angle({model.name: curve}, file, str(path), note),
            )
    report.print_table([result], f"{path} on {name}, {len(dataset.test)} test images", console)
    return result
