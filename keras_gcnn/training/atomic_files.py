"""Files that are whole or absent: written to a temporary name, then moved."""

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
    """Calls `writer` on a temporary name with the same endings, then moves the file to `path`.

    Raises:
        FullDiskError: if there is no space for it. What was at `path` before is still there.
    """
    # The name is nobody else's, and keeps the endings, since Keras and Matplotlib go by them.
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
    """Makes a folder with its parents.

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
    """Writes a text file in UTF-8."""
    write(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def write_json(path: Path, content: Any) -> None:
    """Writes a JSON file."""
    write_text(path, json.dumps(content, indent=2) + "\n")


def read_json(path: Path, valid: Callable[[Any], bool], remedy: str) -> Any:
    """Reads a JSON file that `write_json` wrote.

    Args:
        path: the file.
        valid: function from the content to whether it is what was written. It may fail with any
            error that wrong types cause.
        remedy: what to do if it is not.

    Raises:
        ValueError: if the file is damaged.
    """
    try:
        content = json.loads(user_files.read_text(path, user_files.MOST_DATA))
        user_files.check_depth(content)
        if valid(content):
            return content
    # It is too large, no text, no JSON, nested too deep, or not of the expected shape.
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
