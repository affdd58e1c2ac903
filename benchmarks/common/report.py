"""Rows of comparisons and their tables: printed as they come, written as JSON and Markdown."""

from __future__ import annotations

import datetime
import json
import os
import platform
import subprocess
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.common import harness

Row = dict[str, Any]


def comparison(
    what: str,
    reference: float | None,
    measured: float,
    *,
    quartiles: tuple[float, float, float] | None = None,
    target: float | None = None,
    first_calls: str = "",
) -> Row:
    """One row: two numbers, their ratio, and the target for it.

    Args:
        what: what was measured, with its unit.
        reference: number to compare with; None if there is none, and the target is for `measured`.
        measured: number of this library.
        quartiles: of the ratio, if it was measured many times; without them, the ratio is that of
            the two numbers.
        target: largest ratio that meets the target.
        first_calls: seconds of the first call of both.
    """
    ratio = measured if reference is None else measured / reference
    spread = ""
    if quartiles:
        low, ratio, high = quartiles
        spread = f"{low:.2f}-{high:.2f}"
    return {
        "what": what,
        "reference": "" if reference is None else _rounded(reference),
        "measured": _rounded(measured),
        "ratio": "" if reference is None else round(ratio, 3),
        "quartiles": spread,
        "target": "" if target is None else target,
        "met": "" if target is None else ("yes" if ratio <= target else "no"),
        "first calls, s": first_calls,
    }


def times(
    what: str, timed: harness.Timed, name: str, reference: str, target: float | None = None
) -> Row:
    """One row: the median times of two actions that were called in turn."""
    return comparison(
        f"{what}, ms",
        harness.median(timed, reference),
        harness.median(timed, name),
        quartiles=harness.ratio(timed, name, reference),
        target=target,
        first_calls=" / ".join(f"{timed[action]['first']:.1f}" for action in (reference, name)),
    )


def _rounded(number: float) -> float:
    return round(number, 1 if number >= 10 else 3)


def gpus() -> list[str]:
    """Names of the GPUs that NVIDIA's driver lists."""
    command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return []
    return done.stdout.splitlines()


def describe(backends: Iterable[str]) -> str:
    """Machine, versions and date, on one line."""
    from keras_gcnn.training import environment  # imports Keras, which takes seconds

    installed = {backend: environment.version_of(backend, f"{backend}-cpu") for backend in backends}
    for backend, number in installed.items():
        if number is None:
            raise SystemExit(f"{backend} is not installed here; choose others by --backend.")
    versions = ", ".join(f"{backend} {number}" for backend, number in installed.items())
    machine = "; ".join([f"{environment.processor()}, {os.cpu_count()} cores", *gpus()])
    return (
        f"{machine}, {platform.platform()}, Python {platform.python_version()}, "
        f"keras {version('keras')}, {versions}, {datetime.date.today()}"
    )


class Table:
    """Rows of a Markdown table, which are printed as they come, and written.

    Args:
        kept: further rows, which are written but not printed.
    """

    def __init__(self, kept: Iterable[Row] = ()) -> None:
        self.rows: list[Row] = []
        self.kept = list(kept)

    def add(self, row: Row) -> None:
        """Prints a row, and before the first the head of the table."""
        if not self.rows:
            print("\n".join(_head(row)))
        self.rows.append(row)
        print(_line(row), flush=True)

    def write_json(
        self, path: Path | None, header: str, notes: Mapping[str, list[str]] | None = None
    ) -> None:
        """Writes the rows as JSON, and notes by what they are on, if a path is given."""
        if path is not None:
            content: dict[str, Any] = {"measured with": header, "rows": [*self.kept, *self.rows]}
            if notes is not None:
                content["notes"] = notes
            _write(path, json.dumps(content, indent=2) + "\n")

    def write(
        self,
        folder: Path | None,
        name: str,
        title: str,
        header: str,
        notes: Iterable[str],
        left: Iterable[str] = (),
        by_name: Mapping[str, list[str]] | None = None,
    ) -> None:
        """Writes the rows as JSON and as a page, if there are any and a folder is given.

        Args:
            folder: to write into.
            name: of both files, without the suffix.
            title: of the page.
            header: machine, versions and date.
            notes: paragraphs of the page.
            left: names of what is still to be measured, which the page lists.
            by_name: further paragraphs by the name of what they are on; the JSON keeps them.
        """
        if folder is None or not self.rows:
            return
        unfinished = ", ".join(left)
        remarks = [f"Not measured yet: {unfinished}."] if unfinished else []
        further = [line for lines in (by_name or {}).values() for line in lines]
        self.write_json(folder / f"{name}.json", header, by_name)
        self.write_markdown(
            folder / f"{name}.md", title, [f"{header}.", *notes, *further, *remarks]
        )

    def write_markdown(self, path: Path, title: str, notes: Iterable[str]) -> None:
        """Writes a page of the rows."""
        _write(
            path, "\n".join([f"# {title}", "", *_with_notes(notes, [*self.kept, *self.rows]), ""])
        )


def read(path: Path) -> dict[str, Any]:
    """What a JSON file has as "measured with" and as "rows"; ends the command if there is none."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SystemExit(f"{path} cannot be read ({error.strerror}): measure all.") from None


def read_rows(path: Path, header: str) -> list[Row]:
    """The rows of a JSON file; ends the command if machine, versions or day differ."""
    content = read(path)
    if content["measured with"] != header:
        raise SystemExit(
            f"{path} was measured with {content['measured with']}, and this is {header}: rows of "
            "both are not put into one table. Measure all."
        )
    return content["rows"]


def around(path: Path, mark: str) -> tuple[str, str]:
    """The text up to the first mark and from the second on; ends the command without marks."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise SystemExit(f"{path} cannot be read ({error.strerror}): name another page.") from None
    before, mark_found, rest = text.partition(f"<!-- {mark} -->\n")
    _, end_found, after = rest.partition(f"<!-- end of {mark} -->\n")
    if not end_found:
        raise SystemExit(f"{path} has no <!-- {mark} --> and <!-- end of {mark} --> to fill.")
    return before + mark_found, end_found + after


def write_between(path: Path, mark: str, notes: Iterable[str], rows: Iterable[Row]) -> None:
    """Puts rows between the marks of that name on a page."""
    before, after = around(path, mark)
    _write(path, "\n".join([before + "\n".join(_with_notes(notes, rows)), after]))


def _with_notes(notes: Iterable[str], rows: Iterable[Row]) -> list[str]:
    """Lines of paragraphs and a table, without empty columns."""
    rows = list(rows)
    used = [name for name in rows[0] if any(row[name] != "" for row in rows)]
    rows = [{name: row[name] for name in used} for row in rows]
    return [*(f"{note}\n" for note in notes), *_head(rows[0]), *map(_line, rows)]


def _head(row: Mapping[str, Any]) -> list[str]:
    return ["| " + " | ".join(row) + " |", "|" + "---|" * len(row)]


def _line(row: Mapping[str, Any]) -> str:
    return "| " + " | ".join(str(value) for value in row.values()) + " |"


def _write(path: Path, text: str) -> None:
    temporary = path.with_suffix(".tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
