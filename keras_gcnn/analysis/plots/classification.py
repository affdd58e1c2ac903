"""Plots of a classifier's probabilities: how reliable they are, and where they are most wrong."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from keras_gcnn.analysis.plots.base import empty_plot, finish_plot
from keras_gcnn.analysis.plots.panels import show_image
from keras_gcnn.analysis.scores import check_scores, reliability

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from keras_gcnn.data.folders.stored import StoredImages

_COLUMNS = 5


def plot_reliability(
    probabilities: np.ndarray,
    labels: np.ndarray,
    path: str | Path | None = None,
    title: str = "Right predictions by confidence",
    note: str = "",
) -> Figure:
    """Plots how often a classifier is right against how sure it is.

    Args:
        probabilities: array of shape `(n, classes)`.
        labels: indices of the true classes, of shape `(n,)`.
        path: file to write, whose suffix chooses the format; None to write no file.
        title: title of the plot.
        note: small print below the plot.

    Returns:
        The `matplotlib.figure.Figure`, which a notebook shows.

    Example:

    >>> import numpy as np
    >>> from keras_gcnn import analysis
    >>> figure = analysis.plot_reliability(np.array([[0.9, 0.1], [0.4, 0.6]]), np.array([0, 0]))
    """
    found = reliability(probabilities, labels)
    figure = empty_plot(5, 4.5, note)
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color="grey", lw=1, ls="--", label="as sure as right")
    label = f"classifier, expected calibration error {found.error:.3f}"
    axes.plot(found.confidence, found.accuracy, marker="o", label=label)
    axes.set(
        xlabel="probability of the predicted class",
        ylabel="share of right predictions",
        xlim=(0, 1.02),
        ylim=(0, 1.02),
    )
    axes.set_title(title, parse_math=False)
    axes.legend()
    return finish_plot(figure, path)


def plot_worst_errors(
    images: np.ndarray | StoredImages,
    labels: np.ndarray,
    probabilities: np.ndarray,
    classes: Sequence[str],
    path: str | Path | None = None,
    title: str = "The surest wrong predictions",
    note: str = "",
    most: int = 20,
) -> Figure:
    """Shows the wrongly classified images of which a classifier is surest.

    Args:
        images: array of shape `(n, rows, columns, 1 or 3)` with values in [0, 1].
        labels: indices of the true classes, of shape `(n,)`.
        probabilities: array of shape `(n, classes)`.
        classes: names of the classes.
        path: file to write, whose suffix chooses the format; None to write no file.
        title: title of the plot.
        note: small print below the plot.
        most: int, the largest number of images that are shown.

    Returns:
        The `matplotlib.figure.Figure`, which a notebook shows.

    Example:

    >>> import numpy as np
    >>> from keras_gcnn import analysis
    >>> figure = analysis.plot_worst_errors(
    ...     np.zeros((1, 8, 8, 1)), np.array([1]), np.array([[0.9, 0.1]]), ["cat", "dog"]
    ... )
    """
    probabilities, labels = check_scores(probabilities, labels)
    shown = worst_errors(labels, probabilities)[:most]
    rows = max(1, math.ceil(len(shown) / _COLUMNS))
    figure = empty_plot(2 * _COLUMNS, 2.5 * rows + 0.6, note, of_images=True)
    figure.suptitle(title if len(shown) else f"{title}: there are none", parse_math=False)
    for place, index in enumerate(shown.tolist(), 1):
        axes = figure.add_subplot(rows, _COLUMNS, place)
        show_image(axes, images[index])
        best = int(np.argmax(probabilities[index]))
        said = f"said {classes[best]}, {probabilities[index, best]:.0%}"
        title = f"{classes[int(labels[index])]}\n{said}"
        axes.set_title(title, fontsize=8, parse_math=False)
        axes.axis("off")
    return finish_plot(figure, path)


def worst_errors(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Returns the indices of wrong predictions, the surest first."""
    probabilities, labels = check_scores(probabilities, labels)
    predicted = np.argmax(probabilities, axis=-1)
    wrong = np.flatnonzero(predicted != labels)
    return wrong[np.argsort(-probabilities[wrong, predicted[wrong]], kind="stable")]
