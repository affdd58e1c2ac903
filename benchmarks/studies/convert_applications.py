"""Converts the architectures of `keras.applications` to group layers and measures what comes out.

For one architecture of each family and each `keep`, at a size that its strides fit and, with exact
downsampling, at 96: with random weights and statistics, the error under all elements and what is
lost on the way to a file for another backend, to ONNX and to stock layers; whether five training
steps lower the loss; and the time to convert beside the time to build.

    python -m benchmarks.studies.convert_applications
    python -m benchmarks.studies.convert_applications --backend torch --network ResNet50 --again

Set `MALLOC_MMAP_MAX_=0` on Linux to save time: else every large tensor gets new pages.
"""

from __future__ import annotations

import itertools
import re
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.common import command, report
from benchmarks.common.environments import BACKENDS, Environment, Failed
from benchmarks.studies.applications import (
    DIFFERENCES,
    EXACT_SIZE,
    MOST,
    MOST_WEIGHTS,
    NETWORKS,
    RATES,
    STEPS,
    load,
    measure,
)

KEEPS = ["channels", "parameters", "fields"]
LOADED_BY = {"tensorflow": "torch", "jax": "torch", "torch": "tensorflow"}
NAMES = list(NETWORKS)
PAGE, TITLE = "conversions", "Keras's applications, converted"
NOTES = (
    "Written by `python -m benchmarks.studies.convert_applications`: one architecture of each "
    "family of `keras.applications`, made equivariant on p4m by `convert` with each "
    "[`keep`](layers.md#models-that-you-have), at a size that its windows fit and, with "
    f'`downsampling="exact"`, at {EXACT_SIZE}. Scales, '
    "offsets and statistics are random. A row has the worst of all cases that it names; "
    "the JSON files have every case, with parameters and multiply-adds. Cases "
    f"of more than {MOST / 1e9:.0f} thousand million multiply-adds, or of more than "
    f"{MOST_WEIGHTS / 1e6:.0f} million parameters, are left out; `ended by signal 9` means that "
    "the 24 GiB of memory were not enough.",
    "All differences are relative to the largest output. `images differ` is that of two images, "
    "beside which the others have to be small; `error` is the largest under all elements of the "
    "group; `loaded elsewhere` compares with the same network, saved and loaded under another "
    "backend ("
    + ", ".join(f"{after} for {before}" for before, after in LOADED_BY.items())
    + "); `ONNX` with ONNX Runtime on the exported file, and `to_plain` with the network of stock "
    f"layers. `loss falls` tells whether one of {STEPS} steps of Adam brings the loss of a batch "
    "below the first, at the "
    "rates " + ", ".join(f"{rate:g} for {keep}" for keep, rate in RATES.items()) + ".",
)
Networks = Annotated[list[str], command.choice_option("--network", "network", NAMES)]
Keeps = Annotated[list[str], command.choice_option("--keep", "way to convert", KEEPS)]


def rows_of(name: str, backend: str, keep: str, group: str) -> list[report.Row]:
    """The rows of one architecture: measured under the backend, and loaded under another."""
    labels = {"network": name, "backend": backend, "keep": keep}
    with tempfile.TemporaryDirectory() as folder:
        rows = Environment(backend).run(measure, name, keep, group, folder)
        loaded = Environment(LOADED_BY[backend]).run(load, folder)
    for row in rows:
        row["loaded elsewhere"] = loaded.get(row["downsampling"], "")
    return [labels | row for row in rows]


def attempted(name: str, backend: str, keep: str, group: str) -> list[report.Row]:
    """The rows of one architecture, or one row with the reason why there are none."""
    try:
        return rows_of(name, backend, keep, group)
    except Failed as failure:
        print(failure, file=sys.stderr)
        labels = {"network": name, "backend": backend, "keep": keep}
        return [{**labels, "size": "", "left out": failure.reason}]


def summary(rows: list[report.Row]) -> list[report.Row]:
    """A row for each network and backend, with the worst values over ways and sizes."""
    places = dict.fromkeys((row["network"], row["backend"]) for row in rows)
    return [
        _worst(name, backend, [row for row in rows if _place(row) == (name, backend)])
        for name, backend in sorted(places, key=lambda at: (NAMES.index(at[0]), at[1]))
    ]


def _place(row: report.Row) -> tuple[str, str]:
    return row["network"], row["backend"]


def _worst(name: str, backend: str, rows: list[report.Row]) -> report.Row:
    done = [row for row in rows if not row["left out"]]
    left = [row for row in rows if row["left out"]]
    return {
        "network": name,
        "backend": backend,
        "measured": _cases(done),
        "left out": _cases(left)
        + "".join(f": {reason}" for reason in {r["left out"] for r in left}),
        "images differ": min((row["images differ"] for row in done), key=float, default=""),
        **{what: _largest([row[what] for row in done]) for what in DIFFERENCES},
        "loss falls": max((row["loss falls"] for row in done), key="yes".__ne__, default=""),
        "convert, s": max((row["convert, s"] for row in done), default=""),
    }


def missing(rows: list[report.Row]) -> str:
    """A sentence on what has not been measured yet, or nothing."""
    seen = {(*_place(row), row["keep"]) for row in rows}
    parts = []
    for backend, keep in itertools.product(BACKENDS, KEEPS):
        names = [name for name in NAMES if (name, backend, keep) not in seen]
        if names:
            some = "all" if names == NAMES else ", ".join(names)
            parts.append(f"{backend} with keep={keep}: {some}")
    return f"Not measured yet: {'; '.join(parts)}." if parts else ""


def _cases(rows: list[report.Row]) -> str:
    by_keep: dict[str, list[str]] = {}
    for row in rows:
        by_keep.setdefault(row["keep"], []).append(str(row["size"]))
    return ", ".join(f"{keep} {' and '.join(sizes)}".strip() for keep, sizes in by_keep.items())


def _largest(values: list[str]) -> str:
    """The largest number, or the first text that is none."""
    texts = [value for value in values if not re.fullmatch(r"[0-9.e+-]+", value)]
    return texts[0] if texts else max(values, key=float, default="")


def main(
    backend: command.Backends = BACKENDS,
    network: Networks = NAMES,
    keep: Keeps = KEEPS,
    group: Annotated[str, typer.Option(help="The group.")] = "p4m",
    folder: command.FolderOrDocs = None,
    again: Annotated[
        bool,
        typer.Option(help="Replace these rows in the folder's, of the same machine and day."),
    ] = False,
) -> None:
    """Prints two rows for every architecture, backend and way to convert it; writes a page."""
    backend = command.chosen("backend", backend, BACKENDS)
    header = report.describe(BACKENDS)
    print(header)
    whole = [set(backend), network, keep, group] == [set(BACKENDS), NAMES, KEEPS, "p4m"]
    folder = command.destination(folder, again or whole)
    for each, way in itertools.product(backend, keep):
        file = file_of(folder, each, way) if folder else None
        table = report.Table(report.read_rows(file, header) if file and again else [])
        for name in network:
            table.kept = [row for row in table.kept if row["network"] != name]
            for row in attempted(name, each, way, group):
                table.add(row)
            if folder:
                table.write_json(file, header)
                write_page(folder)


def file_of(folder: Path, backend: str, keep: str) -> Path:
    """The file of a backend and way to convert; each has its own, to be measured on its own day."""
    return folder / f"{PAGE}.{backend}.{keep}.json"


def write_page(folder: Path) -> None:
    """Writes the page of the rows that the folder has."""
    headers: dict[str, list[str]] = {}
    rows: list[report.Row] = []
    for backend, keep in itertools.product(BACKENDS, KEEPS):
        path = file_of(folder, backend, keep)
        if path.is_file():
            content = report.read(path)
            headers.setdefault(content["measured with"], []).append(f"{backend} with {keep}")
            rows += content["rows"]
    measured = [f"{', '.join(parts)}: {header}." for header, parts in headers.items()]
    notes = [*measured, *NOTES, *filter(None, [missing(rows)])]
    report.Table(summary(rows)).write_markdown(folder / f"{PAGE}.md", TITLE, notes)


if __name__ == "__main__":
    typer.run(main)
