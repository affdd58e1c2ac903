"""`load_folder`: a folder of images as a data set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from keras_gcnn.arguments import is_integer, is_number, is_share
from keras_gcnn.data.dataset import Dataset, Split
from keras_gcnn.data.folders import cache as caching
from keras_gcnn.data.folders.description import describe
from keras_gcnn.data.folders.division import divide
from keras_gcnn.data.folders.fingerprint import fingerprint_of
from keras_gcnn.data.folders.layout import Layout
from keras_gcnn.data.folders.options import Folder
from keras_gcnn.data.folders.reading import read_folder
from keras_gcnn.data.folders.targets import Targets
from keras_gcnn.data.folders.written_once import cache_folder
from keras_gcnn.data.options import check_options

_TEST_SEED = 0  # results of different seeds are compared on the same test images
_SHOWN = 5  # of many names


def load_folder(
    path: str | Path,
    *,
    target: str = "class",
    size: int | tuple[int, int] | None = None,
    fit: str = "crop",
    color: str = "auto",
    interpolation: str = "bilinear",
    table: str | Path | None = None,
    file_column: str | None = None,
    label_column: str | None = None,
    group_column: str | None = None,
    split_column: str | None = None,
    validation: float | int = 0.1,
    test: float | int = 0.2,
    subset: int | None = None,
    test_subset: int | None = None,
    seed: int = 0,
    masks: str = "values",
    classes: Sequence[str] | None = None,
    damaged: str = "stop",
    cache: str | Path | None = None,
    workers: int | None = None,
    progress: caching.Progress = caching.silent,
) -> Dataset:
    """Loads a folder of images; they are decoded once, and read from a file as they are needed.

    The folder has one of these layouts: a folder for each class, named after it; the folders
    `train`, `test` and perhaps `validation`, each with a folder for each class; a CSV file of files
    and labels; or, for masks, the folders `images` and `masks` with files of equal names. PNG,
    JPEG, TIFF, BMP, GIF and WebP are read, of 8 or 16 bits, grey, in colour, with palettes and with
    transparency, which becomes black.

    Args:
        path: of the folder.
        target: what is learned: `"class"`, one of several; `"labels"`, any number of several,
            separated by `;` in the table; `"number"`, from the table; `"mask"`, a class for every
            pixel.
        size: int or (rows, columns) of the images; None for the most frequent size.
        fit: how images of other sizes are brought to it: `"crop"` scales them until they cover it
            and cuts off the rest, `"pad"` scales them until they fit in and adds zeros,
            `"stretch"` scales rows and columns, `"center"` cuts off or adds without scaling.
        color: `"grey"`, `"rgb"`, or `"auto"` for grey if all images are.
        interpolation: `"bilinear"`, `"nearest"`, `"bicubic"` or `"lanczos"`.
        table: CSV file, from the folder; None for the only one in a folder without class folders.
        file_column: name of the column of files; None for a usual one, such as `file`.
        label_column: name of the column of labels; None for a usual one, such as `label`.
        group_column: images of one group, such as a patient, stay in one split.
        split_column: with `train`, `validation` or `test`.
        validation: share (float) or number (int) of the training images that are set aside, unless
            the folder has validation images; chosen by the seed, every class in proportion.
        test: the same of all images for testing, unless the folder has test images; the same ones
            for every seed.
        subset: int, at most this many training images; None for all.
        test_subset: int, at most this many test images.
        seed: int, not negative.
        masks: `"values"`, where each value (grey, index of a palette, or colour) of the masks is a
            class, or `"foreground"`, where every value but 0 is one class. With the masks of
            objects that are numbered the latter is needed.
        classes: names of all classes or labels, such as those of a trained network; the folder may
            lack some of them. None for the classes that the folder has. For masks the names are in
            the order of the values.
        damaged: `"stop"` if more than 1 % of the images are damaged, or `"skip"` them always. The
            description of the data set lists them.
        cache: folder for decoded images; None for the environment variable KERAS_GCNN_CACHE or the
            user's cache folder. It may be deleted at any time.
        workers: number of threads that decode; None for one per processor.
        progress: function `(items, label, total) -> items` that shows progress.

    Returns:
        `Dataset`, whose images behave as float32 arrays in [0, 1].

    Raises:
        ValueError: if the folder has none of these layouts, too few images, or too many damaged
            ones; the message says what to do.
        ImportError: if Pillow is not installed.

    Example:

    >>> import tempfile
    >>> from pathlib import Path
    >>> from PIL import Image
    >>> from keras_gcnn import data
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("cat", "dog"):
    ...         (Path(folder) / "animals" / name).mkdir(parents=True)
    ...         for number in range(10):
    ...             Image.new("RGB", (32, 32)).save(f"{folder}/animals/{name}/{number}.png")
    ...     pets = data.load_folder(f"{folder}/animals", cache=f"{folder}/cache")
    ...     pets.classes, pets.train.images.shape, len(pets.test)
    (('cat', 'dog'), (14, 32, 32, 3), 4)
    """
    options = Folder(
        path=Path(path),
        target=target,
        size=size,
        fit=fit,
        color=color,
        interpolation=interpolation,
        table=table,
        file_column=file_column,
        label_column=label_column,
        group_column=group_column,
        split_column=split_column,
        masks=masks,
        classes=None if classes is None else tuple(classes),
        damaged=damaged,
    )
    options.check()
    _check_test(test)
    check_options(validation, subset, test_subset, (), seed)
    found = read_folder(options, cache_folder(cache), workers, progress)
    parts = _divide(found.layout, found.targets, validation, test, seed)
    if classes is None:
        _check_parts(found.layout, found.targets, parts)
    _limit(parts, "train", subset, seed, "subset")
    _limit(parts, "test", test_subset, _TEST_SEED, "test_subset")
    text = describe(
        found.layout,
        found.shape,
        found.headers,
        parts,
        seed,
        chosen="the most frequent size" if size is None else "as asked for",
        damaged=found.damaged,
    )
    train, held_out, tested = (
        Split(found.images.select(index), found.targets.select(index).values)
        for index in parts.values()
    )
    name = Path(path).resolve().name
    return Dataset(
        name,
        train,
        held_out,
        tested,
        classes=found.targets.classes,
        description=text,
        preparation=found.shape,
        fingerprint=fingerprint_of(found.layout, target),
    )


def _check_test(test: float | int) -> None:
    if not (is_share(test) if isinstance(test, float) else is_integer(test) and test >= 0):
        raise ValueError(
            f"test={test!r}: expected a fraction (float) in [0, 1) or a number of images (int)."
        )


def _divide(
    layout: Layout, targets: Targets, validation: float | int, test: float | int, seed: int
) -> dict[str, np.ndarray]:
    """Returns the indices of each split; what the folder does not say is drawn."""
    splits = np.array([sample.split or "train" for sample in layout.samples], dtype=object)
    groups = [sample.group for sample in layout.samples]
    _check_groups(layout, groups, splits)
    for name, wanted, drawn_seed, stream in (
        ("test", test, _TEST_SEED, "published_split"),
        ("validation", validation, seed, "validation"),
    ):
        if name in splits:
            continue
        left = np.flatnonzero(splits == "train")
        count = _count(name, wanted, len(left))
        chosen = divide(
            count, targets.strata[left], [groups[index] for index in left], drawn_seed, stream
        )
        if count and not chosen.any():
            raise ValueError(
                f"{layout.folder}: no group is small enough for {count} {name} images. Name the "
                f"splits in a column, or pass {name}=0."
            )
        splits[left[chosen]] = name
    return {name: np.flatnonzero(splits == name) for name in ("train", "validation", "test")}


def _check_groups(layout: Layout, groups: Sequence[str], splits: np.ndarray) -> None:
    """Checks that the splits that a table names do not divide a group."""
    split_of: dict[str, str] = {}
    for group, split in zip(groups, splits, strict=True):
        if group and split_of.setdefault(group, split) != split:
            raise ValueError(
                f"{layout.table}: images of the group {group!r} are in the splits "
                f"{split_of[group]} and {split}, so that results on test images would be too good. "
                "Write one split for each group, or name no column of groups."
            )


def _count(name: str, wanted: float | int, available: int) -> int:
    count = int(wanted) if is_integer(wanted) else round(wanted * available)
    if is_number(wanted) and wanted > 0:
        count = max(1, count)
    if count >= available:
        raise ValueError(
            f"{name}={wanted!r} asks for {count:,} of {available:,} images and leaves none to "
            "train on. Use a smaller number, or more images."
        )
    return count


def _check_parts(layout: Layout, targets: Targets, parts: dict[str, np.ndarray]) -> None:
    missing = targets.missing(parts["train"])
    if missing:
        raise ValueError(
            f"{layout.folder}: no training image is left of {', '.join(missing[:_SHOWN])}. Add "
            "images, set aside fewer for validation and testing, or divide them yourself, into "
            "train, validation and test."
        )


def _limit(
    parts: dict[str, np.ndarray], split: str, count: int | None, seed: int, stream: str
) -> None:
    index = parts[split]
    if count is not None and count < len(index):
        chosen = divide(count, np.zeros(len(index), "int64"), [""] * len(index), seed, stream)
        parts[split] = index[chosen]
