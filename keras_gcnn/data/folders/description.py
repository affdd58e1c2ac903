"""What is told of a folder of images: damaged files, and what was done to the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from keras_gcnn.data.folders.decoding import Header
from keras_gcnn.data.folders.fitting import Shape
from keras_gcnn.data.folders.layout import MASKS, TABLE, Layout

MOST_DAMAGED = 0.01  # share of the images
_SHOWN = 5  # of many damaged files


def check_damaged(
    folder: Path, damaged: str, reasons: Mapping[int, str], paths: Sequence[Path]
) -> None:
    """Checks that there are not too many damaged images.

    Args:
        folder: of the images.
        damaged: `"stop"` or `"skip"`, as in `load_folder`.
        reasons: why images cannot be used, by their index.
        paths: of all images.

    Raises:
        ValueError: if there are more than 1 %, or with `"skip"` if no image is left.
    """
    total = len(paths)
    allowed = total - 1 if damaged == "skip" else int(MOST_DAMAGED * total)
    if len(reasons) <= allowed:
        return
    listed = "\n".join(list_damaged(reasons, paths))
    raise ValueError(
        f"{len(reasons)} of {total} images in {folder} cannot be used:\n{listed}\nMend or "
        'remove them, or pass damaged="skip" to go on without them.'
    )


def list_damaged(reasons: Mapping[int, str], paths: Sequence[Path]) -> list[str]:
    """Returns a line for each of the first damaged images, and one for the others."""
    lines = [f"  {paths[index]}: {reason}" for index, reason in sorted(reasons.items())]
    if len(lines) > _SHOWN:
        lines = [*lines[:_SHOWN], f"  and {len(lines) - _SHOWN} more"]
    return lines


def tell_left_out(layout: Layout) -> tuple[str, str]:
    """Returns which images of a folder are not used, and what to do about them."""
    which, remedy = "beside the folders of classes", "Move each into the folder of its class"
    if layout.kind.startswith(MASKS):
        which = "beside the folders images and masks"
        remedy = "Move each into images, and its mask into masks"
    elif layout.kind.startswith(TABLE):
        which, remedy = f"that {layout.kind} does not name", "Write a row for each"
    count = len(layout.left_out)
    counted = f"{count:,} {'image' if count == 1 else 'images'}"
    return f"{counted} {which}", f"{remedy}, or move them out of the folder"


def describe(
    layout: Layout,
    shape: Shape,
    headers: Sequence[Header],
    parts: Mapping[str, np.ndarray],
    seed: int,
    *,
    chosen: str,
    damaged: int,
) -> str:
    """Describes where images come from and what was done to them.

    Args:
        layout: of the folder.
        shape: to which they were brought.
        headers: of the images.
        parts: the indices of each split.
        seed: with which validation images were drawn.
        chosen: how the size was chosen.
        damaged: number of files that could not be used.
    """
    sizes = Counter((header.rows, header.columns) for header in headers)
    colour = "grey" if shape.channels == 1 else "colour"
    text = f"Images of the folder {layout.folder.resolve().name} ({layout.kind}), {colour}, "
    if set(sizes) == {(shape.rows, shape.columns)}:
        text += f"{shape.rows} x {shape.columns} pixels."
    else:
        text += (
            f"brought to {shape.rows} x {shape.columns} pixels ({chosen}; {shape.fit}, "
            f"{shape.interpolation}) from {len(sizes)} size(s)."
        )
    if damaged:
        text += f" {damaged} of {len(headers) + damaged} files could not be used."
    if stacks := sum(header.several for header in headers):
        text += f" Of {stacks:,} files with several images, the first image was read."
    if layout.left_out:
        text += f" Left out: {tell_left_out(layout)[0]}."
    numbers = ", ".join(f"{len(index):,} {split}" for split, index in parts.items())
    given = {sample.split for sample in layout.samples} - {""}
    drawn = [split for split in ("validation", "test") if split not in given]
    text += f" Used here: {numbers} images."
    by_class = "" if layout.kind.startswith(MASKS) else ", by class in proportion"
    if "validation" in drawn:
        text += f" Validation images were drawn at random{by_class} (seed {seed})."
    if "test" in drawn:
        text += " Test images were drawn at random, the same ones for every seed."
    return text
