"""What the commands of the benchmarks share: options, places, and the table that they print."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Annotated

import report
import typer
from places import BACKENDS, VARIANTS, Place, devices

MARK = "measured"  # on pages that take some of the rows


def _writable(folder: Path) -> Path:
    """The folder, made if need be, or ends the command before anything is measured."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise SystemExit(
            f"{folder} cannot be written into ({error.strerror}): name another folder."
        ) from None
    return folder


def _writable_if_given(folder: Path | None) -> Path | None:
    return folder and _writable(folder)


def _in_writable(path: Path | None) -> Path | None:
    return path and _writable(path.parent) / path.name


def _with_marks(page: Path | None) -> Path | None:
    """The page, or ends the command if rows could not be put between its marks."""
    if page:
        report.around(page, MARK)
    return _in_writable(page)


def page_option(text: str) -> typer.models.OptionInfo:
    """An option for a page with marks, between which rows are put."""
    return typer.Option(callback=_with_marks, help=text)


EVERY = [*BACKENDS, *VARIANTS]
Backends = Annotated[
    list[str], typer.Option("--backend", help=f"Backends to measure: {', '.join(EVERY)}.")
]
Devices = Annotated[
    list[str], typer.Option("--device", help="cpu, gpu or both; default all that there are.")
]
DataFormat = Annotated[str, typer.Option(help="channels_last or channels_first.")]
BatchSize = Annotated[int, typer.Option(min=1, help="Images per call.")]
Steps = Annotated[int, typer.Option(min=2, help="Timed calls of each.")]
Output = Annotated[
    Path | None, typer.Option(callback=_in_writable, help="JSON file to write the rows to.")
]
Folder = Annotated[Path, typer.Option(callback=_writable, help="Folder to write into.")]
FolderOrDocs = Annotated[
    Path | None,
    typer.Option(
        callback=_writable_if_given,
        help="Folder to write into; default docs, and nowhere if only a part is measured.",
    ),
]

FORMATS = ("channels_last", "channels_first")
Compare = Callable[[Place], Iterable[report.Row]]


def chosen(kind: str, names: Iterable[str], allowed: Iterable[str]) -> list[str]:
    """The names, each once, or ends the command with those that are allowed."""
    names, allowed = list(dict.fromkeys(names)), list(allowed)
    for name in names:
        if name not in allowed:
            raise SystemExit(f"{name!r} is no {kind}. Choose from {', '.join(allowed)}.")
    return names


def places(backends: list[str], wanted: list[str], data_format: str) -> list[Place]:
    """Every backend on every device; one that was told something on the CPU, if that is wanted."""
    backends = chosen("backend", backends, EVERY)
    chosen("data format", [data_format], FORMATS)
    there = devices()
    return [
        Place(VARIANTS[name][0], device, data_format, variant=name)
        if name in VARIANTS
        else Place(name, device, data_format)
        for device in chosen("device here", wanted, there) or there
        for name in backends
        if name in BACKENDS or device == "cpu"
    ]


def destination(folder: Path | None, whole: bool) -> Path | None:
    """The folder to write into, which is told: the one given, else docs for the whole of a page.

    A part of it would replace the page, and goes nowhere.
    """
    if folder is None and whole:
        folder = _writable(Path("docs"))
    part = "A part of the page is only printed; --folder has it written."
    print(f"Writes into {folder}." if folder else part)
    return folder


def rows(name: str, compare: Compare, where: Iterable[Place]) -> Iterator[report.Row]:
    """The rows of a benchmark in every place, with what it is and where."""
    for place in where:
        labels = {
            "benchmark": name,
            "backend": place.name,
            "device": place.device,
            "format": place.data_format,
        }
        for row in compare(place):
            yield {**labels, **row}


def show(name: str, compare: Compare, where: list[Place], output: Path | None) -> None:
    """Prints the table of one benchmark, and writes it if a path is given."""
    header = report.describe(place.backend for place in where)
    print(header)
    table = report.Table()
    for row in rows(name, compare, where):
        table.add(row)
    table.write_json(output, header)
