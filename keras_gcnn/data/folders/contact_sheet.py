"""A picture of some images of every class, or of some images and their masks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from keras_gcnn.data.folders.colours import class_colours
from keras_gcnn.data.folders.decoding import decode
from keras_gcnn.data.folders.fitting import Shape, as_type, fit_image
from keras_gcnn.data.folders.layout import Sample
from keras_gcnn.data.folders.masks import decode_mask, fit_mask
from keras_gcnn.data.folders.survey import Survey

_TILE = 96  # pixels
_GAP = 4
_LABEL = 18
_MOST_CLASSES = 40
_SHAPE = Shape(_TILE, _TILE, 3, "pad", "bilinear")


def write_contact_sheet(survey: Survey, path: str | Path, per_class: int = 10) -> None:
    """Writes a PNG with a row of images for each class; with masks, of images and of masks.

    Args:
        survey: of the folder.
        path: of the PNG.
        per_class: number of images in a row; they are spread evenly over those of the class.
    """
    from PIL import Image, ImageDraw

    rows = _mask_rows(survey, per_class) if survey.pixels else _class_rows(survey, per_class)
    step = _TILE + _GAP
    size = (per_class * step + _GAP, len(rows) * (step + _LABEL) + _GAP)
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    for row, (label, tiles) in enumerate(rows.items()):
        top = row * (step + _LABEL) + _GAP
        try:
            draw.text((_GAP, top), label, fill="black")
        except UnicodeError:  # where Pillow has its small font only
            draw.text((_GAP, top), label.encode("ascii", "replace").decode(), fill="black")
        for column, tile in enumerate(tiles):
            sheet.paste(Image.fromarray(tile), (column * step + _GAP, top + _LABEL))
    sheet.save(path, format="PNG")


def _class_rows(survey: Survey, most: int) -> dict[str, Sequence[np.ndarray]]:
    classes = defaultdict(list)
    for sample in survey.good:
        classes[sample.label].append(sample)
    return {
        f"{name} ({len(classes[name]):,})": list(map(_image_tile, _spread(classes[name], most)))
        for name in sorted(classes)[:_MOST_CLASSES]
    }


def _mask_rows(survey: Survey, most: int) -> dict[str, Sequence[np.ndarray]]:
    chosen = _spread(survey.good, most)
    tile = partial(_mask_tile, values=sorted(survey.pixels))
    return {
        f"images ({len(survey.good):,})": list(map(_image_tile, chosen)),
        "masks": list(map(tile, chosen)),
    }


def _spread(samples: Sequence[Sample], most: int) -> list[Sample]:
    count = min(most, len(samples))
    return [samples[i] for i in np.linspace(0, len(samples) - 1, count).round().astype(int)]


def _image_tile(sample: Sample) -> np.ndarray:
    return as_type(fit_image(decode(sample.path), _SHAPE), "uint8")


def _mask_tile(sample: Sample, values: Sequence[int]) -> np.ndarray:
    mask = fit_mask(decode_mask(Path(sample.target)), _SHAPE)
    return class_colours(len(values))[np.searchsorted(values, mask).clip(max=len(values) - 1)]
