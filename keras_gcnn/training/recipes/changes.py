"""What may change in the recipe of a run that has begun: it may grow, and be measured otherwise.

What was not begun may change in any way.

Here a recipe is the content of a run's recipe.json: all keys of the recipe, and the backend.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from typing import Any

from keras_gcnn.training.recipes.schema import Recipe
from keras_gcnn.training.recipes.tables import NAME

_OWN = ("epochs", "optimizer", "learning_rate", "optimizer_arguments")  # a network may have
_FREE = ("title", "evaluation", "latent")
_COMPARED_BELOW = ("seeds", "models", "training")


def network_names(content: dict[str, Any]) -> list[tuple[str, int]]:
    """Names and seeds of a run's networks; no name leads out of the run's folder.

    Raises:
        AttributeError, LookupError, TypeError, ValueError: if the content is no recipe's.
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
    """Describes every change from one recipe to another that a run cannot follow.

    A run follows further networks, further seeds, another title, and another `[evaluation]` or
    `[latent]`; and any change of networks and seeds of which nothing was trained.

    Args:
        old: the recipe of the run.
        new: the recipe with which it should go on.
        begun: names and seeds of the run's networks that were trained, or begun.

    Returns:
        One text per change; none if the run can go on.
    """
    if not begun:
        return []
    try:  # keys that are newer than the file get their defaults
        filled = Recipe.model_validate(old).model_dump(mode="json")
    except ValueError:
        return ["its recipe was written by another version of keras_gcnn"]
    changes = []
    for key in filled.keys() - {*_FREE, *_COMPARED_BELOW}:
        changes += _differences(key, filled[key], new[key])
    # What each network gets is compared instead of what is written for all.
    own = dict.fromkeys(_OWN)
    shared, now = ({**one["training"], **own} for one in (filled, new))
    changes += _differences("training", shared, now)
    models = {model["name"]: model for model in _as_trained(new)}
    names = {name for name, _ in begun}
    for model in _as_trained(filled):
        name = model["name"]
        if name in names & models.keys():
            for key in model.keys() - {"seeds"}:
                changes += _differences(f"{key} of {name}", model[key], models[name][key])
    kept = network_names(new)
    changes += [
        f"{name} with seed {seed} is gone" for name, seed in begun if (name, seed) not in kept
    ]
    return sorted(changes)


def _as_trained(content: dict[str, Any]) -> list[dict[str, Any]]:
    """The networks of a recipe, with the epochs, the optimizer and so on that they get."""
    recipe = Recipe.model_validate(content)
    networks = []
    for one, model in zip(content["models"], recipe.models, strict=True):
        training = recipe.training_of(model)
        networks.append({**one, **{key: getattr(training, key) for key in _OWN}})
    return networks


def _differences(key: str, old: Any, new: Any) -> list[str]:
    if old == new:
        return []
    if isinstance(old, dict) and isinstance(new, dict):
        names = sorted(old.keys() | new.keys())
        found = [_differences(f"{key}.{name}", old.get(name), new.get(name)) for name in names]
        return [one for ones in found for one in ones]
    return [f"{key} was {json.dumps(old)} and is {json.dumps(new)}"]
