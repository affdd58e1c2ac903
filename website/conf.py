"""Settings of Sphinx, which builds the site; `make docs` runs it.

Sphinx reads the reference from the imported library, so that it has the docstrings that decorators
complete. The pages are Markdown, read by MyST; the theme is that of the Executable Books, whose
MyST-NB runs notebooks. Material for MkDocs was the other choice: it announces its end for May 2027,
and its successor has no stable release.

The folder of the sources is the repository itself. A file has the same path on the site, and links
between docs/ and the other folders work on both.
"""

import sys
from pathlib import Path

WEBSITE = Path(__file__).parent
sys.path.insert(0, str(WEBSITE))

project = "keras_gcnn"
copyright = "The keras_gcnn developers"
extensions = [
    "formulas",
    "navigation",
    "play_page",
    "signatures",
    "source_maps",
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.githubpages",  # so that GitHub serves folders whose names begin with "_"
    "sphinx.ext.napoleon",
]

root_doc = "docs/index"
include_patterns = ["*.md", "docs/**.md", "zoo/**.md", "tuning/**.md", "examples/**.md"]
exclude_patterns = [".*", "dist", "runs", "site", "website"]
# Cards and results of single networks are reached from the pages of the zoo.
suppress_warnings = ["toc.not_included"]

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4
default_role = "code"  # docstrings have their names and formulas in single backticks

autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_inherit_docstrings = False  # `call` and `build` are documented by Keras
autodoc_typehints = "none"  # docstrings have the types, with shapes
napoleon_custom_sections = [
    ("Call arguments", "params_style"),
    "Input shape",
    "Output shape",
]
add_module_names = False
toc_object_entries_show_parents = "hide"

html_theme = "sphinx_book_theme"
html_title = "keras_gcnn"
html_static_path = ["assets"]
html_extra_path = ["front"]
html_css_files = ["site.css"]
html_math_renderer = "katex"
html_copy_source = False
html_theme_options = {
    "navbar_persistent": [],  # one field for searching, in the sidebar, is enough
    "show_navbar_depth": 1,
    "use_download_button": False,
    "use_fullscreen_button": False,
    "navigation_with_keys": False,
}
