"""Chooses Keras's backend, which is fixed when Keras is imported."""

from __future__ import annotations

import json
import os
import platform
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, get_args

Backend = Literal["tensorflow", "jax", "torch"]
_BACKENDS = get_args(Backend)


def check_backend(wanted: str | None, running: str) -> None:
    """Raises a `ValueError` if a recipe wants another backend than Keras runs on."""
    if wanted not in (None, running):
        raise ValueError(
            f"The recipe is for the backend {wanted!r}, but Keras runs on {running!r}. Set "
            f"KERAS_BACKEND={wanted} before Keras is imported, or change the recipe's backend."
        )


def _configured_backend() -> str:
    """Returns the backend of Keras's configuration file.

    Raises:
        ValueError: if Keras would fail on the content of the file.
    """
    folder = os.environ.get("KERAS_HOME", Path.home() / ".keras")
    path = Path(folder, "keras.json").expanduser()
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # Keras ignores these too
        return "tensorflow"
    except RecursionError:  # Keras fails on it
        content = None
    if not isinstance(content, dict):
        raise ValueError(f"{path} is no configuration of Keras. Mend or delete it.")
    return _known_backend(content.get("backend", "tensorflow"), f"{path} names the backend")


def _known_backend(backend: Any, source: str) -> str:
    if backend in _BACKENDS:
        return backend
    raise ValueError(
        f"{source} {backend!r}, which cannot train networks. Choose one of "
        f"{', '.join(_BACKENDS)}, e.g. with --backend."
    )


def _wanted_backend() -> str | None:
    """Returns the backend of the environment; an empty variable counts as unset."""
    backend = os.environ.get("KERAS_BACKEND")
    return _known_backend(backend, "KERAS_BACKEND is") if backend else None


def choose_backend(wanted: str | None) -> str:
    """Fixes Keras's backend for this process, before Keras is imported.

    Args:
        wanted: the backend asked for; None for that of the environment or the configuration, or
            else one that is installed.

    Returns:
        The name of the backend.

    Raises:
        ValueError: if it is unknown or not installed, or Keras already runs on another.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's start-up notes
    backend = wanted or _wanted_backend()
    if backend is None:
        preferred = (_configured_backend(), *_BACKENDS)
        backend = next((name for name in preferred if find_spec(name)), preferred[0])
    if not find_spec(backend):
        package = backend
        if backend == "tensorflow" and (sys.platform, platform.machine()) == ("linux", "x86_64"):
            package = "tensorflow-cpu"
        raise ValueError(
            f"The backend {backend!r} is not installed. Install it with `pip install {package}`, "
            f"or choose another with --backend."
        )
    os.environ["KERAS_BACKEND"] = backend
    try:
        import keras
    except (AssertionError, AttributeError, RecursionError, TypeError, ValueError) as error:
        # Keras raises these on values in its configuration that it did not write itself.
        raise ValueError(f"Keras fails to start; is its keras.json damaged? ({error})") from error
    if keras.backend.backend() != backend:
        raise ValueError(
            f"Keras already runs on {keras.backend.backend()!r} in this process. Start a new one "
            f"for {backend!r}."
        )
    return backend
