"""A Matplotlib figure that a notebook shows without pyplot. Matplotlib is an extra."""

from __future__ import annotations

import io
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


class NotebookFigure(Figure):
    """A figure that needs neither a window nor pyplot, and so leaves pyplot's global state alone.

    Jupyter shows a plain `Figure` only once pyplot is imported, but any object with a
    `_repr_png_`.

    Args:
        *arguments, **options: arguments of `matplotlib.figure.Figure`.
    """

    def __init__(self, *arguments: Any, **options: Any):
        super().__init__(*arguments, **options)
        FigureCanvasAgg(self)

    def _repr_png_(self) -> bytes:
        """Returns the plot as a PNG, which notebooks embed."""
        content = io.BytesIO()
        self.savefig(content, format="png")
        return content.getvalue()
