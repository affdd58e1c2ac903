"""What all plots share: the empty figure, the colours, and what is done with a finished one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Ten colours that people with any colour vision tell apart: Petroff 2021, "Accessible Color
# Sequences for Data Visualization", arXiv 2107.02270.
COLOURS = (
    *("#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6"),
    *("#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd"),
)
GREY = "gray"  # colour map of images
SIGNED = "RdBu_r"  # of values around zero, which is white
LENGTHS = "Oranges"  # of values from zero
SHARES = "Reds"  # of shares, most of them near zero, which is white


def empty_plot(width: float, height: float, note: str, *, of_images: bool = False) -> Figure:
    """Returns an empty figure with small print below.

    Args:
        width: in inches.
        height: in inches.
        note: small print.
        of_images: bool, whether the axes keep the shape of their images and move together.

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
    layout = "compressed" if of_images else "constrained"
    figure = NotebookFigure(COLOURS, figsize=(width, height), layout=layout)
    if note:
        figure.supxlabel(note, fontsize=7, color="0.35", parse_math=False)
    return figure


def check_format(path: str | Path) -> None:
    """Checks that a plot can be written to a file, before something long is computed for it.

    Raises:
        ValueError: if the ending of its name is of no format.
        ImportError: if matplotlib is not installed.
    """
    known = sorted(empty_plot(1, 1, "").canvas.get_supported_filetypes())
    if Path(path).suffix[1:].lower() not in known:
        raise ValueError(
            f"{path}: the name of a plot has to end in its format. Choose one of "
            f"{', '.join(f'.{name}' for name in known)}."
        )


def finish_plot(figure: Figure, path: str | Path | None, dpi: int = 150) -> Figure:
    """Writes a figure to a file, in a new folder if need be, and returns it; None writes none."""
    if path is not None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=dpi)
    return figure


def one_image(image: np.ndarray) -> np.ndarray:
    """Returns one image as a batch of one.

    Raises:
        ValueError: if it is no image with channels, or several.
    """
    array = np.asarray(image)
    if array.ndim == 3:
        return array[None]
    if array.ndim == 4 and len(array) == 1:
        return array
    advice = "images[0] of a batch" if array.ndim == 4 else "image[..., None] of one without them"
    raise ValueError(
        f"The image has shape {array.shape}. Give one image with an axis for its channels, such as "
        f"(28, 28, 1): {advice}."
    )
