"""Finds the image files for which a prediction is asked."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from keras_gcnn.data.folders.decoding import is_image


def find_images(paths: Iterable[str | Path]) -> list[Path]:
    """Returns image files, and those in folders.

    Raises:
        ValueError: if a path does not exist, or there is no image.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            found += sorted(each for each in path.rglob("*") if each.is_file() and is_image(each))
        elif path.exists():
            found.append(path)
        else:
            raise ValueError(f"{path} does not exist. Name image files, or folders of them.")
    if not found:
        raise ValueError("There is no image in what was named.")
    return found
