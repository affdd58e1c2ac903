"""A Matplotlib figure that a notebook shows without pyplot. Matplotlib is an extra."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


class NotebookFigure(Figure):
    """A figure that needs neither a window nor pyplot, and so leaves pyplot's global state alone.

    Jupyter shows a plain `Figure` only once pyplot is imported, but any object with a
    `_repr_png_`.

    Args:
        colours: of the lines and points in the axes, in this order.
        **options: arguments of `matplotlib.figure.Figure`.
    """

    def __init__(self, colours: Sequence[str], **options: Any):
        super().__init__(**options)
        self._colours = colours
        FigureCanvasAgg(self)

    def add_subplot(self, *arguments: Any, **options: Any) -> Any:
        """Adds axes, as `matplotlib.figure.Figure.add_subplot`, which draw in the colours."""
        axes = super().add_subplot(*arguments, **options)
        axes.set_prop_cycle(color=self._colours)
        return axes

    def _repr_png_(self) -> bytes:
        """Returns the plot as a PNG, which notebooks embed."""
        content = io.BytesIO()
        self.savefig(content, format="png")
        return content.getvalue()
