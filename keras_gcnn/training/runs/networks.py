"""Builds the networks of a recipe: those of the zoo, and Keras's own, made equivariant."""

from __future__ import annotations

import inspect
import math
from typing import Any

import keras

from keras_gcnn import data, zoo
from keras_gcnn.analysis.precision import dtype_policy
from keras_gcnn.arguments import is_number
from keras_gcnn.rewriting.equivariant import convert
from keras_gcnn.training.recipes.tables import APPLICATIONS, ModelTable
from keras_gcnn.training.tasks.classification import Classification
from keras_gcnn.training.tasks.registry import check_builder
from keras_gcnn.training.tasks.task import Task


def build_network(
    table: ModelTable,
    dataset: data.Dataset,
    seed: int,
    task: Task | None = None,
    dtype: str = "float32",
) -> keras.Model:
    """Builds the network of a `[[models]]` table.

    Args:
        table: of the network.
        dataset: the data, from which input shape and classes follow.
        seed: int, for the initial weights.
        task: what the network is trained for; None for classification.
        dtype: name of Keras's dtype policy in which the network computes.

    Raises:
        ValueError: if there is no such builder, or it does not take the arguments.
    """
    task = task or Classification()
    check_builder(task, table.builder)
    keras.utils.set_random_seed(seed)
    with dtype_policy(dtype):
        return _build(table, dataset, task)


def symmetrize_network(table: ModelTable, network: keras.Model, task: Task) -> keras.Model:
    """Returns a network, run on every image in several poses if its `[[models]]` table asks for it.

    Raises:
        ValueError: if the images or the network cannot be rotated like that.
    """
    if table.symmetrize is None:
        return network
    try:
        return task.symmetrize(network, **table.symmetrize.model_dump())
    except ValueError as error:
        raise ValueError(f"symmetrize of {table.name}: {error}") from None


def _build(table: ModelTable, dataset: data.Dataset, task: Task) -> keras.Model:
    if table.builder.startswith(APPLICATIONS):
        return task.finish(_application(table, dataset, task), dataset)
    arguments = {
        **task.arguments(dataset),
        "data_format": "channels_last",  # that of the data, whatever Keras's configuration is
        **table.arguments,
    }
    try:
        network = getattr(zoo, table.builder)(**arguments)
    except TypeError as error:
        raise ValueError(f"models.arguments of {table.name}: {error}") from None
    return task.finish(network, dataset)


def _application(table: ModelTable, dataset: data.Dataset, task: Task) -> keras.Model:
    """Builds a classifier of Keras, without weights, and converts it if the recipe asks for it."""
    name = table.builder.removeprefix(APPLICATIONS)
    builder = getattr(keras.applications, name, None)
    if not inspect.isfunction(builder):
        known = [
            each for each, value in vars(keras.applications).items() if inspect.isfunction(value)
        ]
        raise ValueError(
            f"models.builder = {table.builder!r}: Keras has no such network. Choose one of "
            f"{', '.join(sorted(known))}."
        )
    prepares = "include_preprocessing" in inspect.signature(builder).parameters
    arguments: dict[str, Any] = {
        "weights": None,
        # Of pixels from 0 to 255; those of the data are from 0 to 1.
        **({"include_preprocessing": False} if prepares else {}),
        **task.arguments(dataset),
        "classifier_activation": None,
        **table.arguments,
    }
    try:
        network = builder(**arguments)
    except (TypeError, ValueError) as error:
        shape = " x ".join(map(str, dataset.image_shape))
        raise ValueError(
            f"{table.builder} of {table.name} cannot be built for images of {shape}: {error}. "
            "Change its arguments, or take another data set."
        ) from None
    if not prepares:
        _take_unit_pixels(network)
    if table.convert is None:
        return network
    try:
        return convert(network, **table.convert.model_dump())
    except ValueError as error:
        raise ValueError(f"convert of {table.name}: {error}") from None


def _take_unit_pixels(network: keras.Model) -> None:
    """Makes a network of Keras that scales pixels from 0 to 255 take those from 0 to 1.

    The builders of EfficientNet have no argument that would leave the scaling out.
    """
    for layer in network.layers:
        # With the weights of ImageNet there is a second one, of a number for each channel.
        single = isinstance(layer, keras.layers.Rescaling) and is_number(layer.scale)
        if single and math.isclose(layer.scale, 1 / 255):
            layer.scale = 1.0
