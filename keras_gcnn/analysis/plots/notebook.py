"""A Matplotlib figure that a notebook shows by itself. Matplotlib is an extra."""

from __future__ import annotations

import io

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


class NotebookFigure(Figure):
    """A figure that needs no window and no pyplot, whose global state it leaves alone.

    Jupyter shows a plain `Figure` only once pyplot is imported; it shows everything that has a
    `_repr_png_`.

    Args:
        *arguments, **options: as of `matplotlib.figure.Figure`.
    """

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        FigureCanvasAgg(self)

    def _repr_png_(self) -> bytes:
        """The picture in the format in which notebooks embed it."""
        content = io.BytesIO()
        self.savefig(content, format="png")
        return content.getvalue()
