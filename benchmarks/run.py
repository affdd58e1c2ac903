"""The suite: every benchmark by its name, in every place, as one table.

The whole suite is written into `docs` as `measured.json` and `measured.md`, after every benchmark;
a part of it, which would replace the pages, only into a folder that is given. What fails is told,
and the others go on. The ratios of a row were taken in turn in one process; those of peak memory in
a process each.

    python benchmarks/run.py
    python benchmarks/run.py layers steerable --backend jax --steps 50
    python benchmarks/run.py --smallest
    python benchmarks/run.py export --backend jax --again
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import command
import export
import layers
import less
import pipeline
import pointwise
import report
import settings
import start
import steerable
import typer
import vmf
from places import TOLD, VARIANTS, Failed, Place

import zoo

BENCHMARKS: dict[str, ModuleType] = {
    one.__name__: one
    for one in (
        layers,
        steerable,
        less,
        vmf,
        pointwise,
        export,
        zoo,
        settings,
        pipeline,
        start,
    )
}
SUMMARY = ("layers", "steerable", "less")  # rows of the README
SERVING = ("export",)
OF_VARIANTS = (*SUMMARY, "vmf", "zoo")  # measured of backends that were told something
COLUMNS = ("benchmark", "backend", "what", "ratio", "quartiles", "target", "met")  # of a summary
NOTES = (
    "Written by `make benchmarks`; [benchmarks.md](benchmarks.md) tells what is measured and how. "
    "A ratio is the median of those of calls made one after another, and the quartiles are of "
    "these; the first calls, which compile, are not among them.",
    TOLD,
)


def measure(
    name: str, where: Iterable[Place], given: dict[str, Any], table: report.Table
) -> list[str]:
    """Adds the rows of a benchmark to a table; lines that tell where it failed."""
    failures = []
    for place in where:
        try:
            for row in command.rows(name, partial(BENCHMARKS[name].compare, **given), [place]):
                table.add(row)
        except Failed as failure:
            print(failure, file=sys.stderr)
            failures.append(f"{name} failed on {place.name}, {place.device}: {failure.reason}.")
    return failures


def others(rows: Iterable[report.Row], names: Iterable[str], where: Iterable[Place]) -> list:
    """The rows but for those of these benchmarks in these places."""
    measured = {
        (name, place.name, place.device, place.data_format) for name in names for place in where
    }
    labels = ("benchmark", "backend", "device", "format")
    return [row for row in rows if tuple(row[one] for one in labels) not in measured]


def summarise(page: Path, benchmarks: Iterable[str], header: str, found: list[report.Row]) -> None:
    """Puts the rows of some benchmarks on a page: those with a target, if there are such."""
    chosen = [row for row in found if row["benchmark"] in benchmarks]
    rows = [row for row in chosen if row["target"] != ""] or chosen
    told = [TOLD] if any(row["backend"] in VARIANTS for row in rows) else []
    summary = [{name: row[name] for name in COLUMNS} for row in rows]
    report.write_between(page, command.MARK, [f"{header}.", *told], summary)


def main(
    names: Annotated[list[str] | None, typer.Argument(help="Benchmarks; default all.")] = None,
    backend: command.Backends = command.EVERY,
    device: command.Devices = [],  # noqa: B006
    data_format: command.DataFormat = "channels_last",
    steps: Annotated[int | None, typer.Option(min=2, help="Timed calls of each.")] = None,
    smallest: Annotated[
        bool,
        typer.Option(help="To see that all runs, not how fast; default folder a temporary one."),
    ] = False,
    folder: command.FolderOrDocs = None,
    readme: Annotated[Path | None, command.page_option("Page with marks for a summary.")] = None,
    serving: Annotated[Path | None, command.page_option("And for the rows of export.")] = None,
    again: Annotated[
        bool,
        typer.Option(help="Replace these rows in the folder's, of the same machine and day."),
    ] = False,
) -> None:
    """Runs benchmarks, prints their table, and writes it as JSON and Markdown."""
    names = command.chosen("benchmark", names or BENCHMARKS, BENCHMARKS)
    where = command.places(backend, device, data_format)
    every = command.places(command.EVERY, [], "channels_last")
    everywhere = set(where) == set(every)
    pages = [(page, needed) for page, needed in ((readme, SUMMARY), (serving, SERVING)) if page]
    for page, needed in pages:
        if smallest or not (again or (everywhere and set(needed) <= set(names))):
            raise SystemExit(
                f"{page} takes all rows of {', '.join(needed)}, in full size: leave out the page, "
                "or what selects less."
            )
    header = report.describe(place.backend for place in (every if again else where))
    print(header)
    if smallest and folder is None:
        folder = Path(tempfile.mkdtemp(prefix="measured-"))
    whole = everywhere and set(names) == set(BENCHMARKS)
    folder = command.destination(folder, again or whole)
    kept = others(report.read_rows(folder / "measured.json", header), names, where) if again else []
    table, failures = report.Table(kept), {}
    for number, name in enumerate(names, start=1):
        given: dict[str, Any] = dict(BENCHMARKS[name].SMALLEST) if smallest else {}
        if steps:
            given["steps"] = steps
        here = [one for one in where if one.variant is None or name in OF_VARIANTS]
        failures[name] = measure(name, here, given, table)
        told = [line for lines in failures.values() for line in lines]
        table.write(folder, "measured", "Measured", header, [*NOTES, *told], left=names[number:])
    if not table.rows:
        told.append("Nothing was measured; nothing is written.")
    for page, needed in pages:
        if any(failures.get(name) for name in needed):
            told.append(f"{page} is left as it was.")
        else:
            summarise(page, needed, header, [*table.kept, *table.rows])
    if told:
        raise SystemExit("\n".join(told))


if __name__ == "__main__":
    typer.run(main)
