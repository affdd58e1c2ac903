"""Trains the networks of recipes, measures them, and writes reports."""

from typing import Any

from keras_gcnn.training.recipes.schema import Recipe, load_recipe, recipe_names

__all__ = ["Recipe", "fit", "load_recipe", "recipe_names", "train"]


def __getattr__(name: str) -> Any:
    # The command reads recipes without Keras, before it chooses the backend.
    if name == "fit":
        from keras_gcnn.training.loop.fitting import fit

        return fit
    if name == "train":
        from keras_gcnn.training.runs.run import train

        return train
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
