"""Plots the fields of a steerable map for an image at several angles."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_gcnn.analysis.plots.arrows import positions, quiver, show_on_plane
from keras_gcnn.analysis.plots.base import SIGNED, empty_plot, finish_plot
from keras_gcnn.analysis.plots.choice import irreps_by_field
from keras_gcnn.analysis.plots.panels import largest, show_image
from keras_gcnn.groups.fields import Fields
from keras_gcnn.groups.point_group import TRIVIAL, Irrep

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
    title: str = "A field of a rotating image",
    note: str = "",
) -> Figure:
    """Plots one field of each map below its image: frequency 0 as colours, frequency 1 as arrows.

    Of a field that has frequency 1 twice, as regular fields of groups with mirrors, the first pair
    of channels are the arrows.

    The images are one image at several angles. The first row shows the images, the second the
    field, and the third the field rotated back by the angle, including its arrows. The third row
    should not change from column to column.

    Args:
        images: array of shape `(n, rows, columns, 1 or 3)`.
        maps: feature maps of the images, of shape `(n, rows, columns, fields.channels)`, square.
        fields: fields of the maps.
        angles: angle of each image in degrees, counter-clockwise.
        path: file to write, whose suffix chooses the format; None to write no file.
        field: int, index of the field among the fields with frequencies 0 and 1.
        title: title of the plot.
        note: small print below the plot, e.g. how the maps were computed.

    Returns:
        The `matplotlib.figure.Figure`, which a notebook shows.

    Raises:
        ValueError: if no such field has the frequencies 0 and 1, or shapes do not fit.

    Example:

    >>> import numpy as np
    >>> from keras_gcnn import analysis
    >>> from keras_gcnn.layers import Fields
    >>> fields = Fields.regular(1, max_frequency=1)
    >>> figure = analysis.plot_turning_fields(
    ...     np.ones((2, 8, 8, 1)), np.ones((2, 8, 8, 3)), fields, (0, 90)
    ... )
    """
    plottable = _fields_with_arrows(fields)
    count = len(plottable)
    if not 0 <= field < count:
        raise ValueError(
            f"field={field} of {fields!r} cannot be plotted: {count} fields have the frequencies 0 "
            f"and 1. Choose one from 0 to {count - 1}."
            if count
            else f"{fields!r} has no field with both frequencies 0 and 1, where 1 are pairs of "
            "channels, so none can be plotted."
        )
    if maps.shape[-1] != fields.channels or not len(images) == len(maps) == len(angles):
        raise ValueError(
            f"Images of shape {images.shape}, maps of shape {maps.shape}, {len(angles)} angles and "
            f"{fields.channels} channels of {fields!r} do not fit together."
        )
    of_field = fields.channel_fields == plottable[field]
    scalar = maps[..., of_field & fields.scalar_channels][..., 0]
    arrows = maps[..., of_field & (fields.channel_frequencies == 1)][..., :2]
    figure = empty_plot(1.6 * len(angles), 5.2, note, of_images=True)
    panels = figure.subplots(3, len(angles), squeeze=False)
    limit = largest(scalar)
    size = maps.shape[1]
    x, y = positions(size, size)
    shown = np.hypot(x, y) < size / 2 - 0.5
    longest = np.hypot(*np.moveaxis(arrows, -1, 0))[:, shown].max() or 1.0  # 0 for a blank image
    scale = 0.9 / longest * max(1, size / 14)
    colours: dict[str, Any] = {"cmap": SIGNED, "vmin": -limit, "vmax": limit}
    for column, angle in enumerate(angles):
        radians = np.deg2rad(angle)
        back = np.array([[np.cos(radians), np.sin(radians)], [-np.sin(radians), np.cos(radians)]])
        top, middle, bottom = panels[:, column]
        show_image(top, images[column])
        top.set_title(f"{angle:g}°", fontsize=9)
        show_on_plane(middle, scalar[column], **colours)
        vectors = scale * arrows[column][shown]
        places = np.stack([x[shown], y[shown]], axis=-1)
        quiver(middle, places, vectors)
        rotated, pointing = places @ back.T, vectors @ back.T
        bottom.scatter(*rotated.T, c=scalar[column][shown], s=45, **colours)
        quiver(bottom, rotated, pointing)
        bottom.set(xlim=middle.get_xlim(), ylim=middle.get_ylim(), aspect="equal")
    for axes in panels.flat:
        axes.set(xticks=[], yticks=[])
    for axes, label in zip(panels[:, 0], ("image", "field", "rotated back"), strict=True):
        axes.set_ylabel(label, fontsize=9)
    figure.suptitle(title, parse_math=False)
    return finish_plot(figure, path)


def _fields_with_arrows(fields: Fields) -> list[int]:
    """Returns the numbers of the fields with irrep 0 and a pair of frequency 1."""
    if fields.group.is_single(1):
        return []
    wanted = {TRIVIAL, Irrep(1)}
    return [field for field, irreps in enumerate(irreps_by_field(fields)) if wanted <= {*irreps}]
