"""Turns the errors of a full disk, or of a limit on file sizes, into advice."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class FullDiskError(OSError):
    """A file could not be written for lack of space."""


def is_full_disk(error: OSError) -> bool:
    """Whether an error means that there is no space for a file."""
    return error.errno in _ERRORS


@contextmanager
def explain_full_disk(path: Path) -> Iterator[None]:
    """Explains the errors of a full disk while `path` is written.

    Raises:
        FullDiskError: if there is no space for the file.
    """
    try:
        yield
    except OSError as error:
        if not is_full_disk(error) or isinstance(error, FullDiskError):
            raise
        raise FullDiskError(
            f"{path} could not be written ({error.strerror}). Everything that was finished "
            "before is kept. Free some space and run the same command again to continue."
        ) from error
