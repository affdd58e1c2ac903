"""The empty plot that all plots begin with, and what is done with a finished one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def empty_plot(width: float, height: float, note: str) -> Figure:
    """Returns an empty figure with small print below.

    Raises:
        ImportError: if matplotlib is not installed.
    """
    try:
        from keras_gcnn.analysis.plots.notebook import NotebookFigure
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] != "matplotlib":
            raise
        raise ImportError(
            f"{error}. Plots need matplotlib: pip install 'keras-gcnn[train]', or from a clone "
            "pip install -e '.[train]'."
        ) from None
    figure = NotebookFigure(figsize=(width, height), layout="constrained")
    if note:
        figure.supxlabel(note, fontsize=7, color="0.35", parse_math=False)
    return figure


def finish_plot(figure: Figure, path: str | Path | None, dpi: int = 150) -> Figure:
    """Writes a figure to a file unless the path is None, and returns it."""
    if path is not None:
        figure.savefig(path, dpi=dpi)
    return figure
