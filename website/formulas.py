"""Sphinx extension: KaTeX typesets the formulas in the browser, from files of the site.

`make docs` gets KaTeX from npm. A page loads it only if it has a formula.
"""

from __future__ import annotations

from html import escape
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.writers.html5 import HTML5Translator

KATEX = Path(__file__).parent / "node_modules" / "katex" / "dist"


def visit(writer: HTML5Translator, node: nodes.Element) -> None:
    """Writes the source of a formula, which is also what a reader without scripts sees."""
    tag = "div" if isinstance(node, nodes.math_block) else "span"
    writer.body.append(f'<{tag} class="formula">{escape(node.astext())}</{tag}>')
    raise nodes.SkipNode


def load_katex(
    app: Sphinx, page: str, template: str, context: dict, document: nodes.document | None
) -> None:
    """Adds KaTeX to a page with formulas."""
    if document is not None and next(document.findall(is_formula), None) is not None:
        app.add_css_file("katex/katex.min.css")
        app.add_js_file("katex/katex.min.js")
        app.add_js_file("formulas.js")


def is_formula(node: nodes.Node) -> bool:
    """Whether a node is a formula, in a line or on a line of its own."""
    return isinstance(node, (nodes.math, nodes.math_block))


def copy_katex(app: Sphinx, error: Exception | None) -> None:
    """Copies the script, the style and the fonts, and no more."""
    if error is not None or app.builder.format != "html":
        return
    for path in (*KATEX.glob("katex.min.*"), *KATEX.glob("fonts/*.woff2")):
        place = Path(app.outdir) / "_static" / "katex" / path.relative_to(KATEX)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(path.read_bytes())


def setup(app: Sphinx) -> dict:
    """Registers the extension with Sphinx."""
    if not KATEX.exists():
        raise ExtensionError(f"{KATEX} is missing: npm ci --ignore-scripts --prefix website")
    app.add_html_math_renderer("katex", (visit, None), (visit, None))
    app.connect("html-page-context", load_katex)
    app.connect("build-finished", copy_katex)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
