"""Searching over the zoo with KerasTuner, at a fixed budget of parameters."""

from keras_gcnn.tuning.recipe import SearchRecipe, load_search, search_names

__all__ = ["SearchRecipe", "hypermodel", "load_search", "search", "search_names"]


def __getattr__(name: str):
    # As in keras_gcnn.training: recipes can be read before Keras's backend is chosen.
    if name == "hypermodel":
        from keras_gcnn.tuning.zoo_hypermodel import hypermodel

        return hypermodel
    if name == "search":
        from keras_gcnn.tuning.searching import search

        return search
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
