"""Reads the result.json of a finished network."""

from __future__ import annotations

import csv
import io
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

from keras_gcnn.training import atomic_files, user_files

_NUMBERS = ("parameters", "epochs", "seconds", "seconds_per_epoch")


def times(seconds: list[float]) -> dict[str, int | float]:
    """Returns how long a network was trained.

    Args:
        seconds: of each epoch.

    Returns:
        dict with the number of epochs, the seconds, and the median seconds per epoch.
    """
    return {
        "epochs": len(seconds),
        "seconds": round(sum(seconds), 3),
        "seconds_per_epoch": round(statistics.median(seconds), 3),
    }


def read(
    path: Path, classes: int, is_measured: Callable[[dict[str, Any], int], bool]
) -> dict[str, Any]:
    """Reads a result.json, and takes times that it lacks from the history.csv beside it.

    Args:
        path: of the file.
        classes: int, number of classes of the data.
        is_measured: function of the content and the classes: whether its measured values are valid.

    Returns:
        The content.

    Raises:
        ValueError: if it is damaged, or an earlier version wrote it without values needed now.
    """
    remedy = "Delete it to train this network again, or start the whole run anew (--fresh)."

    def valid(content: dict[str, Any]) -> bool:
        return _is_result(content) and is_measured(content, classes)

    result = atomic_files.read_json(path, valid, remedy)
    lacking = {*_NUMBERS, "environment"} - result.keys()
    if lacking & {"epochs", "seconds", "seconds_per_epoch"}:
        result = {**_times_of_history(path.with_name("history.csv")), **result}
        lacking -= result.keys()
    if lacking:
        raise ValueError(
            f"{path} was written by another version of keras_gcnn and lacks "
            f"{', '.join(sorted(lacking))}. Go on with that version, or choose another folder "
            f"(--run-dir); or move {path.parent} out of the run to train this network again."
        )
    return result


def _times_of_history(path: Path) -> dict[str, int | float]:
    try:
        text = user_files.read_text(path, user_files.MOST_DATA)
        return times([float(row["seconds"]) for row in csv.DictReader(io.StringIO(text, ""))])
    # The file, a column, a row or a number is missing, or the file is no text or too large.
    except (OSError, LookupError, TypeError, ValueError, csv.Error):
        return {}


def _is_result(content: dict[str, Any]) -> bool:
    """Whether this may be the content of a result; keys of later versions may be missing."""
    numbers = [content["seed"], *(content[name] for name in _NUMBERS if name in content)]
    return (
        all(isinstance(number, int | float) for number in numbers)
        and isinstance(content["network"], str)
        and isinstance(content.get("environment", {"date": ""})["date"], str)
    )
