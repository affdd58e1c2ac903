"""Sphinx extension: puts the page to play with on the site, where docs/play.md links to it."""

import shutil
from pathlib import Path

from sphinx.application import Sphinx

PAGE = Path("docs", "play")


def copy_page(app: Sphinx, error: Exception | None) -> None:
    """Copies the page, with the networks and the runtime if `make docs` made them."""
    if error is None and app.builder.format == "html":
        shutil.copytree(app.srcdir / PAGE, app.outdir / PAGE, dirs_exist_ok=True)


def setup(app: Sphinx) -> dict:
    """Registers the extension with Sphinx."""
    app.connect("build-finished", copy_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
