"""Bounds the memory that the datasets of an HDF5 file take, before any is read."""

from __future__ import annotations

import math
import os
from typing import BinaryIO

import h5py

_MOST_OBJECTS = 200_000
# Keras does not compress weights, and compression rarely halves the size of numbers.
_ALWAYS_ALLOWED = 2**24  # bytes
_LARGEST_RATIO = 4  # of the memory to the size of the file


def count_elements(file: str | os.PathLike | BinaryIO, size: int) -> int:
    """Counts the numbers in a file of weights.

    Args:
        file: path of the file, or the open file.
        size: int, bytes of the file.

    Raises:
        ValueError: if a dataset or a link points out of the file, or the datasets would take much
            more memory than the file can hold.
        OSError: if it is no HDF5.
    """
    elements = room = 0
    with h5py.File(file, "r") as root:
        groups, seen = [root], set()
        while groups:
            group = groups.pop()
            for name in group:
                if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                    raise ValueError(f"its weights {name!r} are a link to another place")
                entry = group[name]
                address = h5py.h5o.get_info(entry.id).addr
                if address in seen:
                    continue
                seen.add(address)
                if len(seen) > _MOST_OBJECTS:
                    raise ValueError(f"it has more than {_MOST_OBJECTS} groups of weights")
                if isinstance(entry, h5py.Group):
                    groups.append(entry)
                    continue
                room += _room(entry, name)
                elements += math.prod(entry.shape)
                if room > _ALWAYS_ALLOWED + _LARGEST_RATIO * size:
                    raise ValueError(
                        f"its weights would take {room} bytes or more, which do not fit into a "
                        f"file of {size}; they are packed too tightly, or not there"
                    )
    return elements


def _room(entry: h5py.Dataset | h5py.Datatype, name: str) -> int:
    """Returns the bytes of memory that reading a dataset takes."""
    if not isinstance(entry, h5py.Dataset) or entry.shape is None or entry.dtype.hasobject:
        raise ValueError(f"its weights {name!r} are no numbers")
    if entry.external or entry.is_virtual:
        raise ValueError(f"its weights {name!r} are kept in another file")
    # HDF5 unpacks a compressed chunk as a whole, however little of it is read.
    elements = math.prod(entry.shape) + math.prod(entry.chunks or (0,))
    return elements * entry.dtype.itemsize
