"""Settings of Sphinx, which builds the site; `make docs` runs it.

Sphinx reads the reference from the imported library, so that it has the docstrings that decorators
complete. The pages are Markdown, read by MyST; MyST-NB runs the tutorials, and the theme is that of
the same project, the Executable Books. Material for MkDocs was the other choice: it announces its
end for May 2027, and its successor has no stable release.

The folder of the sources is the repository itself. A file has the same path on the site, and links
between docs/ and the other folders work on both.
"""

import hashlib
import os
import sys
from pathlib import Path

WEBSITE = Path(__file__).parent
ROOT = WEBSITE.parent
sys.path.insert(0, str(WEBSITE))

project = "keras_gcnn"
author = "the keras_gcnn developers"
copyright = "The keras_gcnn developers"
extensions = [
    "formulas",
    "navigation",
    "notebooks",
    "play_page",
    "signatures",
    "source_maps",
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.githubpages",  # so that GitHub serves folders whose names begin with "_"
    "sphinx.ext.napoleon",
]

root_doc = "docs/index"
include_patterns = ["*.md", "docs/**.md", "zoo/**.md", "tuning/**.md", "examples/**.md"]
exclude_patterns = [".*", "dist", "jupyter_execute", "runs", "site", "website"]
# Cards and results of single networks are reached from the pages of the zoo.
suppress_warnings = ["toc.not_included"]

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4
default_role = "code"  # docstrings have their names and formulas in single backticks

# The tutorials run one after the other, each in an empty folder. Outputs are kept as long as
# neither the code of the tutorial changes nor what it runs on: the library with its trained
# weights, the recipes, and the versions of other packages.
library = hashlib.sha256()
files = [
    ROOT / "constraints.txt",
    *sorted((ROOT / "zoo" / "recipes").glob("*.toml")),
    *sorted(path for path in (ROOT / "keras_gcnn").rglob("*.*") if path.suffix != ".pyc"),
]
for path in files:
    library.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"  # tutorials show no log of TensorFlow's start
nb_execution_mode = "cache"
nb_execution_cache_path = str(ROOT / ".venv" / "notebooks" / library.hexdigest()[:16])
nb_execution_in_temp = True
nb_execution_timeout = 900  # seconds for a cell, on a machine that is busy with other work
nb_execution_raise_on_error = True
nb_merge_streams = True
nb_render_markdown_format = "myst"  # the default has no tables
nb_ipywidgets_js = {}  # the default is loaded from other hosts

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
