"""The folder of a search: whose it is, and that nobody else searches in it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import filelock

from keras_gcnn.former_names import update_table
from keras_gcnn.training import atomic_files as files
from keras_gcnn.tuning.recipe import SearchRecipe

_LOCK = ".lock"
_TRIALS = "trial_"
STATE = "oracle.json"


class SearchFolder:
    """A folder that belongs to one search on one backend.

    Args:
        path: of the folder, which need not exist.
        recipe: what is searched; only its title and the number of trials may change.
        backend: on which backend.
        fresh: bool, whether an earlier search in the folder is to be removed.
    """

    def __init__(self, path: Path, recipe: SearchRecipe, backend: str, fresh: bool = False):
        self.path = path
        self.fresh = fresh
        self._content = {**recipe.model_dump(mode="json"), "backend": backend}

    @property
    def _recipe(self) -> Path:
        return self.path / "search.json"

    @property
    def state(self) -> Path:
        """The file with the state of the search."""
        return self.path / STATE

    def trial(self, trial_id: str) -> Path:
        """Folder of a trial."""
        return self.path / f"{_TRIALS}{trial_id}"

    def check(self) -> None:
        """Checks that the search can have the folder, and changes nothing.

        Raises:
            ValueError: if it is no folder, holds another search, or holds something else.
        """
        if self.path.exists() and not self.path.is_dir():
            raise ValueError(f"{self.path} is a file. Choose another folder (--run-dir).")
        if not self.path.is_dir() or (self.fresh and self._recipe.is_file()):
            return
        if self._recipe.is_file():
            content = files.read_json(
                self._recipe,
                lambda one: isinstance(one["search"], dict),
                "It does not say which search the folder holds. Choose another (--run-dir).",
            )
            content["search"] = update_table(content["search"])
            changes = _changes(_frozen(content), _frozen(self._content))
            if changes:
                raise ValueError(
                    f"The search in {self.path} was started with other settings: "
                    f"{'; '.join(changes)}. A search may get more trials and another title. Go on "
                    "with the old settings, choose another folder (--run-dir), or start anew in "
                    "this one (--fresh)."
                )
        elif any(one.name != _LOCK and not files.is_partial(one) for one in self.path.iterdir()):
            raise ValueError(
                f"{self.path} is not empty and holds no search. Choose another folder (--run-dir)."
            )

    def check_same(self) -> None:
        """Checks a worker's recipe against the chief's, if they share the folder.

        Raises:
            ValueError: if they differ.
        """
        if self._recipe.is_file():
            self.check()

    @contextmanager
    def claim(self) -> Iterator[None]:
        """Makes the folder this search's own as long as the context lasts.

        Raises:
            ValueError: if `check` fails, or another process searches in the folder.
        """
        files.make_folder(self.path)
        try:
            lock = filelock.FileLock(self.path / _LOCK, timeout=0).acquire()
        except filelock.Timeout:
            raise ValueError(
                f"Another process is searching in {self.path}. Wait for it, or choose another "
                "folder (--run-dir)."
            ) from None
        with lock:
            self.check()
            if self.fresh and self._recipe.is_file():
                self._remove()
            files.write_json(self._recipe, self._content)
            yield

    def _remove(self) -> None:
        """Removes what the old search wrote; the recipe last, so that a kill can be made good."""
        for one in self.path.glob(f"{_TRIALS}*"):
            shutil.rmtree(one)
        for pattern in (STATE, "leaderboard.*", "best.toml", "error_by_cost.png", "worker*.log"):
            for one in self.path.glob(pattern):
                one.unlink()
        self._recipe.unlink()


def _frozen(content: dict[str, Any]) -> dict[str, Any]:
    """What must not change while a search goes on, with dotted keys."""
    flat: dict[str, Any] = {}

    def add(prefix: str, value: Any) -> None:
        if isinstance(value, dict) and value:
            for key, one in value.items():
                add(f"{prefix}.{key}" if prefix else key, one)
        else:
            flat[prefix] = value

    add("", content)
    for key in ("title", "search.trials"):
        flat.pop(key, None)
    return flat


def _changes(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    return [
        f"{key} was {json.dumps(old.get(key))} and is {json.dumps(new.get(key))}"
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key)
    ]
