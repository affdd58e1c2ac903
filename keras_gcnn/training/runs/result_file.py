"""The result.json of a finished network."""

from __future__ import annotations

import csv
import io
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

from keras_gcnn.training import atomic_files as files
from keras_gcnn.training import user_files

_NUMBERS = ("parameters", "epochs", "seconds", "seconds_per_epoch")


def times(seconds: list[float]) -> dict[str, int | float]:
    """How long a network was trained.

    Args:
        seconds: of each epoch.
    """
    return {
        "epochs": len(seconds),
        "seconds": round(sum(seconds), 3),
        "seconds_per_epoch": round(statistics.median(seconds), 3),
    }


def read(path: Path, classes: int, is_measured: Callable[[dict, int], bool]) -> dict[str, Any]:
    """Reads a result.json; times that it lacks are taken from the history.csv beside it.

    Args:
        path: of the file.
        classes: int, number of classes of the data.
        is_measured: whether the measured values of a content can be right for these classes.

    Raises:
        ValueError: if it is damaged, or an earlier version wrote it without what is needed now.
    """
    remedy = "Delete it to train this network again, or start the whole run anew (--fresh)."

    def valid(content: dict[str, Any]) -> bool:
        return _is_result(content) and is_measured(content, classes)

    result = files.read_json(path, valid, remedy)
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
    # There is no such file, column, row or number, or the file is no text or too large.
    except (OSError, LookupError, TypeError, ValueError, csv.Error):
        return {}


def _is_result(content: dict[str, Any]) -> bool:
    """Whether this may be a result's content, which may lack keys of later versions."""
    numbers = [content["seed"], *(content[name] for name in _NUMBERS if name in content)]
    return (
        all(isinstance(number, int | float) for number in numbers)
        and isinstance(content["network"], str)
        and isinstance(content.get("environment", {"date": ""})["date"], str)
    )
