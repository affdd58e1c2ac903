"""Images and masks in a file, read as they are needed."""

from __future__ import annotations

import copy
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import numpy as np


class StoredArrays(ABC):
    """Arrays of equal shape in one file, which behave as one array.

    Only those that are asked for are read, so that the memory stays free however many there are:
    `stored[3]`, `stored[5:9]` and `stored[[8, 2, 2]]` are NumPy arrays, and `numpy.asarray(stored)`
    reads all. They can be given to several threads, and to other processes.

    Args:
        path: of a file with the numbers of all arrays, one after the other.
        shape: of all, `(n, rows, columns, channels)`.
        stored: type of the numbers in the file.
        index: which arrays of the file there are, in which order; None for all.

    Attributes:
        dtype: type of the numbers that are returned.
    """

    dtype: np.dtype

    def __init__(
        self,
        path: str | Path,
        shape: Sequence[int],
        stored: str,
        index: np.ndarray | None = None,
    ):
        self.path = Path(path)
        number, *item = map(int, shape)
        self._item_shape = tuple(item)
        self._stored = np.dtype(stored)
        self._index = np.arange(number) if index is None else np.asarray(index, dtype="int64")
        self._bytes = int(np.prod(self._item_shape)) * self._stored.itemsize
        self._local = threading.local()

    @property
    def shape(self) -> tuple[int, ...]:
        """As that of an array."""
        return (len(self._index), *self._item_shape)

    @property
    def ndim(self) -> int:
        """As that of an array."""
        return len(self.shape)

    def __len__(self) -> int:
        return len(self._index)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.shape} in {self.path.name}>"

    def __getitem__(self, key: Any) -> np.ndarray:
        """Returns an array by its number, or several by a slice or an array of numbers."""
        chosen = self._index[key]
        if chosen.ndim == 0:
            return self._decoded(self._read(chosen[None]))[0]
        return self._decoded(self._read(chosen))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("Numbers in a file have to be read: np.asarray(stored, copy=None).")
        numbers = self[:]
        return numbers if dtype is None else numbers.astype(dtype, copy=False)

    def select(self, index: np.ndarray) -> Self:
        """Returns some of the arrays, without reading them."""
        chosen = copy.copy(self)
        chosen._index = self._index[index]
        return chosen

    def join(self, other: Self) -> Self:
        """Returns these arrays and others of the same file, without reading them."""
        both = copy.copy(self)
        both._index = np.concatenate([self._index, other._index])
        return both

    @abstractmethod
    def _decoded(self, raw: np.ndarray) -> np.ndarray:
        """Returns what the numbers in the file stand for."""

    def __getstate__(self) -> dict[str, Any]:
        # Other processes open the file themselves.
        return {name: value for name, value in vars(self).items() if name != "_local"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._local = threading.local()

    def _read(self, chosen: np.ndarray) -> np.ndarray:
        # Reading instead of mapping the file: mapped pages would count as memory of the process.
        raw = np.empty((len(chosen), *self._item_shape), self._stored)
        file = self._file()
        for start, stop in _runs(chosen):
            part = memoryview(raw[start:stop].data).cast("B")
            if _read_into(file, part, int(chosen[start]) * self._bytes) < len(part):
                raise OSError(
                    f"{self.path} is shorter than it was. Delete it, so that it is made again."
                )
        return raw

    def _file(self) -> Any:
        if not hasattr(self._local, "file"):
            try:
                self._local.file = self.path.open("rb", buffering=0)
            except FileNotFoundError:
                raise FileNotFoundError(
                    f"{self.path}, the file of decoded images, is gone. Load the images again, "
                    "which makes it anew."
                ) from None
        return self._local.file


class StoredImages(StoredArrays):
    """Images in a file, as float32 in [0, 1]; see `StoredArrays`.

    The file has integers, which are divided by the largest one of their type, or float32.
    """

    dtype = np.dtype("float32")

    def _decoded(self, raw: np.ndarray) -> np.ndarray:
        if self._stored.kind == "f":
            return raw
        return np.divide(raw, np.iinfo(self._stored).max, dtype="float32")


class StoredMasks(StoredArrays):
    """Masks in a file, as int32 indices of classes; see `StoredArrays`.

    Args:
        path: of the file.
        shape: of all masks, `(n, rows, columns)`.
        stored: type of the numbers in the file.
        values: the number of each class in the file, in ascending order.
        index: which masks there are; None for all.
    """

    dtype = np.dtype("int32")

    def __init__(
        self,
        path: str | Path,
        shape: Sequence[int],
        stored: str,
        values: Sequence[int],
        index: np.ndarray | None = None,
    ):
        super().__init__(path, shape, stored, index)
        self.values = np.asarray(values, stored)

    def _decoded(self, raw: np.ndarray) -> np.ndarray:
        return np.searchsorted(self.values, raw).astype("int32")


def choose(array: Any, index: np.ndarray) -> Any:
    """Returns some items of an array, or of arrays in a file without reading them."""
    return array.select(index) if isinstance(array, StoredArrays) else array[index]


def join(first: Any, second: Any) -> Any:
    """Returns the items of two arrays, or of arrays in one file without reading them."""
    if isinstance(first, StoredArrays):
        return first.join(second)
    return np.concatenate([first, second])


def _runs(chosen: np.ndarray) -> list[tuple[int, int]]:
    """Returns where neighbours in the file begin and end, since one read is faster than many."""
    if not len(chosen):
        return []
    breaks = np.flatnonzero(np.diff(chosen) != 1) + 1
    return list(pairwise([0, *breaks.tolist(), len(chosen)]))


def _read_into(file: Any, part: memoryview, offset: int) -> int:
    """Fills the view from a place in the file; returns how many bytes there were."""
    done = 0
    while done < len(part):
        if hasattr(os, "preadv"):
            count = os.preadv(file.fileno(), [part[done:]], offset + done)
        else:
            file.seek(offset + done)
            count = file.readinto(part[done:])
        if not count:
            break
        done += count
    return done
