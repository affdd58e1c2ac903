"""The folder of a run: whose it is, and that nobody else writes to it."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import filelock

from keras_gcnn.training import atomic_files as files
from keras_gcnn.training.recipes.changes import find_changes, network_names
from keras_gcnn.training.recipes.schema import Recipe

_LOCK = ".lock"
_TABLES = (
    *("results.json", "results.md", "errors.png"),
    *("accuracy_by_angle.png", "confusion.md", "confusion.png", "grid.md", "losses.png"),
)
# Pictures of a single network, with what they show.
ALONE = {
    "reconstructions": "images turned, and what is drawn of them",
    "latent": "latent vectors of upright and of turned images, by class",
}


def network_folder(run: Path, name: str, seed: int) -> Path:
    """Folder of a network in that of its run."""
    return run / f"{name}-seed{seed}"


class RunFolder:
    """A folder that belongs to one recipe, which may grow, on one backend.

    Args:
        path: of the folder, which need not exist.
        recipe: what is trained.
        backend: on which backend.
        fresh: bool, whether an earlier run in the folder is to be removed.
    """

    def __init__(self, path: Path, recipe: Recipe, backend: str, fresh: bool = False):
        self.path = path
        self.fresh = fresh
        self._content = {**recipe.model_dump(mode="json"), "backend": backend}

    @property
    def _recipe(self) -> Path:
        return self.path / "recipe.json"

    def network(self, name: str, seed: int) -> Path:
        """Folder of a network."""
        return network_folder(self.path, name, seed)

    def check(self) -> None:
        """Checks that the run can have the folder, and changes nothing.

        Raises:
            ValueError: if it is no folder, holds another run, or holds something else.
        """
        nearest = next(one for one in (self.path, *self.path.absolute().parents) if one.exists())
        if not nearest.is_dir():
            raise ValueError(
                f"{self.path} cannot be the folder of a run: {nearest} is a file. Choose another "
                "folder (--run-dir)."
            )
        if not self.path.is_dir():
            return
        if self._recipe.is_file():
            found = self._read()
            changes = [] if self.fresh else self._find_changes(found)
            if changes:
                raise ValueError(
                    f"The run in {self.path} was started with other settings: "
                    f"{'; '.join(changes)}. A run may get further networks and seeds, another "
                    "title and another [evaluation], and no other change of what was trained. "
                    "Go on with the old settings, choose another folder (--run-dir), or start anew "
                    "in this one (--fresh)."
                )
            self._check_names(found)
        elif any(one.name != _LOCK and not files.is_partial(one) for one in self.path.iterdir()):
            raise ValueError(f"{self.path} is not empty and holds no run. Choose another folder.")

    @contextmanager
    def claim(self) -> Iterator[None]:
        """Makes the folder this run's own as long as the context lasts.

        Raises:
            ValueError: if `check` fails, or another process trains in the folder.
        """
        files.make_folder(self.path)
        try:
            lock = filelock.FileLock(self.path / _LOCK, timeout=0).acquire()
        except filelock.Timeout:
            raise ValueError(
                f"Another run is training in {self.path}. Wait for it, or choose another folder "
                "(--run-dir)."
            ) from None
        with lock:
            self.check()  # again: another process may have been here
            if self.fresh and self._recipe.is_file():
                self._remove()
            self._sweep()
            files.write_json(self._recipe, self._content)
            yield

    def _read(self) -> dict[str, Any]:
        return files.read_json(
            self._recipe,
            lambda content: bool(network_names(content)),
            "It does not say which run the folder holds. Choose another folder (--run-dir).",
        )

    def _own(self, content: dict[str, Any] | None = None) -> list[Path]:
        """Folders of the networks of a run."""
        return [self.network(*one) for one in network_names(content or self._content)]

    def _find_changes(self, old: dict[str, Any]) -> list[str]:
        begun = [one for one in network_names(old) if self.network(*one).exists()]
        return find_changes(old, self._content, begun)

    def _check_names(self, old: dict[str, Any]) -> None:
        # The results in such a folder would be taken for the new run's.
        for one in self._own():
            if one.exists() and one not in self._own(old):
                raise ValueError(
                    f"{one} is in the way and is not of the run in {self.path}. Move it, or choose "
                    "another folder (--run-dir)."
                )

    def _sweep(self) -> None:
        """Removes what was left by a `files.write` that was killed."""
        for one in [*self.path.glob("*"), *(p for own in self._own() for p in own.rglob("*"))]:
            if files.is_partial(one) and one.is_file():
                one.unlink()

    def _remove(self) -> None:
        """Removes what the old run wrote, and nothing else."""
        for one in self._own(self._read()):
            if one.is_symlink() or one.is_file():
                one.unlink()
            elif one.is_dir():
                shutil.rmtree(one)
        self.remove_tables()
        # The recipe comes last: without it a removal that was killed could not be finished.
        self._recipe.unlink(missing_ok=True)

    def remove_tables(self, kept: Collection[str] = ()) -> None:
        """Removes tables and pictures, but for those of these names."""
        # A picture of a single network has its name in it.
        own = [f"{kind}-{name}.png" for kind in ALONE for name in self._names()]
        for name in {*_TABLES, *own} - set(kept):
            (self.path / name).unlink(missing_ok=True)

    def _names(self) -> set[str]:
        """Names of the networks, of the recipe that was and of the one that is."""
        old = self._read() if self._recipe.is_file() else self._content
        return {name for content in (old, self._content) for name, _ in network_names(content)}
