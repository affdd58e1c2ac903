"""The classes of data sets: `Split`, `Dataset` and `Source`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from keras_gcnn.data.folders.fitting import Shape
from keras_gcnn.data.folders.stored import StoredArrays, StoredImages, choose

Part = tuple[np.ndarray | StoredImages, np.ndarray]
"""Images and labels of a published split."""


def _brief(array: np.ndarray | StoredArrays) -> str:
    return f"<{array.dtype} {array.shape}>"


# No generated `__eq__`: comparing arrays gives arrays, not a truth value.
@dataclass(frozen=True, eq=False)
class Split:
    """Images and their labels.

    Args:
        images: float32 array of shape `(n, rows, columns, channels)`, values in [0, 1]; of a folder
            or a large set something that behaves as one and reads the images that are asked for.
        labels: int64 array of shape `(n,)`, indices into `Dataset.classes`; of a folder with
            several labels float32 of shape `(n, classes)`, with numbers of shape `(n, 1)`; with
            masks something that behaves as an int32 array of shape `(n, rows, columns)`.
    """

    images: np.ndarray | StoredImages
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.images)

    def first(self, count: int) -> Split:
        """Returns at most this many images from the beginning."""
        index = np.arange(min(count, len(self)))
        return Split(choose(self.images, index), choose(self.labels, index))

    def __repr__(self) -> str:
        return f"Split(images={_brief(self.images)}, labels={_brief(self.labels)})"


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set, split for training, validation and testing.

    Args:
        name: str, the name by which it was loaded.
        train: `Split` to train on.
        validation: `Split` for model selection, as published or taken from the training images; it
            may be empty.
        test: `Split` to report results on.
        classes: names of the classes; label `i` means `classes[i]`.
        description: str, where the images come from and what was done to them.
        preparation: how images of other sizes and colours are brought to those of the data set.
        fingerprint: str that changes with the images of a folder; empty for other data sets.
    """

    name: str
    train: Split
    validation: Split
    test: Split
    classes: tuple[str, ...]
    description: str
    preparation: Shape | None = None
    fingerprint: str = ""

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Rows, columns and channels of one image: the `input_shape` of a model."""
        rows, columns, channels = self.train.images.shape[1:]
        return rows, columns, channels

    @property
    def is_square(self) -> bool:
        """Whether images have as many rows as columns, so that quarter turns keep their shape."""
        rows, columns, _ = self.image_shape
        return rows == columns

    def __repr__(self) -> str:
        return (
            f"Dataset({self.name!r}, {len(self.classes)} classes, train={self.train}, "
            f"validation={self.validation}, test={self.test})"
        )


@dataclass(frozen=True, eq=False)
class Source:
    """A data set as it was published: 8-bit images, before any are chosen or rotated.

    Args:
        train: `(images, labels)`, uint8 of shape `(n, rows, columns, channels)`, or `StoredImages`
            of a large set; and int64.
        test: the same for testing.
        classes: names of the classes.
        description: str, where the images come from.
        stratify: bool, whether random splits have to keep the proportions of the classes, because
            the set is small.
        validation: the same for validation, if some were published; None to draw them.
    """

    train: Part
    test: Part
    classes: tuple[str, ...]
    description: str
    stratify: bool = False
    validation: Part | None = None
