"""Pictures of what an autoencoder makes of turned images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from keras_gcnn.analysis.plots.figures import empty_figure, finish
from keras_gcnn.data import rotate

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_GAP = 3  # pixels between the images and what is drawn of them


def plot_reconstructions(
    images: np.ndarray,
    reconstruct: Callable[[np.ndarray], np.ndarray],
    path: str | Path | None = None,
    angles: Sequence[float] = (0, 30, 60, 90, 135, 180, 225, 270, 315),
    title: str = "Turned images, and what is drawn of them",
    note: str = "",
) -> Figure:
    """Draws images at several angles, a row each, and beside them what a model draws of them.

    Of a model whose latent vectors do not see the angle, all pictures on the right of a row are the
    same.

    Args:
        images: array of shape `(n, rows, columns, channels)`, square, with one or three channels.
        reconstruct: function from such images to what is drawn of them.
        path: file to write, whose ending chooses the format; None to write none.
        angles: in degrees, counter-clockwise, one a column.
        title: what is shown.
        note: how it was made, in small print below.

    Returns:
        The `matplotlib.figure.Figure`, which a notebook shows.

    Example:

    >>> from keras_gcnn import analysis, data
    >>> images = data.load("digits").test.images[:4]
    >>> figure = analysis.plot_reconstructions(images, lambda x: x, angles=(0, 90))
    """
    turned = [rotate(images, angle) for angle in angles]
    drawn = [reconstruct(one) for one in turned]
    gap = np.ones((len(images) * images.shape[1], _GAP, images.shape[3]))
    mosaic = np.concatenate([*map(_column, turned), gap, *map(_column, drawn)], axis=1)
    wide = 2 * len(angles)
    figure = empty_figure(0.55 * wide + 0.5, 0.55 * len(images) + 0.9, note)
    axes = figure.add_subplot()
    axes.imshow(mosaic.squeeze(), cmap="gray", vmin=0, vmax=1)
    width = images.shape[2]
    starts = width * (np.arange(wide) + 0.5) + np.where(np.arange(wide) < len(angles), 0, _GAP)
    axes.set_xticks(starts, [f"{angle:g}°" for angle in (*angles, *angles)], fontsize=8)
    axes.xaxis.tick_top()
    axes.set_yticks([])
    half = width * len(angles)
    for start, text in ((0, "images, turned"), (half + _GAP, "what is drawn of them")):
        axes.text(start + half / 2, len(mosaic) + 4, text, ha="center", va="top", fontsize=9)
    axes.set_title(title, parse_math=False)
    return finish(figure, path)


def plot_latent_vectors(
    vectors: np.ndarray | Mapping[str, np.ndarray],
    labels: np.ndarray,
    path: str | Path | None = None,
    title: str = "Latent vectors by class",
    note: str = "",
) -> Figure:
    """Draws latent vectors by class, a panel for each set of them, e.g. of upright images.

    All panels show the two directions in which the first set varies most.

    Args:
        vectors: array of shape `(n, m)`, m at least 2, or a mapping from names to such arrays.
        labels: classes, of shape `(n,)`, those of every set.
        path: file to write, whose ending chooses the format; None to write none.
        title: what is shown.
        note: how it was made, in small print below.

    Returns:
        The `matplotlib.figure.Figure`, which a notebook shows.

    Raises:
        ValueError: if there are no vectors, their shapes are others, or do not fit the labels.

    Example:

    >>> import numpy as np
    >>> from keras_gcnn import analysis
    >>> vectors = np.random.default_rng(0).normal(size=(20, 6))
    >>> figure = analysis.plot_latent_vectors(vectors, np.arange(20) % 2)
    """
    sets = vectors if isinstance(vectors, Mapping) else {"": vectors}
    sets = {name: np.asarray(one) for name, one in sets.items()}
    labels = np.asarray(labels)
    _check_vectors(sets, labels)
    first = next(iter(sets.values()))
    centre = first.mean(axis=0)
    _, _, axes_of_variance = np.linalg.svd(first - centre, full_matrices=False)
    figure = empty_figure(4.2 * len(sets) + 0.8, 4.6, note)
    panels = figure.subplots(1, len(sets), sharex=True, sharey=True, squeeze=False)[0]
    for axes, (name, own) in zip(panels, sets.items(), strict=True):
        points = (own - centre) @ axes_of_variance[:2].T
        for index, label in enumerate(np.unique(labels)):
            chosen = labels == label
            axes.scatter(*points[chosen].T, s=4, color=f"C{index % 10}", label=str(label))
        axes.set_title(name, fontsize=10, parse_math=False)
        axes.set_aspect("equal")
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside right center", markerscale=3)
    if title:
        figure.suptitle(title, parse_math=False)
    return finish(figure, path)


def _check_vectors(sets: Mapping[str, np.ndarray], labels: np.ndarray) -> None:
    shapes = {name: one.shape for name, one in sets.items()}
    if not sets or any(len(shape) != 2 or shape[1] < 2 for shape in shapes.values()):
        raise ValueError(
            f"Latent vectors of shape {shapes or None} cannot be drawn. Give an array of shape "
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
    """Images on top of each other."""
    return images.reshape(-1, *images.shape[2:])
