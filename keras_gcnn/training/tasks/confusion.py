"""Which class a network takes for which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

Matrix = Sequence[Sequence[int]]


def confusion_matrix(labels: np.ndarray, predicted: np.ndarray, classes: int) -> list[list[int]]:
    """Counts images by their true class (rows) and the one that they are taken for (columns).

    Example:

    >>> import numpy as np
    >>> confusion_matrix(np.array([0, 0, 1]), np.array([0, 1, 1]), 2)
    [[1, 1], [0, 1]]
    """
    pairs = np.bincount(labels * classes + predicted, minlength=classes**2)
    return pairs.reshape(classes, classes).tolist()


def _percent(count: int, images: int) -> str:
    return f"{100 * count / images:.2f}" if images else "-"


def _cell(text: str) -> str:
    """Text that does not end a cell of a Markdown table."""
    return text.replace("|", r"\|")


def _pairs_table(matrix: np.ndarray, classes: Sequence[str], most: int) -> list[str]:
    """The pairs of classes that are confused most, whichever of the two is taken for the other."""
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
            _cell(f"{classes[a]} / {classes[b]}"),
            f"{both:,}",
            _percent(both, images[a] + images[b]),
            f"{matrix[a, b]:,}",
            _percent(matrix[a, b], images[a]),
            f"{matrix[b, a]:,}",
            _percent(matrix[b, a], images[b]),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return lines if len(lines) > 2 else ["None."]


def confusion_markdown(
    matrices: Mapping[str, Matrix], classes: Sequence[str], title: str, most: int = 10
) -> str:
    """Describes confusions in Markdown.

    Args:
        matrices: from the name of a network to its counts, as of `confusion_matrix`.
        classes: names of the classes.
        title: heading.
        most: int, how many pairs of classes to list for each network.

    Returns:
        Text: the error of every class, and the pairs that each network confuses most.
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
        lines.append("| " + " | ".join([_cell(name), *cells]) + " |")
    for name, matrix in arrays.items():
        images = f"{int(matrix.sum()):,} test images over all seeds"
        lines += ["", f"## {name}", "", f"The pairs confused most, of {images}:", ""]
        lines += _pairs_table(matrix, classes, most)
    return "\n".join(lines) + "\n"
