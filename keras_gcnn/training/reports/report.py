"""The table of a run: as JSON, as Markdown, and on the screen."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from keras_gcnn.data import Dataset
from keras_gcnn.data.loading import describe_for_all_seeds
from keras_gcnn.training import atomic_files as files
from keras_gcnn.training import environment
from keras_gcnn.training.recipes.schema import Recipe
from keras_gcnn.training.recipes.tables import TrainingTable
from keras_gcnn.training.rotated_evaluation import COLUMNS

Results = Sequence[dict[str, Any]]
_DIGITS = {"leakage": 4, "angle R2": 3}  # of measures; others have two


class Summary:
    """What a report says of a data set; the images themselves need not be kept for it.

    Args:
        dataset: loaded with one of the run's seeds.
        seed: int, which one.
        several: bool, whether the run has others too, with other choices from the same images.
        training: how the networks were trained.
    """

    def __init__(self, dataset: Dataset, seed: int, several: bool, training: TrainingTable):
        self.training = training
        self.description = dataset.description
        if several:
            self.description = describe_for_all_seeds(dataset.description, seed)
        self.classes = dataset.classes
        self.images = {
            "training": len(dataset.train),
            "validation": len(dataset.validation),
            "test": len(dataset.test),
        }


def by_network(results: Results) -> dict[str, list[dict[str, Any]]]:
    """The results of every network, over its seeds."""
    names = dict.fromkeys(result["network"] for result in results)
    return {name: [one for one in results if one["network"] == name] for name in names}


def _spread(values: Sequence[float], digits: int = 2) -> str:
    """Mean, with the standard deviation over several seeds."""
    mean = f"{statistics.mean(values):.{digits}f}"
    return mean if len(values) < 2 else f"{mean} ± {statistics.stdev(values):.{digits}f}"


def table_rows(results: Results) -> list[dict[str, str]]:
    """One row per network, over its seeds, as text by column.

    Results of `keras-gcnn train` have columns on training too: the number of seeds, the most epochs
    that one took, and the mean minutes.
    """
    columns = [name for name in COLUMNS if all(name in one.get("errors", ()) for one in results)]
    trained = all("seconds" in one for one in results)
    rows = []
    for name, runs in by_network(results).items():
        row = {"network": name, "parameters": f"{runs[0]['parameters']:,}"}
        if trained:
            row["seeds"] = str(len(runs))
            row["epochs"] = str(max(run["epochs"] for run in runs))
        for column in columns:
            row[f"{column}, error %"] = _spread([run["errors"][column] for run in runs])
        for split in runs[0].get("losses", ()):
            row[f"{split} loss"] = _spread([run["losses"][split] for run in runs], 3)
        for name in runs[0].get("measures", ()):
            values = [run["measures"][name] for run in runs]
            row[name] = _spread(values, _DIGITS.get(name, 2))
        if trained:
            row["minutes"] = f"{statistics.mean(run['seconds'] for run in runs) / 60:.2f}"
        rows.append(row)
    return rows


def _transposed(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """One row per column and one column per network."""
    names = [row["network"] for row in rows]
    return [
        {"network": column, **dict(zip(names, (row[column] for row in rows), strict=True))}
        for column in list(rows[0])[1:]
    ]


def print_table(results: Results, title: str, console: Console) -> None:
    """Shows the table: a network in a row, or in a column if there is no room or less need.

    Heads and deviations are broken so that few columns fit 80 characters.
    """
    rows = table_rows(results)
    # As `Text`, in which brackets are no markup.
    what = ": test error in %" if "errors" in results[0] else ""
    shown = Text(f"{title}{what}")
    wide, high = _table(rows, shown), _table(_transposed(rows), shown)
    many = len(rows) < len(results[0].get("measures", ()))
    # Where there is no room, rich would cut off numbers and, first of all, names.
    options = console.options.update(max_width=1000)
    fits = [
        console.measure(table, options=options).maximum <= console.width for table in (wide, high)
    ]
    console.print(high if many or fits == [False, True] else wide)


def _table(rows: list[dict[str, str]], title: Text) -> Table:
    table = Table(
        title=title,
        title_justify="left",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 1, 0, 0),
    )
    for name in rows[0]:
        head = name.removesuffix(", error %").replace(" ", "\n")
        if name == "network":  # the column that may be broken, where numbers would be cut off
            table.add_column(head, overflow="fold", min_width=len(head))
        else:
            table.add_column(head, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*(Text(cell.replace(" ± ", "\n± ")) for cell in row.values()))
    return table


def write_tables(
    results: Results, recipe: Recipe, folder: Path, summary: Summary, pictures: Mapping[str, str]
) -> list[str]:
    """Writes `results.json` and `results.md`.

    Args:
        results: one dict per network and seed.
        recipe: what was trained.
        folder: where to write.
        summary: of the data.
        pictures: files in the folder to show, with what they show.

    Returns:
        Names of all files of the report, with the pictures.
    """
    own = by_network(results)
    missing = [
        {"network": table.name, "seed": seed}
        for table, seed in recipe.networks
        if not any(run["seed"] == seed for run in own.get(table.name, ()))
    ]
    networks = [
        {
            "network": table.name,
            "parameters": own[table.name][0]["parameters"],
            "seeds": [run["seed"] for run in own[table.name]],
            "most_epochs": recipe.training_of(table).epochs,
        }
        for table in recipe.models
        if table.name in own
    ]
    content = {
        "title": recipe.title,
        "data": summary.description,
        "images": summary.images,
        "environment": environment.describe(),
        "networks": networks,
        "missing": missing,
        "results": results,
    }
    files.write_json(folder / "results.json", content)
    rows = table_rows(results)
    lines = [
        f"# {recipe.title}",
        "",
        "| " + " | ".join(rows[0]) + " |",
        "|---" + "|---:" * (len(rows[0]) - 1) + "|",
        *("| " + " | ".join(row.values()) + " |" for row in rows),
        "",
        _caps(networks, summary, any(len(runs) > 1 for runs in own.values())),
    ]
    if missing:
        names = ", ".join(f"{one['network']} with seed {one['seed']}" for one in missing)
        lines += ["", f"Not yet trained: {names}."]
    lines += ["", summary.description, "", *environment.lines(results)]
    for name, caption in pictures.items():
        picture = "!" if name.endswith(".png") else ""
        lines += ["", f"{picture}[{caption}]({name})"]
    files.write_text(folder / "results.md", "\n".join(lines) + "\n")
    return ["results.json", "results.md", *pictures]


def _caps(networks: list[dict[str, Any]], summary: Summary, several: bool) -> str:
    """What bounds the numbers of the table."""
    images = summary.images
    epochs = _by_value({one["network"]: str(one["most_epochs"]) for one in networks})
    seeds = _by_value({one["network"]: ", ".join(map(str, one["seeds"])) for one in networks})
    text = (
        f"At most this many epochs: {epochs}. Images: {images['training']:,} for training, "
        f"{images['validation']:,} for validation, {images['test']:,} for testing. Seeds: {seeds}. "
        "Epochs are the most that a seed took; minutes of training are the mean over the seeds, of "
        "wall time, which other work on the machine makes longer."
    )
    if summary.training.keep == "last":
        text += " Measured are the weights of the last epoch."
    if summary.training.rotate:
        text += " Every training image was turned by a random angle, anew in every epoch."
    if summary.training.straighten:
        text += (
            " Every training image was turned by a random angle, anew in every epoch, and was to "
            "be drawn as it was before; test images are drawn as they are."
        )
    return text + (" Errors are mean ± standard deviation over the seeds." if several else "")


def _by_value(values: dict[str, str]) -> str:
    """One value if it is every network's, or each with its networks."""
    groups: dict[str, list[str]] = {}
    for name, value in values.items():
        groups.setdefault(value, []).append(name)
    if len(groups) == 1:
        return next(iter(groups))
    return "; ".join(f"{value} ({', '.join(names)})" for value, names in groups.items())
