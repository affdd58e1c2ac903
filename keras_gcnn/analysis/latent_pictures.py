"""Pictures of what an autoencoder makes of turned images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from keras_gcnn.analysis.figures import empty_figure
from keras_gcnn.data import rotate

_GAP = 3  # pixels between the images and what is drawn of them


def plot_reconstructions(
    images: np.ndarray,
    reconstruct: Callable[[np.ndarray], np.ndarray],
    path: str | Path,
    angles: Sequence[float] = (0, 30, 60, 90, 135, 180, 225, 270, 315),
    title: str = "",
    note: str = "",
) -> None:
    """Draws images at several angles, a row each, and beside them what a model draws of them.

    Of a model whose latent vectors do not see the angle, all pictures on the right of a row are the
    same.

    Args:
        images: array of shape `(n, rows, columns, channels)`, square, with one or three channels.
        reconstruct: function from such images to what is drawn of them.
        path: file to write; its ending chooses the format.
        angles: in degrees, counter-clockwise, one a column.
        title: what is shown.
        note: how it was made, in small print below.
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
    figure.savefig(path, dpi=150)


def plot_latent_vectors(
    vectors: Mapping[str, np.ndarray],
    labels: np.ndarray,
    path: str | Path,
    title: str = "",
    note: str = "",
) -> None:
    """Draws latent vectors by class, a panel for each set of them, e.g. of upright images.

    All panels show the two directions in which the first set varies most.

    Args:
        vectors: from a name to an array of shape `(n, m)`, m at least 2.
        labels: classes, of shape `(n,)`, those of every set.
        path: file to write; its ending chooses the format.
        title: what is shown.
        note: how it was made, in small print below.
    """
    first = next(iter(vectors.values()))
    centre = first.mean(axis=0)
    _, _, axes_of_variance = np.linalg.svd(first - centre, full_matrices=False)
    figure = empty_figure(4.2 * len(vectors) + 0.8, 4.6, note)
    panels = figure.subplots(1, len(vectors), sharex=True, sharey=True, squeeze=False)[0]
    for axes, (name, own) in zip(panels, vectors.items(), strict=True):
        points = (own - centre) @ axes_of_variance[:2].T
        for label in np.unique(labels):
            chosen = labels == label
            axes.scatter(*points[chosen].T, s=4, color=f"C{label % 10}", label=str(label))
        axes.set_title(name, fontsize=10, parse_math=False)
        axes.set_aspect("equal")
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside right center", markerscale=3)
    if title:
        figure.suptitle(title, parse_math=False)
    figure.savefig(path, dpi=150)


def _column(images: np.ndarray) -> np.ndarray:
    """Images on top of each other."""
    return images.reshape(-1, *images.shape[2:])
