"""Loads the data of a recipe: a data set by its name, or a folder of images."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from keras_gcnn import data
from keras_gcnn.training.recipes.tables import FOLDER_KEYS, DataTable

_FEW = 500  # images that are read before anybody would look at a bar


def load_dataset(
    table: DataTable, seed: int, data_dir: str | Path | None = None, console: Console | None = None
) -> data.Dataset:
    """Loads the data of a recipe.

    Args:
        table: `[data]` of the recipe.
        seed: int, for the splits.
        data_dir: where prepared data sets are; see `keras_gcnn.data.load`.
        console: where progress is shown while images are decoded; None for silence.

    Raises:
        ValueError: if the data are not there, or do not fit the table.
    """
    options = table.model_dump()
    if table.folder is None:
        named = {key: options[key] for key in options.keys() - {*FOLDER_KEYS, "folder"}}
        return data.load(**named, seed=seed, data_dir=data_dir)
    for key in ("name", "rotate"):
        del options[key]
    folder = options.pop("folder")
    return data.load_folder(folder, **options, seed=seed, progress=_Bar(console))


class _Bar:
    """Shows the progress of reading images."""

    def __init__(self, console: Console | None):
        self._console = console

    def __call__(self, items: Iterable, label: str, total: int) -> Iterable:
        if self._console is None or total < _FEW:
            yield from items
            return
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, TimeRemainingColumn(), console=self._console) as progress:
            yield from progress.track(items, total=total, description=label)
