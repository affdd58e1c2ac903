"""Images in a file, read as they are needed."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np


class StoredImages:
    """Decoded images in one file, which behave as an array of float32 in [0, 1].

    Only the images that are asked for are read, so that the memory stays free however many there
    are: `images[3]`, `images[5:9]` and `images[[8, 2, 2]]` are NumPy arrays, and
    `numpy.asarray(images)` reads all. They can be given to several threads, and to other processes.

    Args:
        path: of a file with the numbers of all images, one after the other.
        shape: of all images, `(n, rows, columns, channels)`.
        stored: type of the numbers in the file, `"uint8"`, `"uint16"` or `"float32"`; integers are
            divided by the largest one.
        index: which images of the file there are, in which order; None for all.
    """

    dtype = np.dtype("float32")
    ndim = 4

    def __init__(
        self,
        path: str | Path,
        shape: Sequence[int],
        stored: str,
        index: np.ndarray | None = None,
    ):
        self.path = Path(path)
        number, rows, columns, channels = map(int, shape)
        self._file_shape = (number, rows, columns, channels)
        self._stored = np.dtype(stored)
        self._index = np.arange(number) if index is None else np.asarray(index, dtype="int64")
        self._bytes = int(np.prod(self._file_shape[1:])) * self._stored.itemsize
        self._local = threading.local()

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """As that of an array."""
        return (len(self._index), *self._file_shape[1:])

    def __len__(self) -> int:
        return len(self._index)

    def __repr__(self) -> str:
        return f"<images {self.shape} in {self.path.name}>"

    def __getitem__(self, key: Any) -> np.ndarray:
        """Returns an image by its number, or several by a slice or an array of numbers."""
        chosen = self._index[key]
        if chosen.ndim == 0:
            return self._read(chosen[None])[0]
        return self._read(chosen)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("Images in a file have to be read: np.asarray(images, copy=None).")
        images = self[:]
        return images if dtype is None else images.astype(dtype, copy=False)

    def select(self, index: np.ndarray) -> StoredImages:
        """Returns some of the images, without reading them."""
        return StoredImages(self.path, self._file_shape, self._stored.str, self._index[index])

    def __getstate__(self) -> dict[str, Any]:
        # Other processes open the file themselves.
        return {name: value for name, value in vars(self).items() if name != "_local"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._local = threading.local()

    def _read(self, chosen: np.ndarray) -> np.ndarray:
        # Reading instead of mapping the file: mapped pages would count as memory of the process.
        raw = np.empty((len(chosen), *self._file_shape[1:]), self._stored)
        file = self._file()
        for start, stop in _runs(chosen):
            part = memoryview(raw[start:stop].data).cast("B")
            if _read_into(file, part, int(chosen[start]) * self._bytes) < len(part):
                raise OSError(
                    f"{self.path} is shorter than it was. Delete it, so that it is made again."
                )
        if self._stored.kind == "f":
            return raw
        return np.divide(raw, np.iinfo(self._stored).max, dtype="float32")

    def _file(self) -> Any:
        if not hasattr(self._local, "file"):
            self._local.file = self.path.open("rb", buffering=0)
        return self._local.file


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
