"""A picture of some images of every class."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np

from keras_gcnn.data.folders.cache import as_type
from keras_gcnn.data.folders.decoding import decode
from keras_gcnn.data.folders.fitting import Shape, fit_image
from keras_gcnn.data.folders.survey import Survey

_TILE = 96  # pixels
_GAP = 4
_LABEL = 18
_MOST_CLASSES = 40


def write_contact_sheet(survey: Survey, path: str | Path, per_class: int = 10) -> None:
    """Writes a PNG with a row of images for each class.

    Args:
        survey: of the folder.
        path: of the PNG.
        per_class: number of images in a row; they are spread evenly over those of the class.
    """
    from PIL import Image, ImageDraw

    classes = defaultdict(list)
    for sample in survey.good:
        classes[sample.target].append(sample.path)
    names = sorted(classes)[:_MOST_CLASSES]
    step = _TILE + _GAP
    size = (per_class * step + _GAP, len(names) * (step + _LABEL) + _GAP)
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    tile = Shape(_TILE, _TILE, 3, "pad", "bilinear")
    for row, name in enumerate(names):
        top = row * (step + _LABEL) + _GAP
        label = f"{name} ({len(classes[name]):,})"
        try:
            draw.text((_GAP, top), label, fill="black")
        except UnicodeError:  # where Pillow has its small font only
            draw.text((_GAP, top), label.encode("ascii", "replace").decode(), fill="black")
        count = min(per_class, len(classes[name]))
        chosen = np.linspace(0, len(classes[name]) - 1, count).round().astype(int)
        for column, index in enumerate(chosen):
            image = as_type(fit_image(decode(classes[name][index]), tile), "uint8")
            sheet.paste(Image.fromarray(image), (column * step + _GAP, top + _LABEL))
    sheet.save(path, format="PNG")
