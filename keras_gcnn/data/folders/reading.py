"""Reads a folder: finds its images, decodes them, and makes targets of what it says of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_gcnn.data.folders.cache import Progress
from keras_gcnn.data.folders.decoding import Header
from keras_gcnn.data.folders.description import check_damaged
from keras_gcnn.data.folders.fitting import Shape
from keras_gcnn.data.folders.images import store_images
from keras_gcnn.data.folders.inspection import inspect
from keras_gcnn.data.folders.layout import Layout
from keras_gcnn.data.folders.masks import mask_targets, store_masks
from keras_gcnn.data.folders.options import Folder
from keras_gcnn.data.folders.stored import StoredImages
from keras_gcnn.data.folders.targets import Targets, make_targets


@dataclass(frozen=True)
class FolderContent:
    """The images of a folder that can be used.

    Args:
        layout: their files.
        images: the decoded images.
        targets: what is learned of them.
        headers: their sizes and kinds in the files.
        shape: to which they were brought.
        damaged: number of files that cannot be used.
    """

    layout: Layout
    images: StoredImages
    targets: Targets
    headers: list[Header]
    shape: Shape
    damaged: int


def read_folder(
    options: Folder, cache: Path, workers: int | None, progress: Progress
) -> FolderContent:
    """Reads a folder; files that cannot be used are left out.

    Args:
        options: the folder and how it is read.
        cache: folder for decoded images.
        workers: number of threads; None for one per processor.
        progress: shows progress.

    Raises:
        ValueError: if the folder has no layout that is known, or too many damaged files.
    """
    layout = options.find()
    paths = [sample.path for sample in layout.samples]
    inspected = inspect(layout, options.target, workers, progress)
    check_damaged(options.path, options.damaged, inspected.reasons, paths)
    good = [index for index, header in enumerate(inspected.headers) if header is not None]
    headers = [header for header in inspected.headers if header is not None]
    samples = [layout.samples[index] for index in good]
    shape = options.shape_for(headers)
    files = [sample.path for sample in samples]
    images, reasons = store_images(files, shape, _stored_type(headers), cache, workers, progress)
    kept = np.array([index for index in range(len(good)) if index not in reasons], "int64")
    if options.target == "mask":
        # Of damaged images the masks are not read, since their values would become classes.
        masks = [Path(samples[index].target) for index in kept]
        stored = store_masks(masks, shape, options.masks, cache, workers, progress)
        reasons |= {int(kept[index]): reason for index, reason in stored.reasons.items()}
    all_reasons = inspected.reasons | {good[index]: reason for index, reason in reasons.items()}
    check_damaged(options.path, options.damaged, all_reasons, paths)
    if options.target == "mask":
        whole = np.array([index not in stored.reasons for index in range(len(kept))])
        targets = mask_targets(options.path, stored, shape, options.classes).select(whole)
        kept = kept[whole]
    layout.samples = [samples[index] for index in kept]
    if options.target != "mask":
        targets = make_targets(layout, options.target, options.classes)
    kept_headers = [headers[index] for index in kept]
    return FolderContent(
        layout, images.select(kept), targets, kept_headers, shape, len(all_reasons)
    )


def _stored_type(headers: list[Header]) -> str:
    """Returns the smallest type that holds all images."""
    return {8: "uint8", 16: "uint16"}.get(max(header.bits for header in headers), "float32")
