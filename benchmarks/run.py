"""The suite: every benchmark in every environment, as one table.

The whole suite is written into `docs` as `measured.json` and `measured.md`, after every benchmark.
A part of it would replace the pages, so it is only written into a folder that is given. When a
benchmark fails, the page says so and the others go on. The ratios of a row were measured in turn in
one process; those of peak memory in a process each.

    python -m benchmarks.run
    python -m benchmarks.run layers steerable --backend jax --steps 50
    python -m benchmarks.run --smallest
    python -m benchmarks.run export --backend jax --again
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import typer

from benchmarks.common import command, report
from benchmarks.common.environments import VARIANT_NOTE, VARIANTS, Environment, Failed
from benchmarks.suite import (
    converted,
    export,
    layers,
    pipeline,
    point_groups,
    pointwise,
    settings,
    small_equivariant,
    start,
    steerable,
    vmf,
    zoo,
)

BENCHMARKS: dict[str, ModuleType] = {
    module.__name__.rpartition(".")[2]: module
    for module in (
        layers,
        steerable,
        point_groups,
        small_equivariant,
        vmf,
        pointwise,
        export,
        converted,
        zoo,
        settings,
        pipeline,
        start,
    )
}
SUMMARY = ("layers", "steerable", "small_equivariant")  # rows of docs/costs.md
EXPORTED = ("export",)  # rows of docs/exported.md
ON_VARIANTS = (*SUMMARY, "vmf", "zoo")  # also measured on variants of backends
COLUMNS = ("benchmark", "backend", "what", "ratio", "quartiles", "target", "met")  # of a summary
NOTES = (
    "Written by `make benchmarks`; [benchmarks.md](benchmarks.md) describes what is measured and "
    "how. A ratio is the median of the ratios of calls made one after another, and the quartiles "
    "are of the same ratios, without the first calls, which compile.",
    VARIANT_NOTE,
)


def measure(
    name: str, where: Iterable[Environment], given: dict[str, Any], table: report.Table
) -> list[str]:
    """Adds the rows of a benchmark to a table; returns a line for each failure."""
    failures = []
    for environment in where:
        try:
            compare = partial(BENCHMARKS[name].compare, **given)
            for row in command.rows(name, compare, [environment]):
                table.add(row)
        except Failed as failure:
            print(failure, file=sys.stderr)
            failures.append(
                f"{name} failed on {environment.name}, {environment.device}: {failure.reason}."
            )
    return failures


def others(rows: Iterable[report.Row], names: Iterable[str], where: Iterable[Environment]) -> list:
    """The rows without those of these benchmarks in these environments."""
    measured = {
        (name, environment.name, environment.device, environment.data_format)
        for name in names
        for environment in where
    }
    labels = ("benchmark", "backend", "device", "format")
    return [row for row in rows if tuple(row[label] for label in labels) not in measured]


def summarise(page: Path, benchmarks: Iterable[str], header: str, rows: list[report.Row]) -> None:
    """Puts the rows of some benchmarks on a page: only those with a target, if there are any."""
    chosen = [row for row in rows if row["benchmark"] in benchmarks]
    rows = [row for row in chosen if row["target"] != ""] or chosen
    notes = [VARIANT_NOTE] if any(row["backend"] in VARIANTS for row in rows) else []
    summary = [{name: row[name] for name in COLUMNS} for row in rows]
    report.write_between(page, command.MARK, [f"{header}.", *notes], summary)


def main(
    names: Annotated[list[str] | None, typer.Argument(help="Benchmarks; default all.")] = None,
    backend: command.Backends = tuple(command.EVERY),
    device: command.Devices = (),
    data_format: command.DataFormat = "channels_last",
    steps: Annotated[int | None, typer.Option(min=2, help="Timed calls of each.")] = None,
    smallest: Annotated[
        bool,
        typer.Option(help="Only check that all benchmarks run; default folder a temporary one."),
    ] = False,
    folder: command.FolderOrDocs = None,
    summary: Annotated[Path | None, command.page_option("Page with marks for a summary.")] = None,
    exported: Annotated[Path | None, command.page_option("Page with marks for `export`.")] = None,
    again: Annotated[
        bool,
        typer.Option(help="Replace these rows in the folder's, of the same machine and day."),
    ] = False,
) -> None:
    """Runs benchmarks, prints their table, and writes it as JSON and Markdown."""
    names = command.chosen("benchmark", names or BENCHMARKS, BENCHMARKS)
    where = command.environments(backend, device, data_format)
    every = command.environments(command.EVERY, (), "channels_last")
    everywhere = set(where) == set(every)
    pages = [(page, needed) for page, needed in ((summary, SUMMARY), (exported, EXPORTED)) if page]
    for page, needed in pages:
        if smallest or not (again or (everywhere and set(needed) <= set(names))):
            raise SystemExit(
                f"{page} takes all rows of {', '.join(needed)}, in full size: leave out the page, "
                "or what selects less."
            )
    header = report.describe(environment.backend for environment in (every if again else where))
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
        here = [place for place in where if place.variant is None or name in ON_VARIANTS]
        failures[name] = measure(name, here, given, table)
        remarks = [line for lines in failures.values() for line in lines]
        table.write(folder, "measured", "Measured", header, [*NOTES, *remarks], left=names[number:])
    if not table.rows:
        remarks.append("Nothing was measured; nothing is written.")
    for page, needed in pages:
        if any(failures.get(name) for name in needed):
            remarks.append(f"{page} is left as it was.")
        else:
            summarise(page, needed, header, [*table.kept, *table.rows])
    if remarks:
        raise SystemExit("\n".join(remarks))


if __name__ == "__main__":
    typer.run(main)
