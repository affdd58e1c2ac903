"""Loads the data of a recipe: a data set by its name, or a folder of images."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from keras_gcnn import data
from keras_gcnn.training.progress import Bar
from keras_gcnn.training.recipes.data_table import FOLDER_KEYS, DataTable


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
    progress = Bar(console)
    if table.folder is None:
        named = {key: options[key] for key in options.keys() - {*FOLDER_KEYS, "folder"}}
        return data.load(**named, seed=seed, data_dir=data_dir, progress=progress)
    for key in ("name", "rotate"):
        del options[key]
    folder = options.pop("folder")
    return data.load_folder(folder, **options, seed=seed, progress=progress)
