"""Rows of comparisons, and tables of them: printed as they come, as JSON and as Markdown."""

from __future__ import annotations

import datetime
import json
import os
import platform
import subprocess
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import harness

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
    """One row: two numbers, their ratio, and the most that this should be.

    Args:
        what: was measured, with its unit.
        reference: of what it is compared with; None if the number stands for itself, and so does
            the target.
        measured: of this library.
        quartiles: of the ratio, where it was taken many times; else it is that of the numbers.
        target: the most that the ratio should be.
        first_calls: seconds of the first call of both.
    """
    found = measured if reference is None else measured / reference
    spread = ""
    if quartiles:
        low, found, high = quartiles
        spread = f"{low:.2f}-{high:.2f}"
    return {
        "what": what,
        "reference": "" if reference is None else _rounded(reference),
        "measured": _rounded(measured),
        "ratio": "" if reference is None else round(found, 3),
        "quartiles": spread,
        "target": "" if target is None else target,
        "met": "" if target is None else ("yes" if found <= target else "no"),
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
        first_calls=" / ".join(f"{timed[one]['first']:.1f}" for one in (reference, name)),
    )


def _rounded(number: float) -> float:
    return round(number, 1 if number >= 10 else 3)


def processor() -> str:
    """The processor, as the system names it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def gpus() -> list[str]:
    """Names of the GPUs, as NVIDIA's driver tells them."""
    command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return []
    return done.stdout.splitlines()


def _version(backend: str) -> str:
    for package in (backend, f"{backend}-cpu"):
        try:
            return version(package)
        except PackageNotFoundError:
            continue
    raise SystemExit(f"{backend} is not installed here; choose others by --backend.")


def describe(backends: Iterable[str]) -> str:
    """Machine, versions and date, on one line."""
    versions = ", ".join(f"{one} {_version(one)}" for one in dict.fromkeys(backends))
    machine = "; ".join([f"{processor()}, {os.cpu_count()} cores", *gpus()])
    return (
        f"{machine}, {platform.platform()}, Python {platform.python_version()}, "
        f"keras {version('keras')}, {versions}, {datetime.date.today()}"
    )


class Table:
    """Rows of a Markdown table, printed as they come, and others that are only written.

    Args:
        kept: those others.
    """

    def __init__(self, kept: Iterable[Row] = ()) -> None:
        self.rows: list[Row] = []
        self.kept = list(kept)

    def add(self, row: Row) -> None:
        """Prints a row, and the head before the first."""
        if not self.rows:
            print("\n".join(_head(row)))
        self.rows.append(row)
        print(_line(row), flush=True)

    def write_json(self, path: Path | None, header: str) -> None:
        """Writes the rows as JSON, if a path is given."""
        if path is not None:
            content = {"measured with": header, "rows": [*self.kept, *self.rows]}
            _write(path, json.dumps(content, indent=2) + "\n")

    def write(
        self,
        folder: Path | None,
        name: str,
        title: str,
        header: str,
        notes: Iterable[str],
        left: Iterable[str] = (),
    ) -> None:
        """Writes the rows as JSON and as a page, if there are any and a folder is given.

        Args:
            folder: to write into.
            name: of both files, without what follows the dot.
            title: of the page.
            header: machine, versions and date.
            notes: paragraphs of the page.
            left: what is still to be measured; the page says so, in case that it never is.
        """
        if folder is None or not self.rows:
            return
        unfinished = ", ".join(left)
        told = [f"Not measured yet: {unfinished}."] if unfinished else []
        self.write_json(folder / f"{name}.json", header)
        self.write_markdown(folder / f"{name}.md", title, [f"{header}.", *notes, *told])

    def write_markdown(self, path: Path, title: str, notes: Iterable[str]) -> None:
        """Writes a page of the rows."""
        _write(
            path, "\n".join([f"# {title}", "", *_with_notes(notes, [*self.kept, *self.rows]), ""])
        )


def read_rows(path: Path, header: str) -> list[Row]:
    """The rows of a JSON file; ends the command if they were measured otherwise."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SystemExit(f"{path} cannot be read ({error.strerror}): measure all.") from None
    if content["measured with"] != header:
        raise SystemExit(
            f"{path} was measured with {content['measured with']}, and this is {header}: rows of "
            "both are not put into one table. Measure all."
        )
    return content["rows"]


def around(path: Path, mark: str) -> tuple[str, str]:
    """What is before and after the marks of that name, with them; ends the command without them."""
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
    """Lines of paragraphs and a table, without the columns in which there is nothing."""
    rows = list(rows)
    used = [name for name in rows[0] if any(row[name] != "" for row in rows)]
    rows = [{name: row[name] for name in used} for row in rows]
    return [*(f"{one}\n" for one in notes), *_head(rows[0]), *map(_line, rows)]


def _head(row: Mapping[str, Any]) -> list[str]:
    return ["| " + " | ".join(row) + " |", "|" + "---|" * len(row)]


def _line(row: Mapping[str, Any]) -> str:
    return "| " + " | ".join(str(value) for value in row.values()) + " |"


def _write(path: Path, text: str) -> None:
    temporary = path.with_suffix(".tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
