"""Runs a model on image files, batch by batch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_gcnn.data.folders.cache import Progress, in_threads
from keras_gcnn.data.folders.decoding import BadImageError, decode
from keras_gcnn.data.folders.fitting import Shape, as_type, fit_image

Run = Callable[[np.ndarray], np.ndarray]
"""From a batch of images to the outputs of a model."""

_MOST_AT_ONCE = 64  # images in a batch
_MOST_NUMBERS = 2**23  # of the images of a batch; 256 images of 96 x 96 in colour are within


def inference_batch_size(image_shape: tuple[int, ...], most: int = 256) -> int:
    """Returns how many images a network takes at once where it does not learn.

    They are fewer for large images, whose maps would not fit into the memory.

    Example:

    >>> inference_batch_size((28, 28, 1)), inference_batch_size((1024, 1024, 3))
    (256, 2)
    """
    return max(1, min(most, _MOST_NUMBERS // math.prod(image_shape)))


@dataclass(frozen=True)
class Output:
    """What a model says of an image file.

    Args:
        path: of the image.
        size: rows and columns of the image in the file.
        values: the model's output; None for a file that cannot be used.
        reason: why it cannot be used, or "".
    """

    path: Path
    size: tuple[int, int] = (0, 0)
    values: np.ndarray | None = None
    reason: str = ""


def outputs_of(
    run: Run, paths: Sequence[Path], shape: Shape, progress: Progress
) -> Iterator[Output]:
    """Yields the outputs of a model for image files, in their order.

    Args:
        run: the model.
        paths: of the images.
        shape: to which they are brought.
        progress: shows progress.
    """

    def prepare(path: Path) -> tuple[Output, np.ndarray | None]:
        try:
            image = decode(path)
        except BadImageError as error:
            return Output(path, reason=str(error)), None
        rows, columns = image.shape[:2]
        return Output(path, (rows, columns)), as_type(fit_image(image, shape), "float32")

    step = inference_batch_size((shape.rows, shape.columns, shape.channels), _MOST_AT_ONCE)
    waiting: list[tuple[Output, np.ndarray | None]] = []
    for prepared in progress(in_threads(prepare, paths), "predicting", len(paths)):
        waiting.append(prepared)
        if len(waiting) == step:
            yield from _run(run, waiting)
            waiting = []
    yield from _run(run, waiting)


def images_of(paths: Sequence[Path], shape: Shape, progress: Progress) -> np.ndarray:
    """Returns image files as a model takes them; those that cannot be read are left out.

    Raises:
        ValueError: if none can be read.
    """
    read = outputs_of(lambda images: images, paths, shape, progress)
    images = [each.values for each in read if each.values is not None]
    if not images:
        raise ValueError(f"None of the {len(paths)} images can be read, the first is {paths[0]}.")
    return np.stack(images)


def _run(run: Run, waiting: Sequence[tuple[Output, np.ndarray | None]]) -> Iterator[Output]:
    images = [image for _, image in waiting if image is not None]
    found = iter(np.asarray(run(np.stack(images))) if images else ())
    for output, image in waiting:
        yield output if image is None else Output(output.path, output.size, next(found))
