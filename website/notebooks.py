"""Sphinx extension: the tutorials are offered as notebooks, with a cell that installs the library.

A tutorial, docs/tutorials/*.md, is Markdown with cells of code. MyST-NB runs the cells and shows
what they print and plot. Beside its page this extension writes the same tutorial for Jupyter and
Colab, without outputs, and links to it from the top of the page.

    python website/notebooks.py FOLDER    # writes the notebooks alone
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import jupytext
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell
from sphinx.application import Sphinx

TUTORIALS = Path(__file__).parents[1] / "docs" / "tutorials"

INSTALL = """\
import glob
import importlib.util
import os

os.environ.setdefault("KERAS_BACKEND", "jax")
if importlib.util.find_spec("keras_gcnn") is None:
    wheels = sorted(glob.glob("keras_gcnn-*.whl"))
    if not wheels:
        raise FileNotFoundError(
            "keras_gcnn is not installed, and no keras_gcnn-*.whl lies beside this notebook. "
            "`make dist` in a clone of the repository builds one, in dist/."
        )
    %pip install --quiet "{wheels[-1]}[jax]"
"""

NOTE = """

```{{note}}
<a href="{name}.ipynb" download>Download this page as a notebook</a>. It runs in Jupyter, and on
Colab by *File*, *Upload notebook*. If the library is missing, the first cell installs it from a
wheel, `keras_gcnn-*.whl`, that lies beside the notebook. `make dist` in a clone of the repository
builds the wheel, in `dist/`; on Colab, upload it too, into *Files*.
```
"""

HEADING = re.compile(r"^# .*$", re.MULTILINE)
LINK_TO_A_PAGE = re.compile(r"\[([^\]]+)\]\((?!\w+://)[^)]+\)")


def convert(text: str) -> NotebookNode:
    """Converts a tutorial into a notebook that stands alone.

    Links to other pages become plain text, since a notebook lies beside no pages. The cell that
    installs the library follows the introduction.
    """
    notebook = jupytext.reads(text, fmt="md:myst")
    notebook.metadata = {"kernelspec": notebook.metadata["kernelspec"]}
    notebook.cells.insert(1, new_code_cell(INSTALL))
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"  # the same in every build
        if cell.cell_type == "markdown":
            cell.source = LINK_TO_A_PAGE.sub(r"\1", cell.source)
    return notebook


def write(folder: Path) -> None:
    """Writes all tutorials as notebooks into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for page in TUTORIALS.glob("*.md"):
        jupytext.write(convert(page.read_text("utf-8")), folder / f"{page.stem}.ipynb")


def add_note(app: Sphinx, page: str, content: list[str]) -> None:
    """Puts the link to the notebook below the title of a tutorial."""
    path = Path(app.env.doc2path(page))
    if path.parent == TUTORIALS:
        note = NOTE.format(name=path.stem)
        content[0] = HEADING.sub(lambda title: title[0] + note, content[0], count=1)


def write_beside_pages(app: Sphinx, error: Exception | None) -> None:
    """Writes the notebooks to where the pages link to them."""
    if error is None and app.builder.format == "html":
        write(Path(app.outdir) / TUTORIALS.relative_to(app.srcdir))


def setup(app: Sphinx) -> dict:
    """Registers the extension with Sphinx."""
    app.connect("source-read", add_note)
    app.connect("build-finished", write_beside_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


if __name__ == "__main__":
    write(Path(sys.argv[1]))
