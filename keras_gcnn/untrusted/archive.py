"""Opens zip archives, after checks of their directory."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

_LARGEST_DIRECTORY = 2**21  # bytes, for some 20,000 entries
_MOST_ENTRIES = 10_000
_LONGEST_NAME = 255  # bytes in the name of a folder or file, the limit of most systems
_LONGEST_PATH = 1024  # bytes
_HEADER = 30  # bytes before the name of each entry
# Limits of the unpacked size. Keras stores entries uncompressed, and text shrinks tenfold.
_ALWAYS_ALLOWED = 2**25  # bytes
_LARGEST_RATIO = 20  # of the unpacked size to the size of the file
_PIECE = 2**20  # bytes unpacked at a time


@contextmanager
def opened(path: str | os.PathLike) -> Iterator[zipfile.ZipFile]:
    """Opens an archive if its directory is harmless.

    Raises:
        ValueError: if there are too many entries, they unpack to too much, overlap or are
            encrypted, or their names are no plain paths.
        zipfile.BadZipFile: if it is no archive.
    """
    with _InPieces(path) as file, zipfile.ZipFile(file) as archive:
        _check_directory(archive, os.path.getsize(path))
        yield archive


def read(archive: zipfile.ZipFile, name: str) -> bytes:
    """Returns the content of an entry after comparing its checksum.

    Raises:
        ValueError: if the entry is missing or damaged.
    """
    content = io.BytesIO()
    _unpack(archive, name, content)
    return content.getvalue()


def verify(archive: zipfile.ZipFile, name: str) -> None:
    """Compares the checksum of an entry without keeping its content; raises as `read` does."""
    _unpack(archive, name, None)


def _unpack(archive: zipfile.ZipFile, name: str, target: io.BytesIO | None) -> None:
    try:
        with archive.open(name) as entry:
            while piece := entry.read(_PIECE):
                if target is not None:
                    target.write(piece)
    except KeyError as error:
        raise ValueError(f"it has no {name!r}, so it is truncated, or no Keras model") from error
    except Exception as error:  # zipfile and zlib raise errors of several classes
        raise ValueError(f"its part {name!r} is damaged ({error})") from error


class _InPieces(io.FileIO):
    """A file that refuses to read more at once than the largest allowed directory.

    `zipfile` reads the directory in one piece, whose size the file states itself in one of several
    places, and creates an object for each entry.
    """

    def read(self, size: int | None = -1) -> bytes:
        if size is not None and size > _LARGEST_DIRECTORY:
            raise ValueError(f"its directory of {size} bytes is larger than that of any model")
        return super().read(size)


def _check_directory(archive: zipfile.ZipFile, size: int) -> None:
    entries = archive.infolist()
    if len(entries) > _MOST_ENTRIES:
        raise ValueError(f"it has {len(entries)} parts; a model has at most {_MOST_ENTRIES}")
    for entry in entries:
        _check_name(entry)
        if entry.flag_bits & 1:
            raise ValueError(f"its part {entry.filename!r} is encrypted")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(
                f"its part {entry.filename!r} is packed by another method than deflate"
            )
    if len({entry.filename for entry in entries}) < len(entries):
        raise ValueError("two of its parts have the same name")
    unpacked = sum(entry.file_size for entry in entries)
    if unpacked > _ALWAYS_ALLOWED + _LARGEST_RATIO * size:
        raise ValueError(
            f"its {size} bytes would unpack to {unpacked}, which no model does; pack it anew"
        )
    entries = sorted(entries, key=lambda entry: entry.header_offset)
    for entry, following in pairwise(entries):
        if _end(entry) > following.header_offset:
            raise ValueError(f"its parts {entry.filename!r} and {following.filename!r} overlap")
    if entries and (entries[0].header_offset < 0 or _end(entries[-1]) > archive.start_dir):
        raise ValueError("its parts are longer than the file, which is truncated, or no archive")


def _end(entry: zipfile.ZipInfo) -> int:
    """Returns the smallest offset at which an entry can end."""
    return entry.header_offset + _HEADER + len(entry.filename) + entry.compress_size


def _check_name(entry: zipfile.ZipInfo) -> None:
    """Raises a `ValueError` for a name that some system would unpack to another place."""
    name = entry.orig_filename
    steps = name.removesuffix("/").split("/")
    is_odd = any(step in ("", ".", "..") or not step.isprintable() for step in steps)
    longest = max(len(os.fsencode(step)) for step in steps)
    if is_odd or "\\" in name or ":" in Path(name).parts[0]:
        raise ValueError(f"its part {name[:80]!r} has no plain name")
    if longest > _LONGEST_NAME or len(os.fsencode(name)) > _LONGEST_PATH:
        raise ValueError(f"its part {name[:80]!r}... has too long a name")
