"""The recipe that was noted with results, compared with the recipe of the same name now."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from keras_gcnn.training.recipes.data_table import as_noted_now
from keras_gcnn.training.recipes.schema import Recipe

_TABLES = ("[data]", "[training]", "[evaluation]", "[latent]")  # no network has such a name


def differing(noted: Path, recipe: Recipe, networks: Collection[str] | None = None) -> list[str]:
    """Returns the names of the tables and the networks in which two recipes differ.

    Titles, backends and seeds may differ, and networks may have joined.

    Args:
        noted: the `recipe.json` of a run or of published results.
        recipe: the recipe now.
        networks: names of those that are compared; default all that are noted.
    """
    content = as_noted_now(json.loads(noted.read_text(encoding="utf-8")))
    before = _settings(Recipe.model_validate({**content, "backend": None}))
    after = _settings(recipe)
    if networks is not None:
        before = {key: one for key, one in before.items() if key in networks or key in _TABLES}
    return [key for key, one in before.items() if after.get(key) != one]


def _settings(recipe: Recipe) -> dict[str, dict[str, Any]]:
    content = recipe.model_dump(mode="json")
    models = {model["name"]: {**model, "seeds": None} for model in content["models"]}
    return {**{table: content[table.strip("[]")] for table in _TABLES}, **models}
