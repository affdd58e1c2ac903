"""Searches with KerasTuner, at a fixed budget: over the zoo, or over your own model."""

from importlib import import_module
from typing import Any

from keras_gcnn.tuning.recipe import SearchRecipe, load_search, search_names

_LATER = {  # names that need Keras, with the files that they are in
    "hypermodel": "hypermodels",
    "search": "run",
    "search_with_workers": "run",
    "space_of": "space",
}
__all__ = ["SearchRecipe", "load_search", "search_names", *_LATER]


def __getattr__(name: str) -> Any:
    # The command reads recipes without Keras, before it chooses the backend.
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
    except ModuleNotFoundError as error:
        if error.name not in ("keras_tuner", "tomli_w"):
            raise
        raise ImportError(
            f"{error}. Searches need KerasTuner: pip install 'keras-gcnn[tune]', or from a clone "
            "pip install -e '.[tune]'."
        ) from None
