"""Sphinx extension: the navigation of the site is the guide, docs/index.md.

Each heading of the guide becomes a heading of the navigation, with the pages that it links to. So
one list serves readers of the repository and of the site, and nobody has to keep two.
"""

import re

from sphinx.application import Sphinx

HEADING = re.compile(r"^## (.*)$", re.MULTILINE)
LINK = re.compile(r"\]\(([^)#\s]+)\.md\)")


def add_navigation(app: Sphinx, page: str, content: list[str]) -> None:
    """Appends a hidden table of contents for each heading of the guide."""
    if page != app.config.root_doc:
        return
    _, *parts = HEADING.split(content[0])
    for heading, text in zip(parts[::2], parts[1::2], strict=True):
        pages = "\n".join(LINK.findall(text))
        content[0] += f"\n```{{toctree}}\n:hidden:\n:caption: {heading}\n\n{pages}\n```\n"


def setup(app: Sphinx) -> dict:
    """Registers the extension with Sphinx."""
    app.connect("source-read", add_navigation)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
