"""Models from files that nobody has to trust."""

from __future__ import annotations

import os

import keras

from keras_gcnn import untrusted


def load(path: str | os.PathLike, *, compile: bool = False) -> keras.Model:
    """Loads a `.keras` file, but none that would run code of its own or fill the memory.

    Before anything of it is imported, its configuration is searched for what is neither Keras's,
    nor this library's, nor registered by the program itself. Before anything of it is unpacked or
    built, its directory, its configuration and its weights are compared with what a model in a file
    of its size can hold.

    Args:
        path: of the file.
        compile: bool, whether optimizer, loss and metrics are loaded too.

    Raises:
        TypeError: if `path` is no name of a file.
        ValueError: if the file is missing, truncated or damaged, holds a `Lambda` or a class
            that is not known, or asks for more memory than its size explains; what it is is named.

    Example:

    >>> import keras_gcnn
    >>> model = keras_gcnn.export.load("model.keras")  # doctest: +SKIP
    """
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"path={path!r} is no name of a file. Give that of a .keras file.")
    return untrusted.load_model(os.path.expanduser(path), compile=compile)
