"""The table of a run: as JSON, as Markdown, and on the screen."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from keras_gcnn.training import files
from keras_gcnn.training.turned import COLUMNS

_HEADER = ("network", "parameters", *(f"{name}, error %" for name in COLUMNS), "s/epoch")


def _number(values: Sequence[float], digits: int) -> str:
    """Mean, with the standard deviation over several seeds."""
    mean = f"{statistics.mean(values):.{digits}f}"
    return mean if len(values) < 2 else f"{mean} ± {statistics.stdev(values):.{digits}f}"


def table_rows(results: Sequence[dict[str, Any]]) -> list[tuple[str, ...]]:
    """One row of text per network, over its seeds; see `_HEADER`."""
    names = dict.fromkeys(result["network"] for result in results)
    rows = []
    for name in names:
        runs = [result for result in results if result["network"] == name]
        seconds = [run["seconds_per_epoch"] for run in runs if run.get("seconds_per_epoch")]
        rows.append(
            (
                name,
                f"{runs[0]['parameters']:,}",
                *(_number([run["errors"][column] for run in runs], 2) for column in COLUMNS),
                _number(seconds, 2) if seconds else "-",
            )
        )
    return rows


def print_table(results: Sequence[dict[str, Any]], title: str, console: Console) -> None:
    """Shows the table; the heads are broken so that it fits 80 columns."""
    # As `Text`, in which brackets are no markup.
    table = Table(title=Text(f"{title}: test error in %"), title_justify="left")
    for index, name in enumerate(_HEADER):
        head = name.removesuffix(", error %").replace(" ", "\n")
        table.add_column(head, justify="right" if index else "left", no_wrap=True)
    for row in table_rows(results):
        table.add_row(*(Text(cell) for cell in row))
    console.print(table)


def write_tables(
    results: Sequence[dict[str, Any]], folder: Path, title: str, notes: dict[str, Any]
) -> None:
    """Writes `results.json` and `results.md`.

    Args:
        results: one dict per network and seed.
        folder: where to write.
        title: heading of the Markdown table.
        notes: what the results were measured with; written under the table too.
    """
    files.write_json(folder / "results.json", {"title": title, **notes, "results": results})
    lines = [
        f"# {title}",
        "",
        "| " + " | ".join(_HEADER) + " |",
        "|---" + "|---:" * (len(_HEADER) - 1) + "|",
        *("| " + " | ".join(row) + " |" for row in table_rows(results)),
        "",
        notes["data"],
        "",
        f"Seeds: {', '.join(str(seed) for seed in dict.fromkeys(r['seed'] for r in results))}. "
        + ", ".join(f"{key}: {value}" for key, value in notes["environment"].items())
        + ".",
    ]
    files.write_text(folder / "results.md", "\n".join(lines) + "\n")
