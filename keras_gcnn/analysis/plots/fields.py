"""Plots the fields of a feature map for one image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from keras_gcnn import groups
from keras_gcnn.analysis.auditing.channel_types import (
    ChannelType,
    SteerableType,
    channel_type_of,
)
from keras_gcnn.analysis.calling import function_of, name_of
from keras_gcnn.analysis.plots.base import empty_plot, finish_plot, one_image
from keras_gcnn.analysis.plots.choice import (
    channels_by_field,
    check_indices,
    irreps_by_field,
    most_varied,
)
from keras_gcnn.analysis.plots.panels import ArrowPanel, MapPanel, Panel, share_scale, show_image
from keras_gcnn.groups import Group
from keras_gcnn.groups.fields import Fields
from keras_gcnn.groups.point_group import Irrep
from keras_gcnn.layers.common.lineage_walk import lineage
from keras_gcnn.layers.common.map_type import Channels, describe
from keras_gcnn.model_graph import find_data_format, is_graph, output_of
from keras_gcnn.types import GroupLike

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST = 4  # fields that are shown if none are chosen
_MOST_PLANES = 16  # of a map of ordinary channels
_COLUMNS = 4


def plot_fields(
    target: Callable,
    image: np.ndarray,
    layer: str | None = None,
    path: str | Path | None = None,
    *,
    fields: Sequence[int] | None = None,
    channels: GroupLike | Fields | None = None,
    title: str | None = None,
    note: str = "",
) -> Figure:
    """Plots the fields of a feature map for one image, a row each.

    A field of a map on a group has a column for each orientation. A field of a steerable map has a
    column for each irrep: a single channel as colours, and a pair of channels as a vector, whose
    length is the colour and whose direction is the arrow. A vector of frequency k turns k times as
    fast as the image. Of a map of ordinary channels, each panel is a channel. All panels with the
    same colours have one scale.

    Args:
        target: a model, or a layer or function that returns maps.
        image: array of shape `(rows, columns, channels)`, or with channels first, as the target
            takes it.
        layer: name of the layer of the model whose output is shown; default the last one whose
            output has rows and columns.
        path: file to write, whose suffix chooses the format; None to write no file.
        fields: indices of the fields; default the four that vary most, and sixteen of ordinary
            channels.
        channels: what the channels of the map are: a group, or `Fields`; default what the layers
            know, and otherwise ordinary channels.
        title: title of the plot; default the name of the layer and what its channels are.
        note: small print below the plot.

    Returns:
        The `matplotlib.figure.Figure`, which a notebook shows.

    Raises:
        ValueError: if there is no such layer or field, or its output is no map.

    Example:

    >>> import numpy as np
    >>> from keras_gcnn import analysis, zoo
    >>> image = np.random.default_rng(0).random((28, 28, 1))
    >>> figure = analysis.plot_fields(zoo.cohen_cnn("p4"), image, "relu1", fields=(0, 1))
    """
    batch = one_image(image)
    name, function, known = _find_map(target, layer)
    maps = function(batch)
    if maps.ndim != 4:
        raise ValueError(
            f"The output of {name} has shape {maps.shape}, which is no map. Choose a layer of a "
            "model whose output has rows and columns, by layer=..."
        )
    if find_data_format(target) == "channels_first":
        batch, maps = (np.moveaxis(each, 1, -1) for each in (batch, maps))
    output = maps[0].astype("float64")
    of_map = _as_channels(known() if channels is None else channels)
    channel_type, described = _type_of(of_map, output.shape[-1]), describe(of_map)
    by_field = channels_by_field(channel_type, output.shape[-1])
    ordinary = len(by_field) == output.shape[-1]
    if fields is None:
        chosen = most_varied(by_field, output, _MOST_PLANES if ordinary else _MOST)
    else:
        chosen = check_indices("field", fields, len(by_field))
    rows = _rows_of(channel_type, by_field, chosen, output)
    columns = max(len(panels) for _, panels in rows)
    figure = empty_plot(1.5 * columns + 2.6, 1.5 * len(rows) + 0.9, note)
    grid = figure.add_gridspec(len(rows), columns + 1, width_ratios=[1.4] + [1] * columns)
    left = figure.add_subplot(grid[:, 0])
    show_image(left, batch[0])
    left.set_title("input", fontsize=9)
    above: list[str] = []
    for line, (label, panels) in enumerate(rows):
        names = [panel.name for panel in panels]
        for column, panel in enumerate(panels):
            axes = figure.add_subplot(grid[line, column + 1])
            panel.draw(axes, output)
            axes.set_title("" if names == above else panel.name, fontsize=9)
            axes.set_ylabel("" if column else label, fontsize=9)
        above = names
    figure.suptitle(f"{name}, {described}" if title is None else title, parse_math=False)
    return finish_plot(figure, path)


def _find_map(
    target: Any, layer: str | None
) -> tuple[str, Callable, Callable[[], Group | Fields | None]]:
    """Returns a name, the function from images to maps, and what tells the maps' channels.

    A layer may know its channels only once it was called.
    """
    if is_graph(target) and target.built:
        if isinstance(target, keras.Sequential):
            target = keras.Model(target.inputs[0], target.outputs[0], name=target.name)
        chosen = target.get_layer(layer) if layer else _last_with_map(target)
        if isinstance(chosen, keras.layers.InputLayer):
            raise ValueError(
                f"layer={layer!r} is the input of {target.name!r}, which stands beside the fields "
                "anyway. Choose a layer that computes a map."
            )
        output = output_of(chosen, target)
        part = keras.Model(target.input, output)
        return chosen.name, function_of(part), lambda: lineage(output).channels
    if layer is not None:
        raise ValueError(
            f"layer={layer!r} can be found in a functional or sequential model that is built, and "
            f"{name_of(target)} is none. Give a function that returns the maps."
        )
    return name_of(target), function_of(target), lambda: _channels_of(target)


def _channels_of(layer: Any) -> Group | Fields | None:
    """Returns the channels that a layer makes, by default those that it reads; None if unknown."""
    makes = getattr(layer, "map_out", None)
    return getattr(layer, "map_in", None) if makes is None else makes


def _last_with_map(model: keras.Model) -> keras.Layer:
    called = [layer for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)]
    for layer in reversed(called):
        shape = getattr(output_of(layer, model), "shape", ())
        axis = 2 if find_data_format(model) == "channels_first" else 1
        if len(shape) == 4 and shape[axis : axis + 2] != (1, 1):
            return layer
    raise ValueError(f"No layer of {model.name!r} returns a map with rows and columns.")


def _as_channels(channels: GroupLike | Fields | None) -> Channels:
    """Returns a group or fields; Z2 for ordinary and for unknown channels."""
    if channels is None or (isinstance(channels, Fields) and channels.is_trivial):
        return groups.get("z2")
    return channels if isinstance(channels, Fields) else groups.get(channels)


def _type_of(channels: Channels, count: int) -> ChannelType:
    """Returns the type of the channels of a map.

    Raises:
        ValueError: if the number of channels does not fit the type.
    """
    if isinstance(channels, Fields):
        channel_type = channel_type_of(channels, channels.group.pixel_group)
    else:
        channel_type = ChannelType("trivial" if channels.order == 1 else "regular", channels)
    if not channel_type.fits((1, 1, 1, count), "channels_last"):
        raise ValueError(
            f"The map has {count} channels, which cannot be {channels!r}. Give other channels=, or "
            "leave it out."
        )
    return channel_type


def _rows_of(
    channel_type: ChannelType, by_field: list[np.ndarray], chosen: list[int], output: np.ndarray
) -> list[tuple[str, list[Panel]]]:
    """Returns for each row its label and its panels."""
    if channel_type.name == "trivial":
        planes: list[Panel] = [
            MapPanel(f"channel {field}", by_field[field], [output]) for field in chosen
        ]
        share_scale(planes)
        starts = range(0, len(planes), _COLUMNS)
        return [("", planes[start : start + _COLUMNS]) for start in starts]
    rows: list[list[Panel]] = []
    for field in chosen:
        if isinstance(channel_type, SteerableType):
            irreps = irreps_by_field(channel_type.fields)[field]
            rows.append(_panels_by_irrep(channel_type.fields, irreps, by_field[field], output))
        else:
            places = zip(channel_type.group.elements, by_field[field], strict=True)
            rows.append([MapPanel(name, np.array([place]), [output]) for name, place in places])
    share_scale([panel for row in rows for panel in row])
    return [(f"field {field}", row) for field, row in zip(chosen, rows, strict=True)]


def _panels_by_irrep(
    fields: Fields, irreps: Sequence[Irrep], channels: np.ndarray, output: np.ndarray
) -> list[Panel]:
    """Returns a panel for each irrep of a field with these channels."""
    panels: list[Panel] = []
    for irrep in irreps:
        size = fields.group.dimension(irrep)
        own, channels = channels[:size], channels[size:]
        name = f"frequency {irrep.name}"
        if size == 1:
            panels.append(MapPanel(name, own, [output]))
        else:
            panels.append(ArrowPanel(name, own, own, [output]))
    return panels
