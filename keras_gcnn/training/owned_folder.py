"""A folder that belongs to one run or one search, and that one process at a time writes to."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import filelock

from keras_gcnn.training import atomic_files

_LOCK = ".lock"


class OwnedFolder(ABC):
    """A folder with a file of the settings that it was begun with, and a lock.

    Args:
        path: of the folder, which need not exist.
        settings: content of the settings file.
        fresh: bool, whether to remove what an earlier owner wrote.

    Attributes:
        owner: what the folder belongs to, for messages: a run or a search.
        settings_name: name of the settings file.
        may_change: a sentence on what may change in the settings, for messages.
    """

    owner: ClassVar[str]
    settings_name: ClassVar[str]
    may_change: ClassVar[str]

    def __init__(self, path: Path, settings: dict[str, Any], fresh: bool):
        self.path = path
        self.settings = settings
        self.fresh = fresh

    @abstractmethod
    def _is_valid(self, settings: Any) -> bool:
        """Whether this may be the content of a settings file; wrong types may raise an error."""

    @abstractmethod
    def _find_changes(self, old: dict[str, Any]) -> list[str]:
        """Describes every change from the old settings that does not let the owner go on."""

    @abstractmethod
    def _remove(self) -> None:
        """Removes what an earlier owner wrote, except the settings file."""

    @property
    def is_begun(self) -> bool:
        """Whether there is a settings file."""
        return self._settings_file.is_file()

    @property
    def _settings_file(self) -> Path:
        return self.path / self.settings_name

    def check(self) -> None:
        """Checks that the owner can have the folder, and changes nothing.

        Raises:
            ValueError: if it is no folder, belongs to another owner, or holds something else.
        """
        nearest = next(path for path in (self.path, *self.path.absolute().parents) if path.exists())
        if not nearest.is_dir():
            raise ValueError(
                f"{self.path} cannot be the folder of a {self.owner}: {nearest} is a file. Choose "
                "another folder (--run-dir)."
            )
        if not self.path.is_dir():
            return
        if self.is_begun:
            self._check_begun()
        elif any(
            path.name != _LOCK and not atomic_files.is_partial(path) for path in self.path.iterdir()
        ):
            raise ValueError(
                f"{self.path} is not empty and holds no {self.owner}. Choose another folder "
                "(--run-dir)."
            )

    def _check_begun(self) -> None:
        if self.fresh:
            return
        changes = self._find_changes(self._read())
        if changes:
            raise ValueError(
                f"The {self.owner} in {self.path} was started with other settings: "
                f"{'; '.join(changes)}. {self.may_change} Go on with the old settings, choose "
                "another folder (--run-dir), or start anew in this one (--fresh)."
            )

    def _read(self) -> dict[str, Any]:
        return atomic_files.read_json(
            self._settings_file,
            self._is_valid,
            f"It does not say which {self.owner} the folder holds. Choose another folder "
            "(--run-dir).",
        )

    @contextmanager
    def claim(self) -> Iterator[None]:
        """Locks the folder for this process as long as the context lasts.

        Raises:
            ValueError: if `check` fails, or another process has the folder.
        """
        atomic_files.make_folder(self.path)
        try:
            lock = filelock.FileLock(self.path / _LOCK, timeout=0).acquire()
        except filelock.Timeout:
            raise ValueError(
                f"Another process is at work on the {self.owner} in {self.path}. Wait for it, or "
                "choose another folder (--run-dir)."
            ) from None
        with lock:
            self.check()  # again: another process may have been here
            if self.fresh and self.is_begun:
                self._remove()
                # The settings come last: without them a killed removal could not be finished.
                self._settings_file.unlink(missing_ok=True)
            self._sweep()
            atomic_files.write_json(self._settings_file, self.settings)
            yield

    def _sweep(self) -> None:
        """Removes partial files that a killed process left in the folder."""
        for path in self.path.glob("*"):
            if atomic_files.is_partial(path) and path.is_file():
                path.unlink()
