"""Decodes files once, into one file from which their numbers are read."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from keras_gcnn.data.folders.decoding import VERSION
from keras_gcnn.data.folders.written_once import key_of, write_once

MOST_VALUES = 64
"""Different numbers of masks; more are no classes."""

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


@dataclass(frozen=True)
class Content:
    """What is kept of each file, and how it is read.

    Args:
        shape: of the array that is kept of a file.
        dtype: of its numbers.
        read: returns the array of a file, or the reason why the file cannot be used.
        key: facts on which the arrays depend besides the files; they have to fit into JSON.
        collect: whether the different numbers of every array are collected.
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
        values: the different numbers of each array in ascending order, if they were to be
            collected; () for those after more than `MOST_VALUES` were found in all.
    """

    path: Path
    reasons: dict[int, str]
    values: tuple[tuple[int, ...], ...] = ()


def store(
    paths: Sequence[Path],
    content: Content,
    folder: Path,
    workers: int | None = None,
    progress: Progress = silent,
) -> Stored:
    """Decodes files into one file, or finds that of an earlier call.

    It is found if the files have the names, sizes and times of change that they had.

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
    size = len(paths) * int(np.prod(content.shape)) * np.dtype(content.dtype).itemsize

    def write(file: BinaryIO) -> dict[str, Any]:
        reasons: dict[int, str] = {}
        values: list[list[int]] = []
        different: set[int] = set()
        work = in_threads(content.read, paths, workers)
        for index, result in enumerate(progress(work, "decoding images", len(paths))):
            if isinstance(result, str):
                reasons[index] = result
                result = np.zeros(content.shape, content.dtype)
                values.append([])
            elif content.collect and len(different) <= MOST_VALUES:
                values.append(np.unique(result).tolist()[: MOST_VALUES + 1])
                different.update(values[-1])
            else:
                values.append([])
            file.write(np.ascontiguousarray(result).data)
        return {"damaged": reasons, "values": values}

    def read_facts(facts: dict[str, Any]) -> tuple[dict[int, str], tuple[tuple[int, ...], ...]]:
        reasons = {int(index): str(reason) for index, reason in facts["damaged"].items()}
        return reasons, tuple(tuple(map(int, each)) for each in facts["values"])

    name = key_of([VERSION, content.key], paths)
    path, (reasons, values) = write_once(name, folder, size, write, read_facts)
    return Stored(path, reasons, values)
