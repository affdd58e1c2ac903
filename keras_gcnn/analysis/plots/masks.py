"""Plots images with the boundaries of true and predicted masks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from keras_gcnn.analysis.plots.base import empty_plot, finish_plot
from keras_gcnn.analysis.plots.panels import show_image

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLUMNS = 5
_TRUE, _PREDICTED = "limegreen", "magenta"


def plot_masks(
    images: np.ndarray,
    masks: np.ndarray,
    predicted: np.ndarray,
    path: str | Path | None = None,
    title: str = "True and predicted boundaries",
    note: str = "",
    captions: Sequence[str] = (),
) -> Figure:
    """Shows images with the boundaries of their true masks in green, and of predicted in magenta.

    Args:
        images: array of shape `(n, rows, columns, 1 or 3)` with values in [0, 1].
        masks: indices of the true classes, of shape `(n, rows, columns)`.
        predicted: the same of the predicted classes.
        path: file to write, whose suffix chooses the format; None to write no file.
        title: title of the plot.
        note: small print below the plot.
        captions: text above each image, such as its Dice coefficient.

    Returns:
        The `matplotlib.figure.Figure`, which a notebook shows.

    Example:

    >>> import numpy as np
    >>> from keras_gcnn import analysis
    >>> masks = np.zeros((1, 8, 8), int)
    >>> masks[:, 2:6, 2:6] = 1
    >>> figure = analysis.plot_masks(np.zeros((1, 8, 8, 1)), masks, masks)
    """
    rows = max(1, math.ceil(len(images) / _COLUMNS))
    figure = empty_plot(2.2 * _COLUMNS, 2.5 * rows + 0.6, note, of_images=True)
    figure.suptitle(f"{title} (green: true, magenta: predicted)", parse_math=False)
    for place, (image, true, found) in enumerate(zip(images, masks, predicted, strict=True), 1):
        axes = figure.add_subplot(rows, _COLUMNS, place)
        show_image(axes, image)
        for mask, colour, width in ((true, _TRUE, 2.0), (found, _PREDICTED, 1.0)):
            for value in np.unique(mask)[1:]:  # around each class but the first
                axes.contour(mask == value, levels=[0.5], colors=colour, linewidths=width)
        if place <= len(captions):
            axes.set_title(captions[place - 1], fontsize=8, parse_math=False)
        axes.axis("off")
    return finish_plot(figure, path)
