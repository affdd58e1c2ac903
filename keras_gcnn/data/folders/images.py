"""Stores the images of a folder, brought to one shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from keras_gcnn.data.folders.cache import Content, Progress, silent, store
from keras_gcnn.data.folders.decoding import BadImageError, decode
from keras_gcnn.data.folders.fitting import Shape, as_type, fit_image
from keras_gcnn.data.folders.stored import StoredImages


def store_images(
    paths: Sequence[Path],
    shape: Shape,
    dtype: str,
    folder: Path,
    workers: int | None = None,
    progress: Progress = silent,
) -> tuple[StoredImages, dict[int, str]]:
    """Decodes images into a file, or finds the file of an earlier call; errors as in `store`.

    Args:
        paths: of the images.
        shape: to which they are brought.
        dtype: of the numbers in the file: `"uint8"`, `"uint16"` or `"float32"`.
        folder: for the file.
        workers: number of threads; None for one per processor.
        progress: shows progress.

    Returns:
        The images, with zeros in place of damaged ones, and a dict from the indices of the damaged
        ones to the reasons.
    """

    def read(path: Path) -> np.ndarray | str:
        try:
            return as_type(fit_image(decode(path), shape), dtype)
        except BadImageError as error:
            return str(error)

    size = (shape.rows, shape.columns, shape.channels)
    stored = store(
        paths, Content(size, dtype, read, [asdict(shape), dtype]), folder, workers, progress
    )
    return StoredImages(stored.path, (len(paths), *size), dtype), stored.reasons
