"""Finds the image files for which a prediction is asked."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from keras_gcnn.data.folders.layout import images_below

# How tables of predictions begin: of classes, of labels, of numbers, of masks.
_HEADS = re.compile(rb'file,(class,probability|labels,"?probability of|number,problem|"?share of)')


def find_images(paths: Iterable[str | Path]) -> list[Path]:
    """Returns image files, and those in folders and below them; hidden ones are left out.

    Raises:
        ValueError: if a path does not exist, or there is no image.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            found += sorted(images_below(path)[0])
        elif path.exists():
            found.append(path)
        else:
            raise ValueError(f"{path} does not exist. Name image files, or folders of them.")
    if not found:
        raise ValueError("There is no image in what was named.")
    return found


def check_written(path: Path, inputs: Iterable[Path]) -> None:
    """Checks that writing a file loses nothing, before hours of prediction.

    Args:
        path: of the file.
        inputs: files that are read.

    Raises:
        ValueError: if it is a folder, or one of the files that are read.
    """
    if path.is_dir():
        raise ValueError(f"{path} is a folder. Name a file that is to be written.")
    check_not_read(path, inputs)


def check_not_read(path: Path, inputs: Iterable[Path]) -> None:
    """Checks that a file or folder that is to be written is none of the files that are read.

    Args:
        path: of the file or folder.
        inputs: files that are read.

    Raises:
        ValueError: if it is one of them.
    """
    if path.exists() and any(path.samefile(each) for each in inputs if each.exists()):
        raise ValueError(f"{path} is read here, and would be overwritten. Choose another file.")


def check_table(path: Path) -> None:
    """Checks that a table of predictions replaces no file but an earlier one.

    Raises:
        ValueError: if the file has other content, such as labels that someone wrote.
    """
    if not path.is_file():
        return
    with path.open("rb") as file:
        head = file.read(100)
    if head and not _HEADS.match(head):
        raise ValueError(
            f"{path} exists and is no table of predictions. Choose another file for the table, or "
            "move that one away."
        )
