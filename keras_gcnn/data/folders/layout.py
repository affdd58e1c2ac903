"""Finds the images of a folder and what is known of them: class, split and mask."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from keras_gcnn.data.folders.decoding import is_image
from keras_gcnn.data.folders.naming import readable, same_accents
from keras_gcnn.data.folders.table import Table, read_table

SPLIT_FOLDERS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}
"""Names of folders, and of values in a table, with the splits that they stand for."""

MASKS = "images and masks"
"""The layout of masks, for descriptions."""

TABLE = "the table"
"""The layout of a CSV file, for descriptions, before its name."""

TARGETS = ("class", "labels", "number", "mask")


@dataclass(frozen=True)
class Sample:
    """One image.

    Args:
        path: of its file.
        target: name of its class, or the text in its table; for masks the path of the mask.
        split: `"train"`, `"validation"` or `"test"`, or "" if the folder does not say it.
        group: images of one group, such as a patient, are never divided among splits; or "".
    """

    path: Path
    target: str
    split: str = ""
    group: str = ""

    @property
    def label(self) -> str:
        """The target in the spelling that class names, messages and plots have."""
        return readable(self.target.strip())


@dataclass
class Layout:
    """The images of a folder.

    Args:
        folder: where they are.
        kind: what the layout is, for descriptions: `"a folder for each class"` and so on.
        samples: the images, ordered by path.
        ignored: other files, also images that are in no class, or have no mask or row in the table.
        table: path of the CSV file, if the layout is one.
    """

    folder: Path
    kind: str
    samples: list[Sample]
    ignored: list[Path] = field(default_factory=list)
    table: Path | None = None

    @property
    def left_out(self) -> list[Path]:
        """The images among the files that are ignored."""
        return sorted(filter(is_image, self.ignored), key=lambda path: path.name)


def find_samples(folder: str | Path, target: str = "class", table: Table | None = None) -> Layout:
    """Finds the images of a folder.

    The folder has one of these layouts: a folder for each class; the folders `train`, `test` and
    perhaps `validation` with a folder for each class in them; a CSV file of files and labels; for
    masks the folders `images` and `masks` with files of equal names, also in `train` and so on.

    Args:
        folder: path.
        target: `"class"`, `"labels"`, `"number"` or `"mask"`.
        table: the CSV file and its columns; None for the only CSV file in the folder, if any.

    Raises:
        ValueError: if the folder has none of these layouts, or a class is empty.
    """
    folder = Path(folder)
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise ValueError(f"{folder} {what}; expected a folder of images.")
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise ValueError(f"{folder} cannot be read: {error.strerror}.") from None
    folders = [entry for entry in entries if entry.is_dir() and not entry.name.startswith(".")]
    tables = [entry for entry in entries if entry.suffix.lower() in (".csv", ".tsv")]
    if target == "mask":
        return _masks(folder, folders)
    if table is None and len(tables) == 1 and (target != "class" or not folders):
        table = Table(Path(tables[0].name))
    if table is not None:
        rows = read_table(folder, table)
        path = folder / table.path
        samples = [
            Sample(row.path, row.target, _split_of(row.split, path), row.group) for row in rows
        ]
        kind = f"{TABLE} {table.path.name}"
        named = [row.path for row in rows]
        return Layout(folder, kind, _ordered(samples), _not_named(folder, named, table), path)
    if target != "class":
        raise ValueError(
            f'{folder}: target="{target}" needs a CSV file with a column of files and one of '
            f"labels; there are {len(tables)} in the folder. Name one by table=."
        )
    if {"images", "masks"} == {entry.name for entry in folders}:
        raise ValueError(
            f'{folder} holds images and masks: use target="mask" (--target mask, or --recipe '
            "segmentation)."
        )
    return _classes(folder, folders)


def _split_of(value: str, table: Path) -> str:
    split = SPLIT_FOLDERS.get(value.strip().lower(), value and None)
    if split is None:
        raise ValueError(
            f"{table}: the split {value!r} is not known. Write train, validation or test."
        )
    return split


def _ordered(samples: list[Sample]) -> list[Sample]:
    return sorted(samples, key=lambda sample: str(sample.path))


def _classes(folder: Path, folders: list[Path]) -> Layout:
    splits = _split_folders(folders)
    samples: list[Sample] = []
    ignored = files_in(folder) if splits else []
    for split, parents in splits.items() if splits else [("", [folder])]:
        for parent in parents:
            ignored += files_in(parent)
            inside = folders if parent == folder else _subfolders(parent)
            if not inside:
                raise ValueError(
                    f"{parent} has no folders in it; expected one for each class, named after it, "
                    "or a CSV file of files and labels beside the images."
                )
            for each in inside:
                found, others = images_below(each)
                ignored += others
                if not found:
                    raise ValueError(
                        f"The class {each.name!r} is empty: {each} holds no image. Put images into "
                        "it, or remove the folder."
                    )
                samples += [Sample(path, each.name, split) for path in found]
    kind = "a folder for each class"
    return Layout(folder, f"{kind}, in splits" if splits else kind, _ordered(samples), ignored)


def _masks(folder: Path, folders: list[Path]) -> Layout:
    splits = _split_folders(folders)
    samples: list[Sample] = []
    ignored = files_in(folder) if splits else []
    for split, parents in splits.items() if splits else [("", [folder])]:
        for parent in parents:
            samples += _pairs(parent, split, ignored)
    return Layout(folder, f"{MASKS}, in splits" if splits else MASKS, _ordered(samples), ignored)


def _pairs(parent: Path, split: str, ignored: list[Path]) -> Iterator[Sample]:
    """Returns the images of a folder and their masks; other files are added to those ignored."""
    images, masks = parent / "images", parent / "masks"
    if not (images.is_dir() and masks.is_dir()):
        raise ValueError(
            f"{parent} has to hold the folders images and masks, with a mask of the same name for "
            "each image."
        )
    found, drawn = _by_name(images, ignored), _by_name(masks, ignored)
    ignored += files_in(parent)
    for other in _subfolders(parent):
        if other not in (images, masks):
            ignored += chain(*images_below(other))
    lacking = {"mask": found.keys() - drawn.keys(), "image": drawn.keys() - found.keys()}
    for what, missing in lacking.items():
        if missing:
            names = ", ".join(sorted(missing)[:5])
            raise ValueError(
                f"{parent}: there is no {what} for {len(missing)} file(s): {names}. Names have to "
                "be equal up to the ending."
            )
    return (Sample(path, str(drawn[name]), split) for name, path in found.items())


def _by_name(folder: Path, ignored: list[Path]) -> dict[str, Path]:
    """Returns the images below a folder by their names from it, without endings."""
    paths, others = images_below(folder)
    ignored += others
    named: dict[str, Path] = {}
    for path in paths:
        name = same_accents(str(path.relative_to(folder).with_suffix("")))
        if name in named:
            raise ValueError(
                f"{named[name]} and {path} have the same name but for their endings, so that it is "
                "not clear which image has which mask. Rename or remove one of them."
            )
        named[name] = path
    return named


def _split_folders(folders: list[Path]) -> dict[str, list[Path]]:
    """Returns the folders of each split if there are any; all folders have to be of splits then."""
    splits: defaultdict[str, list[Path]] = defaultdict(list)
    for folder in folders:
        if folder.name.lower() in SPLIT_FOLDERS:
            splits[SPLIT_FOLDERS[folder.name.lower()]].append(folder)
    if not splits or "train" not in splits:
        return {}
    others = [folder.name for folder in folders if folder.name.lower() not in SPLIT_FOLDERS]
    if others:
        raise ValueError(
            f"{folders[0].parent} holds the folder of training images and others beside it: "
            f"{', '.join(others[:5])}. Put the classes into train, and take other folders out."
        )
    return dict(splits)


def _subfolders(folder: Path) -> list[Path]:
    return sorted(
        entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith(".")
    )


def _not_named(folder: Path, named: list[Path], table: Table) -> list[Path]:
    """Returns the files beside the images that a table names."""
    parents = {os.path.realpath(path): path for path in [folder, *(each.parent for each in named)]}
    others = {path for parent in parents.values() for path in files_in(parent)}
    others -= {*named, folder / table.path}
    # The table may write the path of a file in another way.
    known = {_identity(path) for path in named} if others else set()
    return sorted(path for path in others if _identity(path) not in known)


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


def files_in(folder: Path) -> list[Path]:
    """Returns the files in a folder, and not those in folders below it; none that are hidden."""
    try:
        entries = list(folder.iterdir())
    except PermissionError:  # files that are named can be read even so
        return []
    return [entry for entry in entries if entry.is_file() and not entry.name.startswith(".")]


def images_below(folder: Path) -> tuple[list[Path], list[Path]]:
    """Returns the images in a folder and below it, and the other files; none that are hidden.

    Links are followed, but no folder is gone through twice.
    """
    images: list[Path] = []
    others: list[Path] = []
    seen: set[str] = set()
    for parent, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(parent)
        if real in seen:  # a link that leads back
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith("."):
                path = Path(parent, name)
                (images if is_image(path) else others).append(path)
    return images, others
