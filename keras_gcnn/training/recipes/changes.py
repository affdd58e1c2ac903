"""What may change in the recipe of a run that has begun: it may grow, and be measured differently.

A network whose training has not begun may change in any way. In this file a recipe is the content
of the run's recipe.json: all keys of the recipe, and the backend.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from typing import Any

from keras_gcnn.training.recipes.data_table import as_noted_now
from keras_gcnn.training.recipes.schema import Recipe
from keras_gcnn.training.recipes.tables import NAME

# Settings of [training] that a network may override.
_OVERRIDABLE = ("epochs", "optimizer", "learning_rate", "optimizer_arguments", "augment")
_FREE = ("title", "evaluation", "latent")
_COMPARED_BY_NETWORK = ("seeds", "models", "training")


def network_names(content: dict[str, Any]) -> list[tuple[str, int]]:
    """Returns names and seeds of a run's networks; no name leads out of the run's folder.

    Raises:
        AttributeError, LookupError, TypeError, ValueError: if the content is not a recipe.
    """
    models = content["models"]
    if not all(re.fullmatch(NAME, model["name"]) for model in models):
        raise ValueError
    return [
        (model["name"], int(seed))
        for model in models
        for seed in model.get("seeds") or content["seeds"]
    ]


def find_changes(
    old: dict[str, Any], new: dict[str, Any], begun: Collection[tuple[str, int]]
) -> list[str]:
    """Describes every change between two recipes with which a run cannot go on.

    A run can go on with further networks, further seeds, another title, another `[evaluation]` or
    `[latent]`, and any change of networks and seeds whose training has not begun.

    Args:
        old: the recipe of the run.
        new: the recipe with which it should go on.
        begun: names and seeds of the networks whose training was begun or finished.

    Returns:
        A list with a text per change, empty if the run can go on.
    """
    if not begun:
        return []
    old = as_noted_now(old)
    try:  # keys newer than the file get their defaults
        filled = Recipe.model_validate(old).model_dump(mode="json")
    except ValueError:
        return ["its recipe was written by another version of keras_gcnn"]
    changes = []
    for key in filled.keys() - {*_FREE, *_COMPARED_BY_NETWORK}:
        changes += _differences(key, filled[key], new[key])
    # Settings that a network may override are compared network by network.
    blank = dict.fromkeys(_OVERRIDABLE)
    before, after = ({**recipe["training"], **blank} for recipe in (filled, new))
    changes += _differences("training", before, after)
    models = {model["name"]: model for model in _as_trained(new)}
    names = {name for name, _ in begun}
    for model in _as_trained(filled):
        name = model["name"]
        if name in names & models.keys():
            for key in model.keys() - {"seeds"}:
                changes += _differences(f"{key} of {name}", model[key], models[name][key])
    remaining = network_names(new)
    changes += [
        f"{name} with seed {seed} is gone" for name, seed in begun if (name, seed) not in remaining
    ]
    return sorted(changes)


def _as_trained(content: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns the networks of a recipe with the settings that they are trained with."""
    recipe = Recipe.model_validate(content)
    networks = []
    for table, model in zip(content["models"], recipe.models, strict=True):
        training = recipe.training_of(model).model_dump(mode="json")
        networks.append({**table, **{key: training[key] for key in _OVERRIDABLE}})
    return networks


def _differences(key: str, old: Any, new: Any) -> list[str]:
    if old == new:
        return []
    if isinstance(old, dict) and isinstance(new, dict):
        names = sorted(old.keys() | new.keys())
        return [
            change
            for name in names
            for change in _differences(f"{key}.{name}", old.get(name), new.get(name))
        ]
    return [f"{key} was {json.dumps(old)} and is {json.dumps(new)}"]
