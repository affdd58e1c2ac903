"""Plots reconstructions of rotated images, and latent vectors by class."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from keras_gcnn.analysis.plots.base import COLOURS, GREY, empty_plot, finish_plot
from keras_gcnn.data import rotate

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_GAP = 3  # pixels between the images and their reconstructions


def plot_reconstructions(
    images: np.ndarray,
    reconstruct: Callable[[np.ndarray], np.ndarray],
    path: str | Path | None = None,
    angles: Sequence[float] = (0, 30, 60, 90, 135, 180, 225, 270, 315),
    title: str = "Rotated images and their reconstructions",
    note: str = "",
) -> Figure:
    """Plots images at several angles, a row each, and beside them their reconstructions.

    If the latent vectors of the model are invariant, all reconstructions in a row are the same.

    Args:
        images: array of shape `(n, rows, columns, channels)`, square, with one or three channels.
        reconstruct: function from such images to their reconstructions.
        path: file to write, whose suffix chooses the format; None to write no file.
        angles: angle of each column in degrees, counter-clockwise.
        title: title of the plot.
        note: small print below the plot, e.g. how the model was trained.

    Returns:
        The `matplotlib.figure.Figure`, which a notebook shows.

    Raises:
        TypeError: if `reconstruct` is no function.

    Example:

    >>> from keras_gcnn import analysis, data
    >>> images = data.load("digits").test.images[:4]
    >>> figure = analysis.plot_reconstructions(images, lambda x: x, angles=(0, 90))
    """
    if not callable(reconstruct):
        raise TypeError(
            f"reconstruct is of type {type(reconstruct).__name__}. Give a function from images to "
            "reconstructions, such as vae.reconstruct: the plot calls it for rotated images."
        )
    rotated = [rotate(images, angle) for angle in angles]
    reconstructions = [reconstruct(batch) for batch in rotated]
    gap = np.ones((len(images) * images.shape[1], _GAP, images.shape[3]))
    mosaic = np.concatenate([*map(_column, rotated), gap, *map(_column, reconstructions)], axis=1)
    columns = 2 * len(angles)
    figure = empty_plot(0.55 * columns + 0.5, 0.55 * len(images) + 0.9, note)
    axes = figure.add_subplot()
    axes.imshow(mosaic.squeeze(), cmap=GREY, vmin=0, vmax=1)
    width = images.shape[2]
    starts = width * (np.arange(columns) + 0.5) + np.where(
        np.arange(columns) < len(angles), 0, _GAP
    )
    axes.set_xticks(starts, [f"{angle:g}°" for angle in (*angles, *angles)], fontsize=8)
    axes.xaxis.tick_top()
    axes.set_yticks([])
    half = width * len(angles)
    for start, text in ((0, "rotated images"), (half + _GAP, "reconstructions")):
        axes.text(start + half / 2, len(mosaic) + 4, text, ha="center", va="top", fontsize=9)
    axes.set_title(title, parse_math=False)
    return finish_plot(figure, path)


def plot_latent_vectors(
    vectors: np.ndarray | Mapping[str, np.ndarray],
    labels: np.ndarray,
    path: str | Path | None = None,
    title: str = "Latent vectors by class",
    note: str = "",
) -> Figure:
    """Plots latent vectors by class, with a panel for each set, e.g. for upright images.

    All panels show the two directions in which the first set varies most.

    Args:
        vectors: array of shape `(n, m)`, m at least 2, or a mapping from names to such arrays.
        labels: classes of the vectors in every set, of shape `(n,)`.
        path: file to write, whose suffix chooses the format; None to write no file.
        title: title of the plot.
        note: small print below the plot, e.g. how the model was trained.

    Returns:
        The `matplotlib.figure.Figure`, which a notebook shows.

    Raises:
        ValueError: if there are no vectors, or their shapes are wrong or do not fit the labels.

    Example:

    >>> import numpy as np
    >>> from keras_gcnn import analysis
    >>> vectors = np.random.default_rng(0).normal(size=(20, 6))
    >>> figure = analysis.plot_latent_vectors(vectors, np.arange(20) % 2)
    """
    sets = vectors if isinstance(vectors, Mapping) else {"": vectors}
    sets = {name: np.asarray(points) for name, points in sets.items()}
    labels = np.asarray(labels)
    _check_vectors(sets, labels)
    first = next(iter(sets.values()))
    centre = first.mean(axis=0)
    _, _, axes_of_variance = np.linalg.svd(first - centre, full_matrices=False)
    figure = empty_plot(4.2 * len(sets) + 0.8, 4.6, note)
    panels = figure.subplots(1, len(sets), sharex=True, sharey=True, squeeze=False)[0]
    for axes, (name, latent) in zip(panels, sets.items(), strict=True):
        points = (latent - centre) @ axes_of_variance[:2].T
        for index, label in enumerate(np.unique(labels)):
            in_class = labels == label
            axes.scatter(
                *points[in_class].T, s=4, color=COLOURS[index % len(COLOURS)], label=str(label)
            )
        axes.set_title(name, fontsize=10, parse_math=False)
        axes.set_aspect("equal")
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside right center", markerscale=3)
    if title:
        figure.suptitle(title, parse_math=False)
    return finish_plot(figure, path)


def _check_vectors(sets: Mapping[str, np.ndarray], labels: np.ndarray) -> None:
    shapes = {name: points.shape for name, points in sets.items()}
    if not sets or any(len(shape) != 2 or shape[1] < 2 for shape in shapes.values()):
        raise ValueError(
            f"Latent vectors of shape {shapes or None} cannot be plotted. Give an array of shape "
            "(n, m) with m of 2 or more, or a mapping from names to such arrays."
        )
    widths = {shape[1] for shape in shapes.values()}
    if (
        len(widths) > 1
        or labels.ndim != 1
        or {shape[0] for shape in shapes.values()} != {len(labels)}
    ):
        raise ValueError(
            f"Latent vectors of shape {shapes} and labels of shape {labels.shape} do not fit "
            "together. Give every set the same shape (n, m), and labels of shape (n,)."
        )


def _column(images: np.ndarray) -> np.ndarray:
    """Returns the images on top of each other."""
    return images.reshape(-1, *images.shape[2:])
