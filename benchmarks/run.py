"""The suite: every benchmark by its name, in every place, as one table.

It writes `measured.json` and `measured.md` into the folder given, `docs` by default. The ratios of
a row were taken in turn in one process; those of peak memory in a process each.

    python benchmarks/run.py
    python benchmarks/run.py layers steerable --backend jax --steps 50
    python benchmarks/run.py --smallest --folder /tmp
"""

from __future__ import annotations

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
from places import BACKENDS, TOLD, VARIANTS

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
SUMMARY = ("layers", "steerable", "less")
OF_VARIANTS = (*SUMMARY, "vmf", "zoo")  # measured of backends that were told something
COLUMNS = ("benchmark", "backend", "what", "ratio", "quartiles", "target", "met")  # of a summary
NOTES = (
    "Written by `make benchmarks`; [benchmarks.md](benchmarks.md) tells what is measured and how. "
    "A ratio is the median of those of calls made one after another, and the quartiles are of "
    "these; the first calls, which compile, are not among them.",
    TOLD,
)


def main(
    names: Annotated[list[str] | None, typer.Argument(help="Benchmarks; default all.")] = None,
    backend: command.Backends = [*BACKENDS, *VARIANTS],  # noqa: B006
    device: command.Devices = [],  # noqa: B006
    data_format: command.DataFormat = "channels_last",
    steps: Annotated[int | None, typer.Option(min=2, help="Timed calls of each.")] = None,
    smallest: Annotated[bool, typer.Option(help="To see that all runs, not how fast.")] = False,
    folder: command.Folder = Path("docs"),
    readme: Annotated[Path | None, typer.Option(help="Page with marks for a summary.")] = None,
    serving: Annotated[Path | None, typer.Option(help="And for the rows of export.")] = None,
) -> None:
    """Runs benchmarks, prints their table, and writes it as JSON and Markdown."""
    names = command.chosen("benchmark", names or BENCHMARKS, BENCHMARKS)
    where = command.places(backend, device, data_format)
    header = report.describe(place.backend for place in where)
    print(header)
    table = report.Table()
    for name in names:
        given: dict[str, Any] = dict(BENCHMARKS[name].SMALLEST) if smallest else {}
        if steps:
            given["steps"] = steps
        here = [one for one in where if one.variant is None or name in OF_VARIANTS]
        for row in command.rows(name, partial(BENCHMARKS[name].compare, **given), here):
            table.add(row)
    table.write_json(folder / "measured.json", header)
    table.write_markdown(folder / "measured.md", "Measured", [f"{header}.", *NOTES])
    for page, benchmarks in ((readme, SUMMARY), (serving, ("export",))):
        chosen = [row for row in table.rows if row["benchmark"] in benchmarks]
        rows = [row for row in chosen if row["target"] != ""] or chosen
        if page and rows:
            summary = [{name: row[name] for name in COLUMNS} for row in rows]
            told = [TOLD] if any(row["backend"] in VARIANTS for row in rows) else []
            report.write_between(page, "measured", [f"{header}.", *told], summary)


if __name__ == "__main__":
    typer.run(main)
