"""The page `confusion.md`: which classes the networks of a run confuse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

Matrix = Sequence[Sequence[int]] | np.ndarray


def confusion_markdown(
    matrices: Mapping[str, Matrix], classes: Sequence[str], title: str, most: int = 10
) -> str:
    """Describes confusions in Markdown.

    Args:
        matrices: dict from the name of a network to its confusion matrix: counts of images, with
            a row for each true class and a column for each predicted class.
        classes: names of the classes.
        title: heading.
        most: int, how many pairs of classes to list for each network.

    Returns:
        Text with the error of every class, and the pairs that each network confuses most.
    """
    arrays = {name: np.asarray(matrix) for name, matrix in matrices.items()}
    lines = [
        f"# {title}: confusions",
        "",
        "Error on the test images of each class, in %:",
        "",
        "| class | " + " | ".join(arrays) + " |",
        "|---" + "|---:" * len(arrays) + "|",
    ]
    for index, name in enumerate(classes):
        cells = [
            _percent(matrix[index].sum() - matrix[index, index], matrix[index].sum())
            for matrix in arrays.values()
        ]
        lines.append("| " + " | ".join([_escape(name), *cells]) + " |")
    for name, matrix in arrays.items():
        images = f"{int(matrix.sum()):,} test images over all seeds"
        lines += ["", f"## {name}", "", f"The pairs confused most, of {images}:", ""]
        lines += _pairs_table(matrix, classes, most)
    return "\n".join(lines) + "\n"


def _pairs_table(matrix: np.ndarray, classes: Sequence[str], most: int) -> list[str]:
    """Lists the pairs of classes that are confused most, counting both directions together."""
    images = matrix.sum(axis=1)
    pairs = sorted(
        combinations(range(len(classes)), 2), key=lambda pair: -matrix[pair] - matrix[pair[::-1]]
    )
    lines = [
        "| pair | confused | of both, % | first taken for second | of first, % "
        "| second taken for first | of second, % |",
        "|---" + "|---:" * 6 + "|",
    ]
    for a, b in pairs[:most]:
        both = matrix[a, b] + matrix[b, a]
        if not both:
            break
        cells = [
            _escape(f"{classes[a]} / {classes[b]}"),
            f"{both:,}",
            _percent(both, images[a] + images[b]),
            f"{matrix[a, b]:,}",
            _percent(matrix[a, b], images[a]),
            f"{matrix[b, a]:,}",
            _percent(matrix[b, a], images[b]),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return lines if len(lines) > 2 else ["None."]


def _percent(count: int, images: int) -> str:
    return f"{100 * count / images:.2f}" if images else "-"


def _escape(text: str) -> str:
    """Returns text that does not end a cell of a Markdown table."""
    return text.replace("|", r"\|")
