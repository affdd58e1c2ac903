"""Decodes large data sets of TFDS once, into files from which they are read."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO

import numpy as np

from keras_gcnn.data.folders.cache import Progress
from keras_gcnn.data.folders.stored import StoredImages
from keras_gcnn.data.folders.written_once import cache_folder, key_of, write_once

_AT_ONCE = 64  # images that are decoded ahead of what is written


def keep_split(
    tfds: ModuleType, builder: Any, split: str, cache: str | Path | None, progress: Progress
) -> tuple[StoredImages, np.ndarray]:
    """Returns the images of a split, in a file, and their labels, in the order of TFDS' files.

    They are decoded if TFDS' files have changed since an earlier call, or there was none.

    Args:
        tfds: TensorFlow Datasets.
        builder: of a data set that it prepared.
        split: name of a published split.
        cache: folder for decoded images; None as in `cache_folder`.
        progress: shows progress.

    Raises:
        FullDiskError: if there is no space for the file.
        ValueError: if the folder cannot be written.
    """
    info = builder.info.splits[split]
    total = info.num_examples
    shape = (total, *builder.info.features["image"].shape)

    def write(file: BinaryIO) -> list[int]:
        data = builder.as_dataset(
            split=split,
            batch_size=_AT_ONCE,
            decoders=tfds.decode.PartialDecoding({"image": True, "label": True}),
            read_config=tfds.ReadConfig(try_autocache=False),  # which would keep them in the memory
        )
        pairs = (
            pair
            for batch in tfds.as_numpy(data)
            for pair in zip(batch["image"], batch["label"], strict=True)
        )
        labels = []
        for image, label in progress(pairs, "decoding images", total):
            file.write(image.data)
            labels.append(int(label))
        return labels

    def read_labels(content: list[int]) -> np.ndarray:
        labels = np.array([int(label) for label in content], "int64")
        if len(labels) != total:
            raise ValueError
        return labels

    name = key_of([builder.info.full_name, split, *shape], map(Path, info.filepaths))
    size = int(np.prod(shape))  # as uint8
    path, labels = write_once(name, cache_folder(cache), size, write, read_labels)
    return StoredImages(path, shape, "uint8"), labels
