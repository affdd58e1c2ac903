"""Pictures of feature fields: what a steerable network makes of a turning image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from keras_gcnn.analysis.plots.figures import empty_figure, finish
from keras_gcnn.groups.fields import Fields

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_turning_fields(
    images: np.ndarray,
    maps: np.ndarray,
    fields: Fields,
    angles: Sequence[float],
    path: str | Path | None = None,
    *,
    field: int = 0,
    title: str = "A field of a turning image",
    note: str = "",
) -> Figure:
    """Draws one field of every map beside its image: arrows for frequency 1, over frequency 0.

    The images are one image at several angles. Above are the images, in the middle the field as it
    is, below the same turned back by the angle: arrows and all, it should not change from column to
    column.

    Args:
        images: array of shape `(n, rows, columns, 1)`.
        maps: feature maps of the images, of shape `(n, rows, columns, fields.channels)`, square.
        fields: what the maps consist of.
        angles: in degrees, counter-clockwise, one an image.
        path: file to write, whose ending chooses the format; None to write none.
        field: int, which field, of those that have the frequencies 0 and 1.
        title: what is shown.
        note: how it was made, in small print below.

    Returns:
        The `matplotlib.figure.Figure`, which a notebook shows.

    Raises:
        ValueError: if there is no such field with the frequencies 0 and 1, or shapes do not fit.

    Example:

    >>> import numpy as np
    >>> from keras_gcnn import analysis
    >>> from keras_gcnn.layers import Fields
    >>> fields = Fields.regular(1, max_frequency=1)
    >>> figure = analysis.plot_turning_fields(
    ...     np.ones((2, 8, 8, 1)), np.ones((2, 8, 8, 3)), fields, (0, 90)
    ... )
    """
    number = min(fields.multiplicities.get(frequency, 0) for frequency in (0, 1))
    if not 0 <= field < number:
        raise ValueError(
            f"field={field} of {fields!r} cannot be drawn: {number} fields have the frequencies 0 "
            f"and 1. Choose one from 0 to {number - 1}."
            if number
            else f"{fields!r} has no field with both frequencies 0 and 1, so there is none to draw."
        )
    if maps.shape[-1] != fields.channels or not len(images) == len(maps) == len(angles):
        raise ValueError(
            f"Images of shape {images.shape}, maps of shape {maps.shape}, {len(angles)} angles and "
            f"{fields.channels} channels of {fields!r} do not fit together."
        )
    own = np.flatnonzero(fields.channel_fields == field)
    kinds = fields.channel_frequencies[own]
    scalar = maps[..., own[kinds == 0][0]]
    arrows = maps[..., own[kinds == 1]]
    figure = empty_figure(1.6 * len(angles), 5.2, note)
    panels = figure.subplots(3, len(angles), squeeze=False)
    limit = np.abs(scalar).max()
    size = maps.shape[1]
    positions = np.arange(size) - (size - 1) / 2
    x, y = np.meshgrid(positions, -positions)
    shown = np.hypot(x, y) < size / 2 - 0.5
    extent = (-size / 2, size / 2, -size / 2, size / 2)
    longest = np.hypot(*np.moveaxis(arrows, -1, 0))[:, shown].max() or 1.0  # of a blank image 0
    scale = 0.9 / longest * max(1, size / 14)
    for column, angle in enumerate(angles):
        radians = np.deg2rad(angle)
        back = np.array([[np.cos(radians), np.sin(radians)], [-np.sin(radians), np.cos(radians)]])
        top, middle, bottom = panels[:, column]
        top.imshow(images[column, ..., 0], cmap="gray_r", vmin=0)
        top.set_title(f"{angle:g}°", fontsize=9)
        middle.imshow(scalar[column], cmap="coolwarm", vmin=-limit, vmax=limit, extent=extent)
        vectors = scale * arrows[column][shown]
        places = np.stack([x[shown], y[shown]], axis=-1)
        quiver = {"angles": "xy", "scale_units": "xy", "scale": 1, "width": 0.008}
        middle.quiver(*places.T, *vectors.T, **quiver)
        turned, pointing = places @ back.T, vectors @ back.T
        colors = scalar[column][shown]
        bottom.scatter(*turned.T, c=colors, cmap="coolwarm", vmin=-limit, vmax=limit, s=45)
        bottom.quiver(*turned.T, *pointing.T, **quiver)
        bottom.set(xlim=extent[:2], ylim=extent[2:], aspect="equal")
    for axes in panels.flat:
        axes.set(xticks=[], yticks=[])
    for axes, label in zip(panels[:, 0], ("image", "field", "turned back"), strict=True):
        axes.set_ylabel(label, fontsize=9)
    figure.suptitle(title, fontsize=10, parse_math=False)
    return finish(figure, path, dpi=130)
