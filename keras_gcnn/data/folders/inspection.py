"""Reads the headers of the images of a folder, before any is decoded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from keras_gcnn.data.folders.cache import Progress, in_threads, silent
from keras_gcnn.data.folders.decoding import BadImageError, Header, read_header
from keras_gcnn.data.folders.layout import Layout
from keras_gcnn.data.folders.masks import Palettes, check_pair


@dataclass(frozen=True)
class Inspected:
    """What is known of the image files before they are decoded.

    Args:
        headers: size and kind of each, or None for those that cannot be used.
        reasons: dict from the index of each of the others to the reason.
    """

    headers: list[Header | None]
    reasons: dict[int, str]


def inspect(
    layout: Layout, target: str, workers: int | None = None, progress: Progress = silent
) -> Inspected:
    """Reads the headers of all images of a layout, and those of their masks if there are any."""
    images = _inspect([sample.path for sample in layout.samples], workers, progress)
    if target != "mask":
        return images
    paths = [Path(sample.target) for sample in layout.samples]
    masks = _inspect(paths, workers, progress)
    palettes = Palettes()
    reasons = {index: f"its mask {reason}" for index, reason in masks.reasons.items()}
    for index, (image, mask) in enumerate(zip(images.headers, masks.headers, strict=True)):
        if image is not None and mask is not None:
            reason = check_pair(image, mask) or palettes.check(paths[index], mask.palette)
            if reason is not None:
                reasons[index] = reason
    headers = [None if index in reasons else each for index, each in enumerate(images.headers)]
    return Inspected(headers, reasons | images.reasons)


def _inspect(paths: Sequence[Path], workers: int | None, progress: Progress) -> Inspected:
    headers: list[Header | None] = []
    reasons: dict[int, str] = {}
    results = in_threads(_header_or_reason, paths, workers)
    for index, result in enumerate(progress(results, "looking at images", len(paths))):
        headers.append(result if isinstance(result, Header) else None)
        if isinstance(result, str):
            reasons[index] = result
    return Inspected(headers, reasons)


def _header_or_reason(path: Path) -> Header | str:
    try:
        return read_header(path)
    except BadImageError as error:
        return str(error)
