"""The site: it builds without a warning, has every public name, and needs no other host.

The checks of the built site are one test, since they share one build, which takes half a minute. It
does not run the tutorials, as `make docs` does.
"""

import importlib
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import keras_gcnn

ROOT = Path(__file__).parents[1]
KATEX = ROOT / "website" / "node_modules" / "katex"

FUNCTIONS = ["convert", "restrict", "symmetrize"]

pytestmark = pytest.mark.backend_free
needs_generator = pytest.mark.skipif(
    not (find_spec("sphinx_book_theme") and find_spec("myst_nb") and KATEX.exists()),
    reason="`make docs` installs what the site is built with",
)


class Page(HTMLParser):
    """What a page of the site links to, what it loads, and the fragments that it offers."""

    def __init__(self, path):
        super().__init__()
        self.links, self.loaded, self.fragments = set(), set(), set()
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.fragments.add(attrs.get("id"))
        if tag == "a" and "href" in attrs:
            self.links.add(attrs["href"])
        elif tag == "link":
            self.loaded.add(attrs["href"])
        elif "src" in attrs:
            self.loaded.add(attrs["src"])


def build(folder):
    command = [sys.executable, "-m", "sphinx", "--fail-on-warning", "--keep-going", "--quiet"]
    settings = ["--conf-dir", "website", "--define", "nb_execution_mode=off"]
    done = subprocess.run(
        [*command, *settings, "--doctree-dir", folder / "doctrees", ".", folder],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    pages = (path for path in folder.rglob("*.html") if "_static" not in path.parts)
    return {path: Page(path) for path in pages}


def public_names():
    yield from (f"keras_gcnn.{name}" for name in FUNCTIONS)
    for part in keras_gcnn.__all__:
        names = importlib.import_module(f"keras_gcnn.{part}").__all__
        yield from (f"keras_gcnn.{part}.{name}" for name in names)


def test_every_public_name_is_in_the_reference():
    """Without a build: the directives of docs/api/."""
    named = []
    for page in (ROOT / "docs" / "api").glob("*.md"):
        module = ""
        for directive, name in re.findall(r"^\.\. (\w+):: (\S+)$", page.read_text("utf-8"), re.M):
            if directive == "currentmodule":
                module = name
            else:
                named.append(name if directive == "automodule" else f"{module}.{name}")
    assert sorted(named) == sorted(public_names())


@pytest.mark.skipif(not (ROOT / ".readthedocs.yaml").exists(), reason="needs a clone")
def test_read_the_docs_runs_the_steps_of_make_docs():
    """Read the Docs has no make, so that its file names them once more."""
    makefile = (ROOT / "Makefile").read_text("utf-8")
    steps = (ROOT / ".readthedocs.yaml").read_text("utf-8")
    for step in (
        "npm ci --ignore-scripts --no-audit --no-fund --prefix website",
        "KERAS_BACKEND=tensorflow {} -m website.play.build",
        "KERAS_BACKEND=jax {} -m sphinx --fail-on-warning",
    ):
        assert step.format("$(BIN)/python") in makefile
        assert step.format("python") in steps


def wrong_links(pages):
    """Links that lead nowhere, and scripts, styles and pictures of other hosts."""
    for path, page in pages.items():
        for link in page.links | page.loaded:
            parts = urlsplit(link)
            fragment = unquote(parts.fragment)
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if parts.scheme or parts.netloc:
                if link in page.loaded and parts.scheme != "data":
                    yield f"{path.name} loads {link}"
            elif not target.is_file():
                yield f"{path.name} links to {link}"
            elif target in pages and fragment and fragment not in pages[target].fragments:
                yield f"{path.name} links to {link}, which has no such heading"


@needs_generator
def test_the_site(tmp_path):
    pages = build(tmp_path)
    assert not list(wrong_links(pages))
    for style in tmp_path.rglob("*.css"):
        hosts = r"""(?:url\(|@import)\s*['"]?(?:https?:)?//[^)'"]*"""
        assert not re.findall(hosts, style.read_text("utf-8")), style

    reference = [page for path, page in pages.items() if path.parent.name == "api"]
    described = {
        str(fragment).removeprefix("module-") for page in reference for fragment in page.fragments
    }
    assert set(public_names()) <= described

    # A Keras layer takes any arguments, for all that Python can see.
    assert "*args" not in (tmp_path / "docs" / "api" / "layers.html").read_text("utf-8")

    with_formulas = [path for path in pages if 'class="formula"' in path.read_text("utf-8")]
    assert with_formulas
    assert all("katex.min.js" in path.read_text("utf-8") for path in with_formulas)
    assert sum(path.stat().st_size for path in tmp_path.rglob("*")) < 30e6
