"""Data sets made from others, always in the same way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from string import ascii_uppercase

import numpy as np

from keras_gcnn.data.catalogue import CATALOGUE
from keras_gcnn.data.dataset import Part, Source
from keras_gcnn.data.random_streams import generator
from keras_gcnn.data.rotation import random_angles, rotate
from keras_gcnn.data.tfds import read_prepared

_SEED = 2016  # of all random choices here, whatever the seed of a run
_TRAIN, _TEST = 12_000, 50_000
_BYMERGE = CATALOGUE["emnist/bymerge"]
_FIRST_LETTER = _BYMERGE.classes.index("A")


def rotate_all(source: Source, train: int, test: int) -> Source:
    """Pools a data set, splits it anew, and rotates every image by a random angle.

    Args:
        source: the data set.
        train: int, number of images in the training split.
        test: int, number of images in the test split.

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
    rotated = np.rint(rotate(images[chosen].astype("float32"), angles)).astype("uint8")
    labels = labels[chosen]
    return replace(
        source, train=(rotated[:train], labels[:train]), test=(rotated[train:], labels[train:])
    )


def fold_letters(labels: np.ndarray) -> np.ndarray:
    """Returns the letters that labels of EMNIST ByMerge stand for, A as 0; -1 for digits."""
    letter = [
        ascii_uppercase.index(name.upper()) if index >= _FIRST_LETTER else -1
        for index, name in enumerate(_BYMERGE.classes)
    ]
    return np.array(letter, dtype="int64")[labels]


def keep_letters(source: Source) -> Source:
    """Returns the letters of EMNIST ByMerge, with lower and upper case as one class."""

    def kept(part: Part) -> Part:
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
    source = rotate_all(read_prepared(CATALOGUE["mnist"], data_dir), _TRAIN, _TEST)
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
# Shape of an image, and number of classes.
SIGNATURES = {
    "rotated_mnist": (CATALOGUE["mnist"].image_shape, len(CATALOGUE["mnist"].classes)),
    "emnist_letters": (_BYMERGE.image_shape, len(ascii_uppercase)),
}
ROTATED = ("rotated_mnist",)
