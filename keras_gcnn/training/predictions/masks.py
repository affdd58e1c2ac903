"""Predicts masks of image files with a saved model, and writes them."""

from __future__ import annotations

import csv
import io
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from keras_gcnn.data.folders.blocks import blocks, count_values
from keras_gcnn.data.folders.cache import Progress, silent
from keras_gcnn.data.folders.colours import class_colours
from keras_gcnn.data.folders.decoding import decode
from keras_gcnn.data.folders.fitting import Shape, as_type, fit_image, unfit_image
from keras_gcnn.training import atomic_files
from keras_gcnn.training.predictions.batches import outputs_of
from keras_gcnn.training.predictions.scores import NamedScores

_OPACITY = 0.4  # of the colour of a class over the image


@dataclass(frozen=True)
class MaskPrediction:
    """The mask that a model predicts for an image.

    Args:
        path: of the image.
        mask: indices of classes, uint8 of the size of the image in its file; None for a file that
            cannot be used.
        reason: why it cannot be used, or "".
    """

    path: Path
    mask: np.ndarray | None
    reason: str = ""


class Segmenter(NamedScores):
    """A saved network for masks and how its images are prepared.

    Its map has a score for each class, or one for the foreground.
    """

    def predict(
        self, paths: Sequence[Path], progress: Progress = silent
    ) -> Iterator[MaskPrediction]:
        """Yields a mask for each file, in their order.

        What the model did not see, since it was cut off, is of the first class.

        Args:
            paths: of image files.
            progress: shows progress.
        """
        for output in outputs_of(self.run, paths, self.shape, progress):
            mask = None
            if output.values is not None:
                small = as_classes(output.values, self.probabilities)[..., None]
                mask = unfit_image(small, self.shape, output.size)[..., 0]
            yield MaskPrediction(output.path, mask, output.reason)


def as_classes(scores: np.ndarray, probabilities: bool | None = None) -> np.ndarray:
    """Returns the class of each pixel as uint8.

    Args:
        scores: map of a score for each class, or of that of the foreground.
        probabilities: whether the latter is a probability and no logit; None for a guess: if all
            are from 0 to 1.

    Example:

    >>> as_classes(np.array([[[-2.0], [3.0]]])).tolist()
    [[0, 1]]
    """
    if scores.shape[-1] > 1:
        return np.argmax(scores, axis=-1).astype("uint8")
    if probabilities is None:
        probabilities = bool(scores.min() >= 0 and scores.max() <= 1)
    return (scores[..., 0] > (0.5 if probabilities else 0)).astype("uint8")


def write_masks(
    predictions: Iterable[MaskPrediction], paths: Sequence[Path], classes: int, folder: Path
) -> Iterator[MaskPrediction]:
    """Writes for each prediction the mask, and the image with the mask over it; yields them on.

    `NAME-mask.png` has the index of a class as the value of a pixel, with a palette, so that it can
    be looked at; `NAME-overlay.png` is the image. Files of several folders stay in folders.

    Args:
        predictions: of the files, in their order.
        paths: of all files.
        classes: their number.
        folder: a new or empty one.

    Raises:
        ValueError: if there are files in the folder, or it cannot be written.
    """
    if folder.is_dir() and any(folder.iterdir()):
        raise ValueError(f"{folder} has files in it. Choose a new folder for the masks.")
    atomic_files.make_folder(folder)
    colours = class_colours(classes)
    for name, prediction in zip(_names(paths), predictions, strict=True):
        if prediction.mask is not None:
            atomic_files.make_folder((folder / name).parent)
            mask, overlay = (folder / f"{name}-{what}.png" for what in ("mask", "overlay"))
            atomic_files.write(mask, partial(_write_mask, prediction.mask, colours))
            write_overlay = partial(_write_overlay, prediction.path, prediction.mask, colours)
            atomic_files.write(overlay, write_overlay)
        yield prediction


def _names(paths: Sequence[Path]) -> list[str]:
    """Returns names for files, from the folder that holds all; if they differ without endings.

    Different files have different names.
    """
    absolute = [os.path.abspath(path) for path in paths]
    above = os.path.commonpath([os.path.dirname(path) for path in absolute])
    names = [os.path.relpath(path, above) for path in absolute]
    stems = [os.path.splitext(name)[0] for name in names]
    counts = Counter(stems)
    # A stem such as that of a.png.jpg may be the name of another file.
    return [
        stem if counts[stem] == 1 and stem not in names else name
        for stem, name in zip(stems, names, strict=True)
    ]


def _write_mask(mask: np.ndarray, colours: np.ndarray, path: Path) -> None:
    from PIL import Image

    image = Image.fromarray(mask, mode="P")
    image.putpalette(colours.flatten().tolist())
    image.save(path, format="PNG")


def _write_overlay(source: Path, mask: np.ndarray, colours: np.ndarray, path: Path) -> None:
    from PIL import Image

    rows, columns = mask.shape
    image = np.array(as_type(fit_image(decode(source), Shape(rows, columns, 3)), "uint8"))
    for part in blocks(rows, columns):
        below, classes = image[part], mask[part]
        mixed = np.round((1 - _OPACITY) * below + _OPACITY * colours[classes])
        image[part] = np.where(classes[..., None] > 0, mixed, below).astype("uint8")
    Image.fromarray(image).save(path, format="PNG")


def table_of_masks(
    segmenter: Segmenter, paths: Sequence[Path], folder: Path, progress: Progress = silent
) -> tuple[str, dict[Path, str]]:
    """Writes the masks of image files as `write_masks`, one image after the other.

    Args:
        segmenter: the network.
        paths: of the images.
        folder: a new or empty one.
        progress: shows progress.

    Returns:
        A table in CSV with the share of each class in the pixels of each image, and a dict from the
        files that cannot be used to the reasons.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["file", *(f"share of {name}" for name in segmenter.classes), "problem"])
    problems: dict[Path, str] = {}
    found = segmenter.predict(paths, progress)
    for each in write_masks(found, paths, len(segmenter.classes), folder):
        shares = [""] * len(segmenter.classes)
        if each.mask is None:
            problems[each.path] = each.reason
        else:
            counts = count_values(each.mask)
            size = each.mask.size
            shares = [f"{counts.get(index, 0) / size:.6f}" for index in range(len(shares))]
        writer.writerow([each.path, *shares, each.reason])
    return text.getvalue(), problems
