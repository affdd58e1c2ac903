"""The folder of a search."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from keras_gcnn.former_names import update_table
from keras_gcnn.training import trained_images
from keras_gcnn.training.owned_folder import OwnedFolder
from keras_gcnn.training.recipes.data_table import as_noted_now
from keras_gcnn.tuning.recipe import SearchRecipe

_TRIALS = "trial_"
_LOGS = "worker*.log"
STATE = "oracle.json"
LEADERBOARD_CSV = "leaderboard.csv"
LEADERBOARD_MARKDOWN = "leaderboard.md"
BEST_RECIPE = "best.toml"
ERROR_BY_COST = "error_by_cost.png"


class SearchFolder(OwnedFolder):
    """A folder that belongs to one search on one backend.

    Args:
        path: of the folder, which need not exist.
        recipe: of the search.
        backend: name of the backend.
        fresh: bool, whether to remove an earlier search in the folder.
    """

    owner = "search"
    settings_name = "search.json"
    may_change = "A search may get more trials and another title."

    def __init__(self, path: Path, recipe: SearchRecipe, backend: str, fresh: bool = False):
        super().__init__(path, {**recipe.model_dump(mode="json"), "backend": backend}, fresh)

    @property
    def state(self) -> Path:
        """The file with the state of the search."""
        return self.path / STATE

    def trial(self, trial_id: str) -> Path:
        """Returns the folder of a trial."""
        return self.path / f"{_TRIALS}{trial_id}"

    def check_images(self, fingerprint: str) -> None:
        """Checks that trials that there are were trained on the images that there are now.

        Raises:
            ValueError: if they were not.
        """
        if self.state.is_file() and not self.fresh:
            trained_images.check(
                self.path,
                fingerprint,
                f"The trials of the search in {self.path} were",
                self.settings["data"]["folder"],
                "choose another folder for the search (--run-dir), or start anew in this one "
                "(--fresh).",
            )

    def note_images(self, fingerprint: str) -> None:
        """Notes the images of the trials, before the first of them."""
        if not self.state.is_file():
            trained_images.note(self.path, fingerprint)

    def check_same(self) -> None:
        """Checks the recipe of a worker against that of the chief, if they share the folder.

        Raises:
            ValueError: if they differ.
        """
        if self.is_begun:
            self.check()

    def _is_valid(self, settings: Any) -> bool:
        return isinstance(settings["search"], dict)

    def _find_changes(self, old: dict[str, Any]) -> list[str]:
        updated = {**as_noted_now(old), "search": update_table(old["search"])}
        before, after = _frozen(updated), _frozen(self.settings)
        return [
            f"{key} was {json.dumps(before.get(key))} and is {json.dumps(after.get(key))}"
            for key in sorted(before.keys() | after.keys())
            if before.get(key) != after.get(key)
        ]

    def _remove(self) -> None:
        for folder in self.path.glob(f"{_TRIALS}*"):
            shutil.rmtree(folder)
        tables = (LEADERBOARD_CSV, LEADERBOARD_MARKDOWN, BEST_RECIPE, ERROR_BY_COST)
        for name in (STATE, trained_images.FILE, *tables, _LOGS):
            for path in self.path.glob(name):
                path.unlink()


def _frozen(settings: dict[str, Any]) -> dict[str, Any]:
    """Returns the settings that must not change while a search goes on, with dotted keys."""
    flat: dict[str, Any] = {}

    def add(prefix: str, value: Any) -> None:
        if isinstance(value, dict) and value:
            for key, item in value.items():
                add(f"{prefix}.{key}" if prefix else key, item)
        else:
            flat[prefix] = value

    add("", settings)
    for key in ("title", "search.trials"):
        flat.pop(key, None)
    return flat
