"""Writes files that are whole or absent: to a temporary name, then moved into place."""

from __future__ import annotations

import csv
import io
import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from keras_gcnn.full_disk import explain_full_disk
from keras_gcnn.training import user_files

_PARTIAL = ".partial-"


def write(path: Path, writer: Callable[[Path], Any]) -> None:
    """Calls `writer` with a temporary path, then moves the file to `path`.

    Raises:
        FullDiskError: if there is no space for the file. An earlier file at `path` is kept.
    """
    # A unique name that keeps the suffix, by which Keras and Matplotlib choose the format.
    temporary = path.with_name(f"{_PARTIAL}{uuid.uuid4().hex[:8]}-{path.name}")
    with explain_full_disk(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            writer(temporary)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def is_partial(path: Path) -> bool:
    """Whether a file was left by a `write` that was killed."""
    return path.name.startswith(_PARTIAL)


def make_folder(folder: Path) -> None:
    """Makes a folder and its parents.

    Raises:
        ValueError: if it or a parent is a file, or it may not be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(
            f"{folder} cannot be used as a folder: {error.strerror}. Choose another path."
        ) from error


def write_text(path: Path, text: str) -> None:
    """Writes a text file in UTF-8; bytes of file names that are no UTF-8 become backslashes."""
    write(
        path,
        lambda temporary: temporary.write_text(text, encoding="utf-8", errors="backslashreplace"),
    )


def write_json(path: Path, content: Any) -> None:
    """Writes a JSON file."""
    write_text(path, json.dumps(content, indent=2) + "\n")


def read_json(path: Path, valid: Callable[[Any], bool], remedy: str) -> Any:
    """Reads a JSON file that `write_json` wrote.

    Args:
        path: the file.
        valid: function of the content: whether it can be used. It may raise any error that wrong
            types cause.
        remedy: what the user can do if the file is damaged, for the message.

    Raises:
        ValueError: if the file is damaged.
    """
    try:
        content = json.loads(user_files.read_text(path, user_files.MOST_DATA))
        user_files.check_depth(content)
        if valid(content):
            return content
    # It is too large, no text, no JSON, nested too deep, or has other content.
    except (AttributeError, LookupError, RecursionError, TypeError, ValueError):
        pass
    raise ValueError(f"{path} is damaged. {remedy}")


def write_csv(path: Path, rows: list[dict[str, Any]]) -> None:
    """Writes dicts with the same keys as a CSV file."""
    text = io.StringIO()
    table = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    write_text(path, text.getvalue())
