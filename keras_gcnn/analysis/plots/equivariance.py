"""Plots both sides of `f(g x) = g f(x)` for one image."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from keras_gcnn.analysis.auditing.channel_types import ChannelType, VectorType
from keras_gcnn.analysis.commuting import BothSides, compute_both_sides, find_group
from keras_gcnn.analysis.plots.base import empty_plot, finish_plot, one_image
from keras_gcnn.analysis.plots.panels import Panel, panel_for, show_image
from keras_gcnn.groups import Group
from keras_gcnn.groups.point_group import element_of
from keras_gcnn.types import GroupLike

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_OPTIONS = ("input_type", "output_type", "data_format", "training")
_COLUMNS = ("input moved: g x", "its output: f(g x)", "output moved: g f(x)")


def plot_equivariance(
    target: Callable | Mapping[str, Callable],
    image: np.ndarray,
    group: GroupLike | None = None,
    path: str | Path | None = None,
    *,
    elements: str | Sequence[str] | None = None,
    field: int | None = None,
    title: str = "Is f(g x) = g f(x)?",
    note: str = "",
    **options: Any,
) -> Figure:
    """Plots what a layer or model makes of a moved image, and the moved output for the image.

    Each row is for one element g of the group. Its panels are the moved image, the output for the
    moved image, the output for the image itself with the element applied to it, and the difference
    of the two outputs in the same colours. Above it stands the largest difference over all channels
    of the output, relative to the largest value, as `equivariance_error` measures it.

    Of a map the panels show one field: all its orientations, the first ones on top; or frequency 0
    as colours and frequency 1 as arrows in a steerable map; or one channel of a map of ordinary
    channels, such as the mask of a class. Features without positions are bars.

    Args:
        target: a Keras layer or model, a function from a batch to a batch, or a `torch.nn.Module`;
            or a mapping from names to several of them, whose rows are below each other.
        image: array of shape `(rows, columns, channels)`, or with channels first, as the target
            takes it: for a layer such as `GConv2D` it is a feature map.
        group: str or `keras_gcnn.groups.Group`; default the group of the layer, or the largest
            group of a model's layers.
        path: file to write, whose suffix chooses the format; None to write no file.
        elements: name of an element, such as `"r"`, or names of several; `"all"` for all but the
            identity. Default a quarter turn, or the first element of a group without it.
        field: int, the field or channel of the output to show; default the one that varies most.
        title: title of the plot.
        note: small print below the plot.
        **options: arguments of `equivariance_error`: `input_type`, `output_type`, `data_format`
            and `training`.

    Returns:
        The `matplotlib.figure.Figure`, which a notebook shows.

    Raises:
        ValueError: if the group has no such element, the output has no such field, or
            `equivariance_error` cannot measure the target.

    Example:

    >>> import numpy as np
    >>> from keras_gcnn import analysis, layers
    >>> image = np.random.default_rng(0).random((9, 9, 1))
    >>> figure = analysis.plot_equivariance(layers.LiftingConv2D(4, 3, group="p4"), image)
    """
    targets = target if isinstance(target, Mapping) else {"": target}
    if not targets:
        raise ValueError("target is an empty mapping. Give at least one layer or model.")
    if unknown := [name for name in options if name not in _OPTIONS]:
        raise TypeError(
            f"plot_equivariance has no argument {unknown[0]!r}. Of those of equivariance_error it "
            f"takes {', '.join(_OPTIONS)}."
        )
    batch = one_image(image)
    rows: list[_Row] = []
    for name, each in targets.items():
        acting = find_group(each, group)
        chosen = _choose_elements(acting, elements)
        sides = compute_both_sides(each, acting, batch, elements=chosen, **options)
        rows += _rows_of(name, sides, field)
    figure = empty_plot(9.6, 2.35 * len(rows) + 0.8, note, of_images=True)
    panels = figure.subplots(len(rows), 4, squeeze=False)
    for axes, row in zip(panels, rows, strict=True):
        row.draw(axes)
    for axes, text in zip(panels[0], _COLUMNS, strict=False):
        axes.set_title(text, fontsize=10)
    figure.suptitle(title, parse_math=False)
    return finish_plot(figure, path)


class _Row(NamedTuple):
    """What one row shows.

    Attributes:
        label: the target and the element.
        panel: how outputs are shown.
        image: g x.
        moved: f(g x).
        expected: g f(x).
        error: their largest difference, relative to the largest value.
    """

    label: str
    panel: Panel
    image: np.ndarray
    moved: np.ndarray
    expected: np.ndarray
    error: float

    def draw(self, axes: Sequence[Axes]) -> None:
        """Fills the four axes of the row."""
        show_image(axes[0], self.image)
        axes[0].set_ylabel(self.label, fontsize=9, parse_math=False)
        self.panel.draw(axes[1], self.moved)
        self.panel.draw(axes[2], self.expected)
        title = f"difference: at most {self.error:.2g}"
        if self.moved.shape == self.expected.shape:
            self.panel.draw(axes[3], self.moved - self.expected)
        else:
            title = "outputs of different shapes"
            axes[3].axis("off")
        axes[3].set_title(title, fontsize=10)


def _rows_of(name: str, sides: BothSides, field: int | None) -> list[_Row]:
    output_type, errors = sides.best_type()

    def first(batch: np.ndarray) -> np.ndarray:
        return _first(batch, output_type, sides.data_format)

    pairs = {
        trial: (first(moved), first(sides.moved_outputs(trial, output_type)))
        for trial, moved in sides.outputs_of_moved.items()
    }
    shown = [output for pair in pairs.values() for output in pair]
    shown += [
        moved - expected for moved, expected in pairs.values() if moved.shape == expected.shape
    ]
    panel = panel_for(output_type, first(sides.outputs), field, shown)
    rows = []
    for trial, pair in pairs.items():
        lines = (name, describe_element(sides.group, trial), panel.name)
        image = _first(sides.moved_inputs(trial), sides.input_type, sides.data_format)
        rows.append(_Row("\n".join(filter(None, lines)), panel, image, *pair, errors[trial]))
    return rows


def _first(batch: np.ndarray, channel_type: ChannelType, data_format: str) -> np.ndarray:
    """Returns the first image or features of a batch, with channels last."""
    first = batch[0].astype("float64")
    if first.ndim == 2:  # vectors without positions, or a plane without an axis of channels
        return first.ravel() if isinstance(channel_type, VectorType) else first[..., None]
    has_channels_first = first.ndim == 3 and data_format == "channels_first"
    return np.moveaxis(first, 0, -1) if has_channels_first else first


def describe_element(group: Group, name: str) -> str:
    """Names an element of a group and the rotation that it is, as in `"g = r, 90°"`."""
    mirrored, angle = element_of(group.matrices[group.elements.index(name)])
    degrees = f"{round(np.degrees(angle)) % 360}°"
    return f"g = {name}, {degrees}" + (", mirrored" if mirrored else "")


def _choose_elements(group: Group, elements: str | Sequence[str] | None) -> list[int]:
    """Returns the indices of the elements with these names."""
    if elements is None:
        chosen = ["r" if "r" in group.elements else group.elements[-1]]
    elif isinstance(elements, str):
        chosen = [*group.elements[1:]] if elements == "all" else [elements]
    else:
        chosen = [*elements] if isinstance(elements, Iterable) else []
    unknown = [name for name in chosen if name not in group.elements]
    if unknown or not chosen:
        raise ValueError(
            f"elements={elements!r}: {group.name} has {', '.join(group.elements)}. Name one or "
            "several of them, or 'all'."
        )
    return [group.elements.index(name) for name in chosen]
