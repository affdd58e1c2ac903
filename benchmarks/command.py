"""What the commands of the benchmarks share: options, places, and the table that they print."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Annotated

import report
import typer
from places import BACKENDS, VARIANTS, Place, devices


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


def _in_writable(path: Path | None) -> Path | None:
    return path and _writable(path.parent) / path.name


Backends = Annotated[
    list[str],
    typer.Option("--backend", help=f"Backends to measure: {', '.join([*BACKENDS, *VARIANTS])}."),
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
    backends = chosen("backend", backends, [*BACKENDS, *VARIANTS])
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
