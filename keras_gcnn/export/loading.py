"""Loads models from untrusted files."""

from __future__ import annotations

import os

import keras

from keras_gcnn import (
    layers,  # noqa: F401 - registers the classes that files name
    untrusted,
    zoo,  # noqa: F401
)


def load(path: str | os.PathLike, *, compile: bool = False) -> keras.Model:
    """Loads a `.keras` file unless it would run code of its own or fill the memory.

    Before anything is imported, the configuration is searched for classes and functions that belong
    neither to Keras nor to this library, and that the program has not registered itself. Before
    anything is unpacked or built, the directory, the configuration and the weights are compared
    with what a model in a file of this size can hold.

    Args:
        path: path of the file.
        compile: bool, whether optimizer, loss and metrics are loaded too.

    Returns:
        The model.

    Raises:
        TypeError: if `path` is not a path.
        ValueError: if the file is missing, truncated or damaged, holds a `Lambda` or an unknown
            class, or asks for more memory than its size explains. The message names the cause.

    Example:

    >>> import keras_gcnn
    >>> model = keras_gcnn.export.load("model.keras")  # doctest: +SKIP
    """
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"path={path!r} is not a path. Give the path of a .keras file.")
    return untrusted.load_model(os.path.expanduser(path), compile=compile)
