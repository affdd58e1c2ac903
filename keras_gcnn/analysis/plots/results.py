"""Plots of accuracies, errors, confusions and trials."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_gcnn.analysis.plots.base import COLOURS, SHARES, empty_plot, finish_plot

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def _mean_and_deviation(values: Sequence) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation over the first axis; the deviation of one value is 0."""
    array = np.asarray(values, dtype=float)
    return array.mean(axis=0), array.std(axis=0, ddof=1) if len(array) > 1 else 0 * array[0]


Curve = Mapping[float, float]


def _by_name(values: Any) -> Mapping[str, Any]:
    """Returns a mapping from names; values without a name get an empty one."""
    return values if isinstance(values, Mapping) else {"": values}


def plot_accuracy_by_angle(
    curves: Mapping[str, Curve | Sequence[Curve]] | Curve | Sequence[Curve],
    path: str | Path | None = None,
    title: str = "Accuracy by the angle of the images",
    note: str = "",
) -> Figure:
    """Plots accuracy against the angle by which the images are rotated.

    Args:
        curves: a curve, a mapping from angles in degrees to accuracies in percent; or one for each
            seed, of which the plot shows the mean and a band of one standard deviation; or a
            mapping from the names of networks to either.
        path: file to write, whose suffix chooses the format; None to write no file.
        title: title of the plot.
        note: small print below the plot, e.g. how the numbers were measured.

    Returns:
        The `matplotlib.figure.Figure`, which a notebook shows.

    Example:

    >>> from keras_gcnn import analysis
    >>> curves = {"plain": {0: 98.0, 90: 41.0}, "turning": {0: 98.0, 90: 98.0}}
    >>> figure = analysis.plot_accuracy_by_angle(curves)
    """
    figure = empty_plot(7, 4, note)
    axes = figure.add_subplot()
    named = _by_name([curves] if _is_curve(curves) else curves)
    for marker, (name, given) in zip(cycle("osD^vP*X"), named.items(), strict=False):
        runs = [given] if isinstance(given, Mapping) else given
        angles = list(runs[0])
        mean, deviation = _mean_and_deviation([[run[angle] for angle in angles] for run in runs])
        (line,) = axes.plot(angles, mean, marker=marker, markersize=4, label=name)
        if len(runs) > 1:
            axes.fill_between(
                angles, mean - deviation, mean + deviation, color=line.get_color(), alpha=0.2, lw=0
            )
    axes.set(
        xlabel="angle of the test images (degrees, counter-clockwise)",
        ylabel="accuracy (%)",
        xlim=(0, 360),
        ylim=(0, 102),
        xticks=range(0, 361, 45),
    )
    axes.set_title(title, parse_math=False)  # a title may contain a literal $
    axes.grid(alpha=0.3)
    if any(named):
        figure.legend(loc="outside right upper")
    return finish_plot(figure, path)


def _is_curve(curves: Any) -> bool:
    """Whether the keys are angles and not names."""
    return isinstance(curves, Mapping) and not any(isinstance(key, str) for key in curves)


def plot_errors(
    errors: Mapping[str, Sequence[float]] | Sequence[float],
    path: str | Path | None = None,
    parameters: Mapping[str, int] | None = None,
    title: str = "Mean, standard deviation and every seed",
    note: str = "",
    *,
    axis: str = "test error (%)",
) -> Figure:
    """Plots the errors of networks: mean and standard deviation over seeds, with seeds as dots.

    Args:
        errors: errors in percent, one for each seed; or a mapping from the names of networks to
            theirs.
        path: file to write, whose suffix chooses the format; None to write no file.
        parameters: for the name of each network the number of its parameters; None to omit it.
        title: title of the plot.
        note: small print below the plot, e.g. how the numbers were measured.
        axis: label of the horizontal axis.

    Returns:
        The `matplotlib.figure.Figure`, which a notebook shows.

    Example:

    >>> from keras_gcnn import analysis
    >>> figure = analysis.plot_errors({"plain": [5.1, 4.9], "turning": [2.2, 2.3]})
    """
    errors = _by_name(errors)
    figure = empty_plot(7, 1.4 + 0.45 * len(errors), note)
    axes = figure.add_subplot()
    for row, values in enumerate(errors.values()):
        mean, deviation = _mean_and_deviation(values)
        color = COLOURS[row % len(COLOURS)]
        axes.plot(values, [row] * len(values), "o", color=color, alpha=0.5, markersize=4)
        spread = deviation if len(values) > 1 else None
        axes.errorbar(mean, row, xerr=spread, capsize=4, fmt="|", color=color, markersize=14)
    labels = [f"{name}\n{parameters[name]:,} parameters" if parameters else name for name in errors]
    axes.set_yticks(range(len(errors)), labels, fontsize=8, parse_math=False)
    axes.set_ylim(len(errors) - 0.5, -0.5)  # the first network on top
    axes.set_xlim(left=0)
    axes.set_xlabel(axis)
    axes.set_title(title, parse_math=False)
    axes.grid(axis="x", alpha=0.3)
    return finish_plot(figure, path)


def plot_confusion(
    matrices: Mapping[str, Sequence[Sequence[int]]] | Sequence[Sequence[int]] | np.ndarray,
    classes: Sequence[str],
    path: str | Path | None = None,
    title: str = "Which class is taken for which",
    note: str = "",
) -> Figure:
    """Plots which classes networks confuse, a panel each, in percent of the true class.

    Args:
        matrices: counts of images, with a row for each true class and a column for each predicted
            class; or a mapping from the names of networks to theirs. The diagonal is left blank.
        classes: names of the classes.
        path: file to write, whose suffix chooses the format; None to write no file.
        title: title of the plot.
        note: small print below the plot, e.g. how the numbers were measured.

    Returns:
        The `matplotlib.figure.Figure`, which a notebook shows.

    Example:

    >>> from keras_gcnn import analysis
    >>> figure = analysis.plot_confusion({"network": [[9, 1], [2, 8]]}, ["cat", "dog"])
    """
    from matplotlib import colormaps

    shares = {name: _off_diagonal_percent(matrix) for name, matrix in _by_name(matrices).items()}
    many = len(classes) > 20
    columns = min(len(shares), 2 if many else 3)
    rows = math.ceil(len(shares) / columns)
    side = max(3, 0.16 * len(classes))
    figure = empty_plot(side * columns + 1, side * rows + 0.8, note)
    panels = figure.subplots(rows, columns, squeeze=False).flat
    colors = colormaps[SHARES].with_extremes(bad="0.9")
    # All panels share one scale, so that networks can be compared by their colours.
    most = max(1.0, *(np.nanmax(share, initial=0) for share in shares.values()))
    size = 5 if many else 8
    for axes, (name, share) in zip(panels, shares.items(), strict=False):
        image = axes.imshow(share, cmap=colors, vmin=0, vmax=most)
        axes.set_xticks(range(len(classes)), classes, rotation=90, fontsize=size, parse_math=False)
        axes.set_yticks(range(len(classes)), classes, fontsize=size, parse_math=False)
        axes.set_title(name, fontsize=10, parse_math=False)
        axes.set_xlabel("taken for", fontsize=8)
        axes.set_ylabel("class", fontsize=8)
    for axes in list(figure.axes)[len(shares) :]:
        axes.set_axis_off()
    figure.colorbar(image, ax=figure.axes, label="% of the class", shrink=0.6)
    figure.suptitle(title, parse_math=False)
    return finish_plot(figure, path)


def _off_diagonal_percent(matrix: Sequence[Sequence[int]]) -> np.ndarray:
    """Returns the counts in percent of their row, with NaN on the diagonal."""
    counts = np.array(matrix, dtype=float)
    percent = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    np.fill_diagonal(percent, np.nan)
    return percent


def plot_trials(
    trials: Mapping[str, Sequence[tuple[float, float]]] | Sequence[tuple[float, float]],
    path: str | Path | None = None,
    title: str = "What the trials reach, and what they cost",
    note: str = "",
    *,
    axis: str = "validation error (%)",
) -> Figure:
    """Plots the errors that the trials of a search reach against their cost.

    Args:
        trials: pairs of seconds per epoch and the value on the axis; or a mapping from the names of
            groups to theirs.
        path: file to write, whose suffix chooses the format; None to write no file.
        title: title of the plot.
        note: small print below the plot, e.g. what was searched.
        axis: label of the vertical axis; small values are good.

    Returns:
        The `matplotlib.figure.Figure`, which a notebook shows.

    Example:

    >>> from keras_gcnn import analysis
    >>> figure = analysis.plot_trials({"p4": [(1.5, 4.0), (3.0, 2.5)]})
    """
    figure = empty_plot(7, 4.5, note)
    axes = figure.add_subplot()
    named = _by_name(trials)
    for marker, (name, points) in zip(cycle("osD^vP*X"), named.items(), strict=False):
        (line,) = axes.plot(*zip(*points, strict=True), marker, alpha=0.6, markersize=6, label=name)
        # The trials that no other trial of the group beats in both.
        front, best = [], math.inf
        for seconds, value in sorted(points):
            if value < best:
                front.append((seconds, value))
                best = value
        axes.plot(*zip(*front, strict=True), color=line.get_color(), drawstyle="steps-post")
    axes.set_xscale("log")
    axes.set_xlabel("seconds an epoch")
    axes.set_ylabel(axis)
    axes.set_title(title, parse_math=False)
    axes.grid(alpha=0.3)
    if any(named):
        axes.legend()
    return finish_plot(figure, path)
