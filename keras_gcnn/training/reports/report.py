"""The results of a run: as JSON, as Markdown, and as a table on the screen."""

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
from keras_gcnn.training import atomic_files, environment
from keras_gcnn.training.inputs.rotated_evaluation import COLUMNS
from keras_gcnn.training.recipes.schema import Recipe
from keras_gcnn.training.recipes.tables import TrainingTable

Results = Sequence[dict[str, Any]]
_DIGITS = {"leakage": 4, "angle R2": 3, "Dice": 4, "IoU": 4}  # of measures; others have two
FILES = ("results.json", "results.md")  # that `write_tables` writes


class Summary:
    """The facts about a data set that a report needs, so that the images need not be kept.

    Args:
        dataset: loaded with one of the run's seeds.
        seed: int, the seed with which the data set was loaded.
        several: bool, whether the run has further seeds, for which other images are chosen.
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
    """Groups results by network: a dict from its name to its results, one per seed."""
    names = dict.fromkeys(result["network"] for result in results)
    return {name: [result for result in results if result["network"] == name] for name in names}


def _spread(values: Sequence[float], digits: int = 2) -> str:
    """Returns the mean as text, with the standard deviation if there are several values."""
    mean = f"{statistics.mean(values):.{digits}f}"
    return mean if len(values) < 2 else f"{mean} ± {statistics.stdev(values):.{digits}f}"


def table_rows(results: Results) -> list[dict[str, str]]:
    """Returns one row per network, with means over its seeds: a dict from column to text.

    Results of `keras-gcnn train` also have columns on training: the number of seeds, the epochs of
    the longest training, the seconds of an epoch, and the mean minutes.
    """
    columns = [
        name for name in COLUMNS if all(name in result.get("errors", ()) for result in results)
    ]
    trained = all("seconds" in result for result in results)
    counted = all("multiply_adds" in result for result in results)  # not by version 0.1
    rows = []
    for name, runs in by_network(results).items():
        row = {"network": name, "parameters": f"{runs[0]['parameters']:,}"}
        if counted:
            row["multiply-adds"] = f"{runs[0]['multiply_adds']:,}"
        if trained:
            row["seeds"] = str(len(runs))
            row["epochs"] = str(max(run["epochs"] for run in runs))
        for column in columns:
            row[f"{column}, error %"] = _spread([run["errors"][column] for run in runs])
        for split in runs[0].get("losses", ()):
            row[f"{split} loss"] = _spread([run["losses"][split] for run in runs], 3)
        for column in runs[0].get("areas", ()):
            row[f"{column} AUC"] = _spread([run["areas"][column] for run in runs], 4)
        for name in runs[0].get("measures", ()):
            values = [run["measures"][name] for run in runs]
            row[name] = _spread(values, _digits(name))
        if trained:
            row["s/epoch"] = f"{statistics.mean(run['seconds_per_epoch'] for run in runs):.2f}"
            row["minutes"] = f"{statistics.mean(run['seconds'] for run in runs) / 60:.2f}"
        rows.append(row)
    return rows


def _digits(measure: str) -> int:
    """Returns the decimal places of a measure; those of `Dice` are those of `Dice of cells` too."""
    for name, digits in _DIGITS.items():
        if measure == name or measure.startswith((f"{name} of ", f"{name}, ")):
            return digits
    return 2


def _transposed(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """Swaps rows and columns: one column per network. The title of the table has the unit."""
    names = [row["network"] for row in rows]
    return [
        {
            "network": column.removesuffix(", error %"),
            **dict(zip(names, (row[column] for row in rows), strict=True)),
        }
        for column in list(rows[0])[1:]
    ]


def print_table(results: Results, title: str, console: Console) -> None:
    """Prints the table: one network per row, or per column where rows do not fit.

    Heads and deviations are broken into lines, so that a table of few columns fits 80 characters.
    """
    rows = table_rows(results)
    unit = ": test error in %" if "errors" in results[0] else ""
    heading = Text(f"{title}{unit}")  # in a `Text`, brackets are no markup
    wide, high = _table(rows, heading), _table(_transposed(rows), heading)
    more_measures = len(rows) < len(results[0].get("measures", ()))
    # Where there is no room, rich would cut off numbers and, first of all, names.
    options = console.options.update(max_width=1000)
    fits = [
        console.measure(table, options=options).maximum <= console.width for table in (wide, high)
    ]
    console.print(high if more_measures or fits == [False, True] else wide)


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
        if name == "network":  # the only column that may be broken: numbers would be cut off
            table.add_column(head, overflow="fold", min_width=len(head))
        else:
            table.add_column(head, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*(Text(cell.replace(" ± ", "\n± ")) for cell in row.values()))
    return table


def write_tables(
    results: Results, recipe: Recipe, folder: Path, summary: Summary, plots: Mapping[str, str]
) -> list[str]:
    """Writes `results.json` and `results.md`.

    Args:
        results: one dict per network and seed.
        recipe: what was trained.
        folder: where to write.
        summary: of the data.
        plots: dict from the names of files in the folder to their captions.

    Returns:
        Names of all files of the report, with those of the plots.
    """
    runs = by_network(results)
    missing = [
        {"network": table.name, "seed": seed}
        for table, seed in recipe.networks
        if not any(run["seed"] == seed for run in runs.get(table.name, ()))
    ]
    networks = [
        {
            "network": table.name,
            "parameters": runs[table.name][0]["parameters"],
            "seeds": [run["seed"] for run in runs[table.name]],
            "most_epochs": recipe.training_of(table).epochs,
            "augmentation": str(recipe.training_of(table).augment),
            **({} if table.symmetrize is None else {"symmetrize": str(table.symmetrize)}),
        }
        for table in recipe.models
        if table.name in runs
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
    atomic_files.write_json(folder / "results.json", content)
    rows = table_rows(results)
    lines = [
        f"# {recipe.title}",
        "",
        "| " + " | ".join(rows[0]) + " |",
        "|---" + "|---:" * (len(rows[0]) - 1) + "|",
        *("| " + " | ".join(row.values()) + " |" for row in rows),
        "",
        _explain(networks, summary, any(len(seeds) > 1 for seeds in runs.values())),
    ]
    if missing:
        names = ", ".join(f"{pair['network']} with seed {pair['seed']}" for pair in missing)
        lines += ["", f"Not yet trained: {names}."]
    lines += ["", summary.description, "", *environment.markdown_lines(results)]
    for name, caption in plots.items():
        image = "!" if name.endswith(".png") else ""
        lines += ["", f"{image}[{caption}]({name})"]
    atomic_files.write_text(folder / "results.md", "\n".join(lines) + "\n")
    return [*FILES, *plots]


def _explain(networks: list[dict[str, Any]], summary: Summary, several: bool) -> str:
    """Returns the sentences that explain the numbers of the table."""
    images = summary.images
    epochs = _by_value({entry["network"]: str(entry["most_epochs"]) for entry in networks})
    seeds = _by_value({entry["network"]: ", ".join(map(str, entry["seeds"])) for entry in networks})
    text = (
        f"At most this many epochs: {epochs}. Images: {images['training']:,} for training, "
        f"{images['validation']:,} for validation, {images['test']:,} for testing. Seeds: {seeds}. "
        "Epochs are those of the longest training; seconds of an epoch (the median epoch) and "
        "minutes of training are wall time, the mean over the seeds, and other work on the machine "
        "makes them longer. Multiply-adds are those of one image in a forward pass."
    )
    if summary.training.keep == "last":
        text += " The weights of the last epoch were measured."
    augmented = _by_value({entry["network"]: entry["augmentation"] for entry in networks})
    if augmented != "unchanged":
        text += f" Training images, changed at random in every epoch: {augmented}."
    averaged = [
        f"{entry['network']} ({entry['symmetrize']})" for entry in networks if "symmetrize" in entry
    ]
    if averaged:
        text += (
            " After the training these networks were run on every image in several poses, and "
            f"averaged: {', '.join(averaged)}."
        )
    if summary.training.straighten:
        text += (
            " Every training image was rotated by a random angle, anew in every epoch, and the "
            "upright image was the target; test images are reconstructed as they are."
        )
    return text + (" Errors are mean ± standard deviation over the seeds." if several else "")


def _by_value(values: dict[str, str]) -> str:
    """Returns the value that all networks share, or each value with its networks."""
    groups: dict[str, list[str]] = {}
    for name, value in values.items():
        groups.setdefault(value, []).append(name)
    if len(groups) == 1:
        return next(iter(groups))
    return "; ".join(f"{value} ({', '.join(names)})" for value, names in groups.items())
