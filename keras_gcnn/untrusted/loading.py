"""Loads models from untrusted files."""

from __future__ import annotations

import io
import os
from typing import Any

import keras

from keras_gcnn.untrusted import archive, demand
from keras_gcnn.untrusted.classes import first_foreign
from keras_gcnn.untrusted.hdf5 import count_elements
from keras_gcnn.untrusted.text import parse_json

_CONFIG, _WEIGHTS = "config.json", "model.weights.h5"
_PACKAGES = ("keras", "keras_gcnn")


def load_model(path: str | os.PathLike, *, compile: bool = False) -> keras.Model:
    """Loads a `.keras` file after all checks; see `keras_gcnn.export.load`.

    Raises:
        ValueError: if the file is missing or damaged, would run code of its own, or would take much
            more memory than a model in a file of its size.
    """
    if not os.path.isfile(path) or os.path.splitext(path)[1] != ".keras":
        problem = "is no .keras file" if os.path.exists(path) else "does not exist"
        raise ValueError(
            f"{os.fspath(path)[:200]} {problem}. Give the path of a .keras file, which model.save, "
            "keras_gcnn.export.save and `keras-gcnn train` write."
        )
    try:
        config, held = _contents(path)
        demand.check_sizes(config, held)
        foreign = first_foreign(config, _PACKAGES, True)
    except ValueError as error:
        raise ValueError(f"{path} cannot be loaded: {_cause(error)}.") from error
    except Exception as error:  # a corrupt file can raise anything
        raise ValueError(
            f"{path} cannot be loaded: truncated, or no Keras model ({_cause(error)})."
        ) from error
    if foreign:
        raise ValueError(
            f"{path} was refused: it holds {foreign!r}, whose code would be run. If you trust its "
            "source, import the module that registers the class, or build the model and load its "
            "weights."
        )
    try:
        _check_weights(config, held)
        return keras.saving.load_model(path, compile=compile, safe_mode=True)
    except Exception as error:
        raise ValueError(f"{path} cannot be loaded as a Keras model: {_cause(error)}") from error


def _contents(path: str | os.PathLike) -> tuple[dict[str, Any], int]:
    """Returns the configuration in a file, and the number of its weights."""
    with archive.opened(path) as file:
        text = archive.read(file, _CONFIG)
        config = parse_json(text, file.getinfo(_CONFIG).compress_size)
        if not isinstance(config, dict):
            raise ValueError(f"its {_CONFIG} is no configuration")
        weights = archive.read(file, _WEIGHTS)
        for name in file.namelist():
            if name not in (_CONFIG, _WEIGHTS):
                archive.verify(file, name)
    return config, count_elements(io.BytesIO(weights), len(weights))


def _check_weights(config: dict[str, Any], held: int) -> None:
    try:
        demand.check_weights(config, held)
    except demand.TooManyWeightsError:
        raise
    except Exception:
        # Classes of the program itself are trusted, and may need values to be built.
        if first_foreign(config, _PACKAGES, False) is None:
            raise


def _cause(error: Exception) -> str:
    """Returns what went wrong first.

    Keras wraps the error of a layer into one for each model around it: advice for authors of
    classes, the whole configuration, and at the end the message of the error inside. Only the first
    line of a message is returned.
    """
    *_, inside = str(error).split("Exception encountered: ")
    return next(iter(inside.strip().splitlines()), type(error).__name__)
