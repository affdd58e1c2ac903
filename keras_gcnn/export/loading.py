"""Models from files that nobody has to trust."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path

import keras

from keras_gcnn.export.configuration import first_foreign

_ENTRY = "config.json"
_LARGEST = 10**8  # bytes of it; what a small file may be packed from fills the memory


def load(path: str | os.PathLike, *, compile: bool = False) -> keras.Model:
    """Loads a `.keras` file, but none that would run code of its own.

    Before anything of it is imported, its configuration is searched for what is neither Keras's,
    nor this library's, nor registered by the program itself.

    Args:
        path: of the file.
        compile: bool, whether optimizer, loss and metrics are loaded too.

    Raises:
        ValueError: if the file is missing, truncated or damaged, or holds a `Lambda` or a class
            that is not known; it is named.

    Example:

    >>> import keras_gcnn
    >>> model = keras_gcnn.export.load("model.keras")  # doctest: +SKIP
    """
    path = Path(os.path.expanduser(path))
    if not path.is_file() or path.suffix != ".keras":
        raise ValueError(
            f"{path} is no .keras file. model.save, keras_gcnn.export.save and `keras-gcnn train` "
            "write such files."
        )
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo(_ENTRY).file_size > _LARGEST:
                raise ValueError(f"{_ENTRY} is larger than any model's")
            damaged = archive.testzip()
            config = json.loads(archive.read(_ENTRY))
        foreign = first_foreign(config, ("keras", "keras_gcnn"), True)
    except Exception as error:  # of a file that is not what it seems, of any kind
        raise ValueError(
            f"{path} cannot be loaded: truncated, or no Keras model ({error})."
        ) from error
    if damaged:
        raise ValueError(f"{path} cannot be loaded: its part {damaged!r} is damaged.")
    if foreign:
        raise ValueError(
            f"{path} was refused: it holds {foreign!r}, whose code would be run. If you trust its "
            "source, import the module that registers the class, or build the model and load its "
            "weights."
        )
    try:
        return keras.saving.load_model(path, compile=compile, safe_mode=True)
    except Exception as error:  # a file that is not what it seems can fail in any way
        first = next(iter(str(error).splitlines()), type(error).__name__)
        raise ValueError(f"{path} cannot be loaded as a Keras model: {first}") from error
