"""Decodes files once, into one file from which their numbers are read."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from keras_gcnn.full_disk import explain_full_disk

FOLDER_VARIABLE = "KERAS_GCNN_CACHE"
MOST_VALUES = 64
"""Different numbers of masks; more are no classes."""

_FORMAT = 2  # of the files; another number makes them anew
_AT_ONCE = 64  # images that are decoded ahead of what is written

Progress = Callable[[Iterable, str, int], Iterable]
"""Shows progress: `(items, what is done, number of items) -> the items`."""


def silent(items: Iterable, label: str, total: int) -> Iterable:
    """Shows no progress."""
    return items


def in_threads(work: Callable, items: Sequence, workers: int | None = None) -> Iterator:
    """Yields `work(item)` in the order of the items, with few results in the memory.

    Args:
        work: function of an item.
        items: to work on.
        workers: number of threads; None for one per processor.
    """
    with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        remaining = iter(items)
        waiting = deque(pool.submit(work, item) for item in islice(remaining, _AT_ONCE))
        while waiting:
            result = waiting.popleft().result()
            waiting.extend(pool.submit(work, item) for item in islice(remaining, 1))
            yield result


def cache_folder(given: str | Path | None = None) -> Path:
    """Returns the folder of decoded images: the given one, KERAS_GCNN_CACHE, or the user's."""
    if given is not None:
        return Path(given)
    if os.environ.get(FOLDER_VARIABLE):
        return Path(os.environ[FOLDER_VARIABLE])
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "keras_gcnn" / "images"


@dataclass(frozen=True)
class Content:
    """What is kept of each file, and how it is read.

    Args:
        shape: of the array that is kept of a file.
        dtype: of its numbers.
        read: returns the array of a file, or the reason why the file cannot be used.
        key: facts on which the arrays depend besides the files; they have to fit into JSON.
        collect: whether the different numbers of all arrays are collected.
    """

    shape: tuple[int, ...]
    dtype: str
    read: Callable[[Path], np.ndarray | str]
    key: Any
    collect: bool = False


@dataclass(frozen=True)
class Stored:
    """A file of arrays, with zeros in place of those of damaged files.

    Args:
        path: of the file.
        reasons: why files could not be used, by their index.
        values: the different numbers in ascending order, if they were to be collected; at most
            `MOST_VALUES`, and one more if there are more.
    """

    path: Path
    reasons: dict[int, str]
    values: tuple[int, ...] = ()


def store(
    paths: Sequence[Path],
    content: Content,
    folder: Path,
    workers: int | None = None,
    progress: Progress = silent,
) -> Stored:
    """Decodes files into one file, or finds that of an earlier call.

    It is found if the files have the names, sizes and times of change that they had. It is written
    under another name and then moved, so that a killed process leaves no half of one.

    Args:
        paths: of the files.
        content: what is kept of each.
        folder: for the file.
        workers: number of threads; None for one per processor.
        progress: shows progress.

    Raises:
        FullDiskError: if there is no space for the file.
        ValueError: if the folder cannot be written.
    """
    name = _key(paths, content.key)
    facts, numbers = folder / f"{name}.json", folder / f"{name}.images"
    size = len(paths) * int(np.prod(content.shape)) * np.dtype(content.dtype).itemsize
    found = _read_facts(facts, numbers)
    if found is not None and numbers.is_file() and numbers.stat().st_size == size:
        return found
    temporary = folder / f".partial-{uuid.uuid4().hex[:8]}"
    reasons: dict[int, str] = {}
    values: set[int] = set()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with explain_full_disk(numbers):
            work = in_threads(content.read, paths, workers)
            with temporary.open("wb") as file:
                for index, result in enumerate(progress(work, "decoding images", len(paths))):
                    if isinstance(result, str):
                        reasons[index] = result
                        result = np.zeros(content.shape, content.dtype)
                    elif content.collect and len(values) <= MOST_VALUES:
                        values.update(np.unique(result).tolist())
                    file.write(np.ascontiguousarray(result).data)
            known = sorted(values)[: MOST_VALUES + 1]
            temporary.replace(numbers)
            temporary.write_text(json.dumps({"damaged": reasons, "values": known}), "utf-8")
            temporary.replace(facts)  # last: with it the file is complete
    except (PermissionError, FileExistsError, NotADirectoryError) as error:
        raise ValueError(
            f"{folder} cannot be written: {error.strerror}. Set cache=, or the environment "
            f"variable {FOLDER_VARIABLE}, to a folder for decoded images."
        ) from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
    return Stored(numbers, reasons, tuple(known))


def _key(paths: Sequence[Path], key: Any) -> str:
    """Returns a name for the files as they are now."""
    digest = hashlib.sha256(json.dumps([_FORMAT, key]).encode())
    for path in paths:
        status = path.stat()
        line = f"\n{os.fsencode(path.resolve())!r} {status.st_size} {status.st_mtime_ns}"
        digest.update(line.encode())
    return digest.hexdigest()[:24]


def _read_facts(path: Path, numbers: Path) -> Stored | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        reasons = {int(index): str(reason) for index, reason in content["damaged"].items()}
        return Stored(numbers, reasons, tuple(map(int, content["values"])))
    except (OSError, ValueError, AttributeError, KeyError, TypeError):
        return None
