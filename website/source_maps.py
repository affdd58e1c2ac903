"""Sphinx extension: leaves out the source maps of the theme, which are megabytes.

Browsers ask for them only where a developer of the theme looks into its scripts.
"""

from pathlib import Path

from sphinx.application import Sphinx


def remove_maps(app: Sphinx, error: Exception | None) -> None:
    """Removes them from the finished site."""
    for path in Path(app.outdir, "_static").rglob("*.map"):
        path.unlink()


def setup(app: Sphinx) -> dict:
    """Registers the extension with Sphinx."""
    app.connect("build-finished", remove_maps)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
