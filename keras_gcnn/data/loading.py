"""Loads data sets by name."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from keras_gcnn.data.catalogue import CATALOGUE
from keras_gcnn.data.dataset import Dataset, Part, Source, Split
from keras_gcnn.data.derived import DERIVED, ROTATED, SIGNATURES
from keras_gcnn.data.digits import SIGNATURE, read_digits
from keras_gcnn.data.folders.cache import Progress, silent
from keras_gcnn.data.folders.stored import StoredImages, choose
from keras_gcnn.data.options import SPLITS, check_options, validation_count
from keras_gcnn.data.random_streams import generator, pick
from keras_gcnn.data.rotation import random_angles
from keras_gcnn.data.rotation import rotate as rotate_images
from keras_gcnn.data.tfds import read_prepared

_TEST_SUBSET_SEED = 0  # results of different seeds are compared on the same test images
_USED_HERE = "Used here: "


def names() -> tuple[str, ...]:
    """Returns the names of the data sets that `load` can load.

    Returns:
        Tuple of strings. All but `"digits"` are read through TensorFlow Datasets.

    Example:

    >>> from keras_gcnn import data
    >>> data.names()[:4]
    ('digits', 'mnist', 'fashion_mnist', 'cifar10')
    """
    return ("digits", *CATALOGUE, *DERIVED)


def names_fitting(image_shape: Sequence[int | None], classes: int) -> tuple[str, ...]:
    """Returns the names of the data sets that fit the input and output of a network.

    Args:
        image_shape: of the network's input, without the batch; None is any size.
        classes: int, number of classes.
    """
    entries = {name: (entry.image_shape, len(entry.classes)) for name, entry in CATALOGUE.items()}
    return tuple(
        name
        for name, (shape, number) in {"digits": SIGNATURE, **entries, **SIGNATURES}.items()
        if number == classes
        and len(image_shape) == len(shape)
        and all(size in (None, actual) for size, actual in zip(image_shape, shape, strict=True))
    )


def load(
    name: str,
    *,
    validation: float | int = 0.1,
    subset: int | None = None,
    test_subset: int | None = None,
    rotate: Collection[str] = (),
    seed: int = 0,
    data_dir: str | Path | None = None,
    cache: str | Path | None = None,
    progress: Progress = silent,
) -> Dataset:
    """Loads a data set, the same for the same seed on every backend.

    `digits` comes with the library. The others are read through TensorFlow Datasets, which
    downloads them once. The images are NumPy arrays; those of `patch_camelyon`,
    `colorectal_histology` and `eurosat` are decoded once, into a file from which they are read as
    they are needed, so that they do not fill the memory. Every choice (validation images, subsets,
    angles) has its own random numbers: changing one does not change the others, and an image keeps
    its angle.

    Args:
        name: str, one of `keras_gcnn.data.names()`; `"emnist"` is `"emnist/bymerge"`, 47 classes;
            `"emnist_letters"` are the 26 letters in its test part; `"rotated_mnist"` is MNIST
            rotated by random angles, 12,000 images for training and 50,000 for testing.
        validation: how many of the published training images are set aside for validation: a
            fraction (float) or a count (int). 0 or 0.0 for none. Without effect on
            `"patch_camelyon"`, which has validation images of its own.
        subset: int, at most this many of the remaining training images; None for all of them.
        test_subset: int, at most this many test images, the same for every seed; None for all.
        rotate: names of the splits, of `"train"`, `"validation"` and `"test"`, whose images are
            rotated by random angles in [0, 360) degrees, with `keras_gcnn.data.rotate`; none for
            `"rotated_mnist"`, which is rotated already, and for data sets that are read from a
            file.
        seed: int, not negative.
        data_dir: directory of data sets prepared by TensorFlow Datasets; None for the environment
            variable TFDS_DATA_DIR, or the default of TensorFlow Datasets if that is not set.
        cache: folder for the files of decoded images; None for the environment variable
            KERAS_GCNN_CACHE, or `~/.cache/keras_gcnn/images`.
        progress: function `(items, label, total) -> items` that shows progress while images are
            decoded.

    Returns:
        `Dataset`; its `description` says where the images come from and what was done to them.

    Raises:
        ValueError: for an unknown data set or split, a size that is not possible, or a cache that
            cannot be written.
        keras_gcnn.data.DataNotFoundError: if the data are not there and cannot be downloaded, or
            if their files are damaged.
        ImportError: if SciPy or, for all but `digits`, TensorFlow Datasets is not installed.

    Example:

    >>> from keras_gcnn import data
    >>> digits = data.load("digits", subset=100, rotate=["test"])
    >>> digits.train.images.shape, len(digits.validation), len(digits.test)
    ((100, 28, 28, 1), 130, 500)
    """
    if name not in names():
        raise ValueError(f"Unknown data set {name!r}. Known data sets: {', '.join(names())}.")
    check_options(validation, subset, test_subset, rotate, seed)
    _check_rotate(name, rotate)
    source = _read(name, data_dir, cache, progress)
    splits = _choose(source, validation, subset, test_subset, seed)
    # Drawn for every published image, so that an image's angle depends on no other choice.
    angles = {
        split: random_angles(len(data[0]), generator(seed, f"{_published(split)}_angles"))
        for split, (data, _) in splits.items()
        if split in rotate
    }
    made = {
        split: _make_split(*data, index, angles.get(split))
        for split, (data, index) in splits.items()
    }
    drawn = len(made["validation"]) if source.validation is None else 0
    available = {"train": len(source.train[1]) - drawn, "test": len(source.test[1])}
    reduced = [split for split, whole in available.items() if len(made[split]) < whole]
    text = _describe(made, reduced, source, rotate, seed)
    return Dataset(
        name,
        made["train"],
        made["validation"],
        made["test"],
        source.classes,
        f"{source.description} {text}",
    )


def describe_for_all_seeds(description: str, seed: int) -> str:
    """Rewords the description of a data set for several networks, each with a seed of its own.

    Args:
        description: of a data set that `load` returned.
        seed: int, with which it was loaded.

    Returns:
        The description without the seed.
    """
    # The part before describes the source, and may contain a fixed seed of its own.
    source, mark, used = description.rpartition(_USED_HERE)
    return source + mark + used.replace(_drawn_by(seed), "(by each network's seed)")


def _drawn_by(seed: int) -> str:
    return f"(seed {seed})"


def _check_rotate(name: str, rotate: Collection[str]) -> None:
    """Checks that the images of a data set can be rotated when they are loaded."""
    if rotate and name in ROTATED:
        raise ValueError(
            f"rotate={rotate!r}: the images of {name!r} are rotated already. Leave rotate out, or "
            'load "mnist".'
        )
    if rotate and name in CATALOGUE and CATALOGUE[name].large:
        raise ValueError(
            f"rotate={rotate!r}: the images of {name!r} are read from a file as they are needed. "
            "Leave rotate out, and rotate those that you read with keras_gcnn.data.rotate; recipes "
            "have augment for training, and test on rotated images."
        )


def _read(
    name: str, data_dir: str | Path | None, cache: str | Path | None, progress: Progress
) -> Source:
    if name == "digits":
        return read_digits()
    if name in DERIVED:
        return DERIVED[name](data_dir)
    return read_prepared(CATALOGUE[name], data_dir, cache=cache, progress=progress)


def _choose(
    source: Source,
    validation: float | int,
    subset: int | None,
    test_subset: int | None,
    seed: int,
) -> dict[str, tuple[Part, np.ndarray]]:
    """Returns for each split the published part that it is from, and the indices in it."""
    labels = source.train[1]
    left = np.arange(len(labels))
    if source.validation is None:
        held_out = validation_count(validation, len(labels))
        is_validation = pick(held_out, labels, generator(seed, "validation"), source.stratify)
        left = np.flatnonzero(~is_validation)
        for_validation = source.train, np.flatnonzero(is_validation)
    else:
        for_validation = source.validation, np.arange(len(source.validation[1]))
    few = _at_most(test_subset, source.test[1], _TEST_SUBSET_SEED, "test_subset")
    return {
        "train": (source.train, left[_at_most(subset, labels[left], seed, "subset")]),
        "validation": for_validation,
        "test": (source.test, few),
    }


def _published(split: str) -> str:
    """Returns the published split from which a split is taken."""
    return "test" if split == "test" else "train"


def _at_most(count: int | None, labels: np.ndarray, seed: int, stream: str) -> np.ndarray:
    """Returns the indices of at most `count` items, in their order."""
    if count is None:
        return np.arange(len(labels))
    return np.flatnonzero(pick(count, labels, generator(seed, stream)))


def _make_split(
    images: np.ndarray | StoredImages,
    labels: np.ndarray,
    index: np.ndarray,
    angles: np.ndarray | None,
) -> Split:
    chosen = choose(images, index)
    if isinstance(chosen, np.ndarray):
        # Chosen first: as float32 the images take four times the memory.
        chosen = np.divide(chosen, 255, dtype="float32")
        if angles is not None:
            chosen = rotate_images(chosen, angles[index])
    return Split(chosen, labels[index])


def _describe(
    splits: dict[str, Split],
    reduced: list[str],
    source: Source,
    rotate: Collection[str],
    seed: int,
) -> str:
    """Describes what `load` did to the source."""
    train, validation, test = (len(splits[split]) for split in SPLITS)
    text = f"{_USED_HERE}{train:,} training, {validation:,} validation and {test:,} test images"
    if source.validation is None:
        text += (
            "; validation images were taken from the training images at random"
            f"{', stratified by class' if source.stratify else ''} {_drawn_by(seed)}"
        )
    text += "."
    if reduced:
        text += f" Only a random subset of the images was taken for: {', '.join(reduced)}."
    if "test" in reduced:
        text += " The test images that were taken are the same for every seed."
    turned = [split for split in SPLITS if split in rotate]
    if turned:
        text += (
            f" Turned ({', '.join(turned)}): every image once, about its centre, by a random angle "
            f"uniform in [0, 360) degrees {_drawn_by(seed)}, with bilinear interpolation; the size "
            "was kept without padding first, what came from outside the image is 0."
        )
    return text
