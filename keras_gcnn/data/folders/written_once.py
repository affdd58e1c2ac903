"""Files of decoded images: where they are, how they are written once, and found afterwards."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from keras_gcnn.full_disk import explain_full_disk, is_full_disk

FOLDER_VARIABLE = "KERAS_GCNN_CACHE"
_PARTIAL = ".partial-"
_STALE = 24 * 60 * 60  # seconds after which nobody writes to a partial file any more
_FORMAT = 2  # of the files; another number makes them anew

Facts = TypeVar("Facts")


def cache_folder(given: str | Path | None = None) -> Path:
    """Returns the folder of decoded images: the given one, KERAS_GCNN_CACHE, or the user's."""
    if given is not None:
        return Path(given)
    if named := os.environ.get(FOLDER_VARIABLE):
        # A shell replaces ~ itself; a file of environment variables leaves it in the value.
        return Path(os.path.expanduser(named))
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "keras_gcnn" / "images"


def key_of(key: Any, paths: Iterable[Path]) -> str:
    """Returns a name for what is made of files as they are now.

    Args:
        key: facts on which it depends besides the files; they have to fit into JSON.
        paths: of the files, whose names, sizes and times of change are looked at.
    """
    digest = hashlib.sha256(json.dumps([_FORMAT, key]).encode())
    for path in paths:
        status = path.stat()
        line = f"\n{os.fsencode(path.resolve())!r} {status.st_size} {status.st_mtime_ns}"
        digest.update(line.encode())
    return digest.hexdigest()[:24]


def write_once(
    name: str,
    folder: Path,
    size: int,
    write: Callable[[BinaryIO], Any],
    read_facts: Callable[[Any], Facts],
) -> tuple[Path, Facts]:
    """Writes the numbers of arrays into a file, or finds the file of an earlier call.

    It is written under another name and then moved, so that a killed process leaves no half of one.

    Args:
        name: of the file, from `key_of`.
        folder: for the file.
        size: of the file in bytes.
        write: function that writes the numbers, and returns what else is to be known of them, as
            it fits into JSON.
        read_facts: function of what `write` returned, as it comes out of JSON, that returns it as
            it is used. If it raises an `AttributeError`, `LookupError`, `TypeError` or
            `ValueError`, the file is written anew.

    Returns:
        The path of the file, and what `read_facts` returned.

    Raises:
        FullDiskError: if there is no space for the file.
        ValueError: if the folder cannot be written.
    """
    facts_file, numbers = folder / f"{name}.json", folder / f"{name}.images"
    if numbers.is_file() and numbers.stat().st_size == size:
        with contextlib.suppress(OSError, AttributeError, LookupError, TypeError, ValueError):
            return numbers, read_facts(json.loads(facts_file.read_text(encoding="utf-8")))
    temporary = folder / f"{_PARTIAL}{uuid.uuid4().hex[:8]}"
    try:
        with explain_full_disk(numbers):
            with _opened(temporary) as file:
                facts = json.dumps(write(file))
            temporary.replace(numbers)
            temporary.write_text(facts, encoding="utf-8")
            temporary.replace(facts_file)  # last: with it the file is complete
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
    return numbers, read_facts(json.loads(facts))


def _opened(path: Path) -> BinaryIO:
    """Opens a file for writing in a folder that is made, and removes what killed processes left."""
    folder = path.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = path.open("wb")
    except OSError as error:
        if is_full_disk(error):
            raise
        raise ValueError(
            f"{folder} cannot be written: {error.strerror}. Set cache=, or the environment "
            f"variable {FOLDER_VARIABLE}, to a folder for decoded images."
        ) from None
    for other in folder.glob(f"{_PARTIAL}*"):
        with contextlib.suppress(OSError):
            if time.time() - other.stat().st_mtime > _STALE:
                other.unlink()
    return file
