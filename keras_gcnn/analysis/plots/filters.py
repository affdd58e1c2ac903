"""Plots the filters of a convolution in all orientations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import keras
import numpy as np

from keras_gcnn.analysis.plots.base import empty_plot, finish_plot
from keras_gcnn.analysis.plots.choice import check_indices, irreps_by_field
from keras_gcnn.analysis.plots.panels import largest, show_planes
from keras_gcnn.groups import Group
from keras_gcnn.groups.fields import Fields
from keras_gcnn.groups.point_group import Irrep
from keras_gcnn.layers import (
    GConv2D,
    GConv2DTranspose,
    GDepthwiseConv2D,
    GSeparableConv2D,
    LiftingConv2D,
    SteerableConv2D,
    SteerableConv2DTranspose,
)
from keras_gcnn.model_graph import unwrap

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ON_GROUPS = (LiftingConv2D, GConv2D, GSeparableConv2D, GConv2DTranspose)
_STEERABLE = (SteerableConv2D, SteerableConv2DTranspose)
_TRANSPOSED = (GConv2DTranspose, SteerableConv2DTranspose)
_MOST = 6  # filters that are shown if none are chosen


def plot_filters(
    layer: keras.Layer,
    path: str | Path | None = None,
    *,
    filters: Sequence[int] | None = None,
    input_field: int = 0,
    title: str | None = None,
    note: str = "",
) -> Figure:
    """Plots filters of a convolution, a row each, in all orientations, a column each.

    A filter of `LiftingConv2D` or `GDepthwiseConv2D` is one plane. A filter of `GConv2D` has a
    plane for each orientation of its input, and a panel shows them in the order of the elements: in
    another orientation of the output, the planes are moved and change places. A filter of
    `SteerableConv2D` has a column for each channel of its output field, named by the irrep.

    The planes are those of `expanded_kernel()`, the kernel that the layer applies. Blue is
    negative, red positive, and all panels have one scale.

    Args:
        layer: one of these layers, or a `GSeparableConv2D` or a transposed convolution, that is
            built.
        path: file to write, whose suffix chooses the format; None to write no file.
        filters: indices of the filters, which are fields of the output; default the first six.
        input_field: int, which field of the input, or channel of an image, the filters read. A
            filter of `GDepthwiseConv2D` reads its own.
        title: title of the plot; default the name of the layer.
        note: small print below the plot.

    Returns:
        The `matplotlib.figure.Figure`, which a notebook shows.

    Raises:
        TypeError: if the layer has no such filters.
        ValueError: if it is not built, or has no such filter or input.

    Example:

    >>> from keras_gcnn import analysis, layers
    >>> layer = layers.LiftingConv2D(8, 5, group="p4")
    >>> layer.build((None, 28, 28, 1))
    >>> figure = analysis.plot_filters(layer, filters=(0, 3))
    """
    rows = _filters_of(unwrap(layer), input_field)
    if filters is None:
        filters = range(min(len(rows), _MOST))
    chosen = check_indices("filter", filters, len(rows))
    limit = largest(np.concatenate([panel.planes.ravel() for i in chosen for panel in rows[i]]))
    columns = max(len(rows[index]) for index in chosen)
    figure = empty_plot(1.15 * columns + 1.4, 1.15 * len(chosen) + 0.9, note, of_images=True)
    grid = figure.subplots(len(chosen), columns, squeeze=False)
    above: list[str] = []
    for line, index in zip(grid, chosen, strict=True):
        line[0].set_ylabel(f"filter {index}", fontsize=9)
        names = [panel.name for panel in rows[index]]
        for axes, panel in zip(line, rows[index], strict=False):
            show_planes(axes, panel.planes, limit)
            if names != above:
                axes.set_title(panel.name, fontsize=9)
        for axes in line[len(names) :]:
            axes.axis("off")
        above = names
    figure.colorbar(grid[0, 0].images[0], ax=grid, shrink=0.8, aspect=30)
    if title is None:
        by = "by channel" if isinstance(unwrap(layer), _STEERABLE) else "in all orientations"
        title = f"Filters of {layer.name} {by}"
    figure.suptitle(title, parse_math=False)
    return finish_plot(figure, path)


class _Filter(NamedTuple):
    """A filter in one orientation, or for one channel of a field.

    Attributes:
        name: the element or the irrep.
        planes: array of shape `(n, rows, columns)`: one for each channel of the input field.
    """

    name: str
    planes: np.ndarray


def _filters_of(layer: Any, input_field: int) -> list[list[_Filter]]:
    """Returns for each output field its filters.

    Raises:
        TypeError: if the layer has none.
        ValueError: if it is not built, or has no such input field.
    """
    if isinstance(layer, GDepthwiseConv2D):
        return _depthwise_filters(layer)
    if not isinstance(layer, (*_ON_GROUPS, *_STEERABLE)):
        raise TypeError(
            f"{type(layer).__name__} has no filters in orientations. Give a convolution of "
            "keras_gcnn.layers, such as LiftingConv2D, GConv2D or SteerableConv2D."
        )
    kernel = layer.expanded_kernel()  # rows, columns, input, output
    if isinstance(layer, _TRANSPOSED):
        kernel = kernel.swapaxes(2, 3)
    kernel = kernel.transpose(3, 2, 0, 1)
    if isinstance(layer, _STEERABLE):
        inputs = [*_parts(kernel.swapaxes(0, 1), layer.fields_in)]
        (index,) = check_indices("input field", [input_field], len(inputs))
        outputs = _parts(inputs[index].swapaxes(0, 1), layer.fields_out)
        names = map(_channel_names, irreps_by_field(layer.fields_out), repeat(layer.fields_out))
        return [
            [_Filter(*each) for each in zip(field_names, planes, strict=True)]
            for field_names, planes in zip(names, outputs, strict=True)
        ]
    orders = (layer.group.order, -1, layer.input_order)
    by_field = kernel.reshape(layer.filters, *orders, *kernel.shape[2:])
    (index,) = check_indices("input field", [input_field], by_field.shape[2])
    return _by_element(by_field[:, :, index], layer.group)


def _depthwise_filters(layer: GDepthwiseConv2D) -> list[list[_Filter]]:
    kernel = layer.expanded_kernel()  # rows, columns, field * |G| + orientation, filter
    rows, columns, _, multiplier = kernel.shape
    kernel = kernel.reshape(rows, columns, -1, layer.group.order, multiplier)
    kernel = kernel.transpose(2, 4, 3, 0, 1).reshape(-1, layer.group.order, 1, rows, columns)
    return _by_element(kernel, layer.group)


def _by_element(kernel: np.ndarray, group: Group) -> list[list[_Filter]]:
    """Names the orientations of filters of shape `(fields, |G|, n, rows, columns)`."""
    return [
        [_Filter(*each) for each in zip(group.elements, planes, strict=True)] for planes in kernel
    ]


def _parts(kernel: np.ndarray, fields: Fields) -> Iterator[np.ndarray]:
    """Yields what a kernel, channels first, has for each field."""
    for field in range(fields.count):
        yield kernel[fields.channel_fields == field]


def _channel_names(irreps: Iterable[Irrep], fields: Fields) -> list[str]:
    """Names the channels of a field: the x and the y of vectors, and others by their irrep."""
    names = []
    for irrep in irreps:
        single = fields.group.dimension(irrep) == 1
        names += [f"{irrep.name}"] if single else [f"{irrep.name} x", f"{irrep.name} y"]
    return names
