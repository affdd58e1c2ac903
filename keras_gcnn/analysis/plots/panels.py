"""Panels: an image, the channels of one field, or features, all on one scale."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from keras_gcnn.analysis.auditing.channel_types import ChannelType, SteerableType, VectorType
from keras_gcnn.analysis.plots.arrows import draw_arrows, show_on_plane
from keras_gcnn.analysis.plots.base import GREY, LENGTHS, SIGNED
from keras_gcnn.analysis.plots.choice import channels_by_field, check_indices, most_varied
from keras_gcnn.groups.fields import Fields

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_GAP = 0.06  # of the width of a plane in a mosaic


def show_image(axes: Axes, image: np.ndarray) -> None:
    """Shows an image with channels last: three channels as colours, otherwise the first one."""
    given = np.asarray(image)
    values = given.astype(float) / (255 if given.dtype == np.uint8 else 1)
    low, high = values.min(), values.max()
    if low < 0 or high > 1:
        values = (values - low) / ((high - low) or 1)
    if values.shape[-1] != 3:
        values = values[..., 0]
    axes.imshow(values, cmap=GREY, vmin=0, vmax=1)
    axes.set(xticks=[], yticks=[])


def show_planes(axes: Axes, planes: np.ndarray, limit: float, names: Sequence[str] = ()) -> None:
    """Shows planes beside and below each other; blue is negative, red positive, white zero.

    Args:
        axes: where.
        planes: array of shape `(n, rows, columns)`.
        limit: the value of the darkest red.
        names: of the planes, written into their corners; empty for none.
    """
    count, height, width = planes.shape
    across = _planes_in_a_row(count)
    down = math.ceil(count / across)
    gap = _GAP * width
    for place, plane in enumerate(planes):
        left, top = place % across * (width + gap), place // across * (height + gap)
        extent = (left, left + width, top + height, top)
        axes.imshow(
            plane, cmap=SIGNED, vmin=-limit, vmax=limit, extent=extent, interpolation="nearest"
        )
    for place, name in enumerate(names):
        corner = place % across * (width + gap), place // across * (height + gap)
        axes.annotate(name, corner, (3, -3), textcoords="offset points", va="top", fontsize=7)
    axes.set(
        xlim=(0, across * (width + gap) - gap),
        ylim=(down * (height + gap) - gap, 0),
        xticks=[],
        yticks=[],
        facecolor="0.7",
    )


def _planes_in_a_row(count: int) -> int:
    """Returns how many planes stand beside each other: 2 of 4, 4 of 8, 3 of 7."""
    rows = max(n for n in range(1, int(count**0.5) + 1) if count % n == 0)
    is_long = rows == 1 and count > 3  # a prime number
    return math.ceil(count**0.5) if is_long else count // rows


def largest(*arrays: np.ndarray) -> float:
    """Returns the largest finite absolute value, or 1 where all are zero."""
    return max(float(np.abs(array[np.isfinite(array)]).max(initial=0)) for array in arrays) or 1.0


class Panel(ABC):
    """How the output for one image is shown.

    Args:
        name: what of the output is shown.
    """

    limit = 1.0  # the value of the darkest colour

    def __init__(self, name: str) -> None:
        self.name = name

    @abstractmethod
    def draw(self, axes: Axes, output: np.ndarray) -> None:
        """Shows an output, channels last, of the shape of that which the panel was made for."""


class MapPanel(Panel):
    """Shows channels of a map as planes, such as the orientations of a field.

    Args:
        name: what is shown.
        channels: indices of the channels.
        maps: those whose largest value is the darkest.
        names: of the channels; empty for none.
    """

    def __init__(
        self,
        name: str,
        channels: np.ndarray,
        maps: Sequence[np.ndarray],
        names: Sequence[str] = (),
    ) -> None:
        super().__init__(name)
        self.channels, self.names = channels, names
        self.limit = largest(*(each[..., channels] for each in maps))

    def draw(self, axes: Axes, output: np.ndarray) -> None:
        planes = np.moveaxis(output[..., self.channels], -1, 0)
        show_planes(axes, planes, self.limit, self.names)


class ArrowPanel(Panel):
    """Shows a channel, or the length of several, as colours, and a pair of channels as arrows.

    Args:
        name: what is shown.
        coloured: index of the channel, or indices of the channels.
        arrow: indices of the pair; empty for no arrows.
        maps: those whose largest value is the darkest, and whose longest arrow is the longest.
    """

    def __init__(
        self, name: str, coloured: np.ndarray, arrow: np.ndarray, maps: Sequence[np.ndarray]
    ) -> None:
        super().__init__(name)
        self.coloured, self.arrow = coloured, arrow
        self.limit = largest(*map(self._colours, maps))
        self.longest = largest(*(np.linalg.norm(each[..., arrow], axis=-1) for each in maps))

    @property
    def _signed(self) -> bool:
        return len(self.coloured) == 1

    def _colours(self, output: np.ndarray) -> np.ndarray:
        values = output[..., self.coloured]
        return values[..., 0] if self._signed else np.linalg.norm(values, axis=-1)

    def draw(self, axes: Axes, output: np.ndarray) -> None:
        cmap, low = (SIGNED, -self.limit) if self._signed else (LENGTHS, 0.0)
        show_on_plane(axes, self._colours(output), cmap=cmap, vmin=low, vmax=self.limit)
        if len(self.arrow):
            draw_arrows(axes, output[..., self.arrow], self.longest)


def panel_of_field(name: str, fields: Fields, field: int, maps: Sequence[np.ndarray]) -> ArrowPanel:
    """Returns a panel with frequency 0 of a field as colours, and frequency 1 as arrows.

    A field without frequency 0 has the length of its fibre as colours.
    """
    of_field = fields.channel_fields == field
    is_vector = (fields.channel_frequencies == 1) & (not fields.group.is_single(1))
    scalar = np.flatnonzero(of_field & fields.scalar_channels)[:1]
    coloured = scalar if len(scalar) else np.flatnonzero(of_field)
    return ArrowPanel(name, coloured, np.flatnonzero(of_field & is_vector)[:2], maps)


def share_scale(panels: Sequence[Panel]) -> None:
    """Gives all panels of a type the scale of the one with the largest values."""
    for same in (MapPanel, ArrowPanel):
        limit = max((panel.limit for panel in panels if isinstance(panel, same)), default=1.0)
        for panel in panels:
            if isinstance(panel, same):
                panel.limit = limit
            if isinstance(panel, ArrowPanel):
                panel.longest = limit


class BarPanel(Panel):
    """Shows features, or the answer of a classifier, as bars.

    Args:
        features: those whose smallest and largest values are at the ends of the axis.
    """

    def __init__(self, features: Sequence[np.ndarray]) -> None:
        super().__init__("")
        values = np.concatenate(features)
        values = values[np.isfinite(values)]
        self.limits = 1.1 * values.min(initial=0.0), 1.1 * values.max(initial=0.0)

    def draw(self, axes: Axes, output: np.ndarray) -> None:
        axes.bar(np.arange(len(output)), output, width=0.8)
        axes.axhline(0, color="black", lw=0.5)
        if any(self.limits):
            axes.set_ylim(*self.limits)
        axes.tick_params(labelsize=7)


def panel_for(
    channel_type: ChannelType,
    output: np.ndarray,
    field: int | None,
    shown: Sequence[np.ndarray],
) -> Panel:
    """Returns the panel that shows an output.

    Args:
        channel_type: type of its channels.
        output: the output for one image, channels last.
        field: which field or channel of a map to show; None for the one that varies most.
        shown: all that will be shown, on one scale.

    Raises:
        ValueError: if the map has no such field.
    """
    if output.ndim == 1:
        return BarPanel(shown)
    fields = channels_by_field(channel_type, output.shape[-1])
    if field is None:
        (number,) = most_varied(fields, output, 1)
    else:
        (number,) = check_indices("field", [field], len(fields))
    channels = fields[number]
    if len(channels) == 1:
        return MapPanel(f"channel {number}", channels, shown)
    if isinstance(channel_type, SteerableType):
        return panel_of_field(f"field {number}", channel_type.fields, number, shown)
    if isinstance(channel_type, VectorType):
        return ArrowPanel(f"vector {number}", channels, channels, shown)
    return MapPanel(f"field {number}", channels, shown, channel_type.group.elements)
