"""The folder of a run."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Any

from keras_gcnn.training import atomic_files
from keras_gcnn.training.owned_folder import OwnedFolder
from keras_gcnn.training.recipes.changes import find_changes, network_names
from keras_gcnn.training.recipes.schema import Recipe
from keras_gcnn.training.reports import report
from keras_gcnn.training.tasks.registry import TASKS
from keras_gcnn.training.tasks.task import network_folder


class RunFolder(OwnedFolder):
    """A folder that belongs to one recipe, which may grow, on one backend.

    Args:
        path: of the folder, which need not exist.
        recipe: what is trained.
        backend: name of the backend.
        fresh: bool, whether to remove an earlier run in the folder.
    """

    owner = "run"
    settings_name = "recipe.json"
    may_change = (
        "A run may get further networks and seeds, another title and another [evaluation], and no "
        "other change of what was trained."
    )

    def __init__(self, path: Path, recipe: Recipe, backend: str, fresh: bool = False):
        super().__init__(path, {**recipe.model_dump(mode="json"), "backend": backend}, fresh)

    def network(self, name: str, seed: int) -> Path:
        """Returns the folder of a network."""
        return network_folder(self.path, name, seed)

    def remove_reports(self, kept: Collection[str] = ()) -> None:
        """Removes tables and plots, except those with the names in `kept`."""
        patterns = {*report.FILES, *(pattern for task in TASKS for pattern in task.files)}
        names = {
            pattern.replace("{network}", name) for pattern in patterns for name in self._names()
        }
        for name in names - set(kept):
            (self.path / name).unlink(missing_ok=True)

    def _names(self) -> set[str]:
        """Returns the names of all networks, of the recipe now and of the one in the folder."""
        old = self._read() if self.is_begun else self.settings
        return {name for recipe in (old, self.settings) for name, _ in network_names(recipe)}

    def _is_valid(self, settings: Any) -> bool:
        return bool(network_names(settings))

    def _network_folders(self, recipe: dict[str, Any]) -> list[Path]:
        return [self.network(name, seed) for name, seed in network_names(recipe)]

    def _find_changes(self, old: dict[str, Any]) -> list[str]:
        begun = [pair for pair in network_names(old) if self.network(*pair).exists()]
        return find_changes(old, self.settings, begun)

    def _check_begun(self) -> None:
        super()._check_begun()
        # The results in the folder of an unknown network would be taken for the new run's.
        known = self._network_folders(self._read())
        for folder in self._network_folders(self.settings):
            if folder.exists() and folder not in known:
                raise ValueError(
                    f"{folder} is in the way and is not of the run in {self.path}. Move it, or "
                    "choose another folder (--run-dir)."
                )

    def _sweep(self) -> None:
        super()._sweep()
        for folder in self._network_folders(self.settings):
            for path in folder.rglob("*"):
                if atomic_files.is_partial(path) and path.is_file():
                    path.unlink()

    def _remove(self) -> None:
        for folder in self._network_folders(self._read()):
            if folder.is_symlink() or folder.is_file():
                folder.unlink()
            elif folder.is_dir():
                shutil.rmtree(folder)
        self.remove_reports()
