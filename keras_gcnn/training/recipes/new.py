"""Writes a recipe for a folder of images, from one that comes with the library."""

from __future__ import annotations

import json
import re
from pathlib import Path

from keras_gcnn.data.folders.cache import MOST_VALUES
from keras_gcnn.data.folders.naming import readable, same_accents
from keras_gcnn.data.folders.survey import Survey
from keras_gcnn.training import atomic_files
from keras_gcnn.training.recipes.data_table import folder_name
from keras_gcnn.training.recipes.schema import find_recipe, load_recipe

_MULTIPLE = 8  # of rows and columns of images with masks
_STEPS, _SMALLEST_BATCH = 10, 8  # of an epoch, at least
_MOST = 96  # rows and columns of a recipe's images; on a CPU larger ones take hours


def write_recipe(path: Path, survey: Survey, name: str = "folder", table: str | None = None) -> str:
    """Writes a recipe for a folder, with its own size and a comment on its classes.

    Args:
        path: of the new TOML file.
        survey: of the folder.
        name: of the recipe that it is made from.
        table: CSV file of files and labels, from the folder; None for none, or the only one.

    Returns:
        A sentence about the size that was chosen.

    Raises:
        ValueError: if the file exists, or the recipe is not for folders.
    """
    if path.exists():
        raise ValueError(f"{path} exists. Choose another name, or move it away.")
    text = find_recipe(name).read_text(encoding="utf-8")
    if load_recipe(name).data.folder is None:
        raise ValueError(f"The recipe {name!r} is not for a folder of images.")
    rows, columns, _ = survey.image_shape
    size = min(rows, columns, _MOST)
    reason = f"the most frequent size of the images is {rows} x {columns}"
    if rows != columns:
        reason += "; they are made square, since a quarter turn exchanges rows and columns"
    if size == _MOST < min(rows, columns):
        reason += f"; larger images than {_MOST} take long on a CPU"
    if survey.pixels and size > _MULTIPLE and size % _MULTIPLE:
        size -= size % _MULTIPLE
        reason += f"; a U-Net halves maps, so that a multiple of {_MULTIPLE} is best"
    folder = survey.layout.folder
    title = folder_name(folder)
    for written in filter(None, (str(folder), table)):
        if readable(written) != same_accents(written):
            raise ValueError(
                f"{readable(written)} has bytes in its name that are no UTF-8, which no recipe can "
                "hold. Rename it."
            )
    text = _replaced(text, "title", f"title = {_quoted(f'Networks on {title}')}")
    given = "" if table is None else f"\ntable = {_quoted(table)}"
    text = _replaced(text, "folder", f"folder = {_quoted(str(folder))}{given}")
    if len(survey.pixels) > MOST_VALUES:
        line = 'masks = "foreground"  # every value but 0; there are too many for classes'
        text = _replaced(text, "masks", line)
    text = _replaced(text, "# size", f"size = {size}  # {reason}")
    batch = _batch_size(load_recipe(name).training.batch_size, len(survey.good))
    text = _replaced(text, "batch_size", f"batch_size = {batch}  # of {len(survey.good):,} images")
    head = f"# The folder {title}, {survey.layout.kind}: {_classes(survey)}.\n"
    text = head + re.sub(r"\A(#.*\n)*", "", text)
    atomic_files.write_text(path, text)
    load_recipe(path)  # what is written has to be a recipe
    return f"Images are brought to {size} x {size}: {reason}."


def _batch_size(largest: int, images: int) -> int:
    """Returns the size of a batch, halved until an epoch has about ten steps.

    Moving averages of the normalisations need that many to follow the weights.
    """
    size = largest
    while size > _SMALLEST_BATCH and images < _STEPS * size:
        size //= 2
    return size


def _quoted(text: str) -> str:
    """Returns a text in quotes as in TOML, which are those of JSON."""
    return json.dumps(text, ensure_ascii=False)


def _replaced(text: str, key: str, line: str) -> str:
    """Returns a recipe with the line of a key replaced."""
    before, mark, rest = text.partition(f"\n{key} = ")
    if not mark:
        raise ValueError(f"The recipe has no line {key!r} to be replaced.")
    return f"{before}\n{line}\n{rest.partition(chr(10))[2]}"


def _classes(survey: Survey) -> str:
    if survey.pixels:
        return f"{len(survey.good):,} images and their masks, of {len(survey.pixels):,} values"
    targets = sorted({sample.label for sample in survey.good})
    if len(targets) > 12:
        return f"{len(survey.good):,} images of {len(targets):,} classes"
    named = ", ".join(targets).replace("\n", " ")
    return f"{len(survey.good):,} images of the classes {named}"
