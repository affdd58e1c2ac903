"""Pictures of results."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def plot_accuracy_by_angle(
    curves: Mapping[str, Mapping[float, float]], path: str | Path, title: str = "", note: str = ""
) -> None:
    """Draws accuracy against the angle by which the images are turned.

    Args:
        curves: from the name of a network to its accuracies in percent by angle in degrees.
        path: file to write; its ending chooses the format.
        title: what was measured.
        note: how, in small print below.
    """
    # The object-oriented interface needs no screen and leaves the user's pyplot state alone.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for marker, (name, curve) in zip("osD^vP*X", curves.items(), strict=False):
        axes.plot(list(curve), list(curve.values()), marker=marker, markersize=4, label=name)
    axes.set(
        xlabel="angle of the test images (degrees, counter-clockwise)",
        ylabel="accuracy (%)",
        xlim=(0, 360),
        ylim=(0, 102),
        xticks=range(0, 361, 45),
    )
    axes.set_title(title, parse_math=False)  # a title may hold a $ and mean it
    axes.grid(alpha=0.3)
    figure.legend(loc="outside right upper")
    if note:
        figure.supxlabel(note, fontsize=7, color="0.35", parse_math=False)
    figure.savefig(path, dpi=150)
