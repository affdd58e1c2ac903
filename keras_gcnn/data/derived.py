"""Data sets that are made from others, always the same way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from string import ascii_uppercase

import numpy as np

from keras_gcnn.data.catalogue import CATALOGUE
from keras_gcnn.data.dataset import Source
from keras_gcnn.data.random_streams import generator
from keras_gcnn.data.rotation import random_angles, rotate
from keras_gcnn.data.tfds import read_prepared

_SEED = 2016  # of what is drawn here, whatever the seed of a run
_TRAIN, _TEST = 12_000, 50_000
_BYMERGE = CATALOGUE["emnist/bymerge"]
_FIRST_LETTER = _BYMERGE.classes.index("A")


def turn(source: Source, train: int, test: int) -> Source:
    """Pools a data set, takes other splits of it, and turns every image by an angle of its own.

    Args:
        source: the data set.
        train: int, how many images the training split gets.
        test: int, how many the test split gets.

    Raises:
        ValueError: if there are fewer images.
    """
    images, labels = (np.concatenate(both) for both in zip(source.train, source.test, strict=True))
    if len(images) < train + test:
        raise ValueError(
            f"The files hold {len(images):,} images, and {train + test:,} are needed. Have "
            "TensorFlow Datasets prepare the whole data set."
        )
    chosen = generator(_SEED, "pool").permutation(len(images))[: train + test]
    angles = random_angles(len(chosen), generator(_SEED, "pool_angles"))
    turned = np.rint(rotate(images[chosen].astype("float32"), angles)).astype("uint8")
    labels = labels[chosen]
    return replace(
        source, train=(turned[:train], labels[:train]), test=(turned[train:], labels[train:])
    )


def fold_letters(labels: np.ndarray) -> np.ndarray:
    """Labels of EMNIST ByMerge as letters from 0 for A, in either case; -1 for the digits."""
    letter = [
        ascii_uppercase.index(name.upper()) if index >= _FIRST_LETTER else -1
        for index, name in enumerate(_BYMERGE.classes)
    ]
    return np.array(letter, dtype="int64")[labels]


def keep_letters(source: Source) -> Source:
    """The letters of EMNIST ByMerge, lower case and upper case as one class."""

    def kept(part: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        images, labels = part
        letters = fold_letters(labels)
        return images[letters >= 0], letters[letters >= 0]

    return replace(
        source,
        train=kept(source.train),
        test=kept(source.test),
        classes=tuple(ascii_uppercase),
    )


def _rotated_mnist(data_dir: str | Path | None) -> Source:
    source = turn(read_prepared(CATALOGUE["mnist"], data_dir), _TRAIN, _TEST)
    return replace(
        source,
        description=(
            f"Rotated MNIST, made here from MNIST in the proportions of Larochelle et al. 2007; it "
            f"is not their file. All 70,000 images were pooled, {_TRAIN:,} drawn for training and "
            f"{_TEST:,} others for testing, and every image turned once about its centre by a "
            "random angle uniform in [0, 360) degrees, with bilinear interpolation, zeros outside "
            f"and 8 bits a pixel; always the same way (seed {_SEED}). Networks trained on it have "
            "seen images of MNIST's test split, and the other way round. "
            f"The source: {source.description}"
        ),
    )


def _emnist_letters(data_dir: str | Path | None) -> Source:
    source = keep_letters(read_prepared(_BYMERGE, data_dir, splits=("test",)))
    return replace(
        source,
        description=(
            "The 26 letters of EMNIST ByMerge's test part: the digits were left out and the 11 "
            "lower-case classes counted as their capitals, which leaves "
            f"{len(source.train[1]):,} images for training and {len(source.test[1]):,} for "
            "testing, unbalanced. It is not EMNIST Letters, and results do not compare to the last "
            f"digit. The source: {source.description}"
        ),
    )


DERIVED: dict[str, Callable[[str | Path | None], Source]] = {
    "rotated_mnist": _rotated_mnist,
    "emnist_letters": _emnist_letters,
}
# Shapes of the images and numbers of classes.
FORMS = {
    "rotated_mnist": (CATALOGUE["mnist"].image_shape, len(CATALOGUE["mnist"].classes)),
    "emnist_letters": (_BYMERGE.image_shape, len(ascii_uppercase)),
}
TURNED = ("rotated_mnist",)
