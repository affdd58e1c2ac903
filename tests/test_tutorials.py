"""The tutorials run, and become notebooks that stand alone.

`make docs` runs them under JAX and shows what they print and plot. Here their cells run as one
program, on every backend, at the thorough level.
"""

import ast
import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs" / "tutorials").glob("*.md"))
CELL = re.compile(
    r"^```\{code-cell\} python\n(?:---\n(.*?)^---\n)?(.*?)^```$", re.DOTALL | re.MULTILINE
)

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
needs_jupytext = pytest.mark.skipif(
    not (importlib.util.find_spec("jupytext") and importlib.util.find_spec("sphinx")),
    reason="`make docs` installs what the site is built with",
)


def cells(page):
    """The settings and the code of each cell."""
    return CELL.findall(page.read_text("utf-8"))


def converter():
    path = ROOT / "website" / "notebooks.py"
    spec = importlib.util.spec_from_file_location("notebooks", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.backend_free
def test_the_guide_has_every_tutorial():
    guide = (ROOT / "docs" / "index.md").read_text("utf-8")
    assert re.findall(r"\(tutorials/(\w+)\.md\)", guide) != []
    assert {page.stem for page in PAGES} == set(re.findall(r"\(tutorials/(\w+)\.md\)", guide))


@pytest.mark.backend_free
@each_page
def test_every_plot_has_a_description(page):
    for settings, code in cells(page):
        if re.search(r"^(analysis\.plot_|show\(|figure)", code, re.MULTILINE):
            assert "alt: " in settings, code


@pytest.mark.backend_free
@each_page
def test_the_names_that_it_uses_exist(page):
    names = {}
    tree = ast.parse("\n".join(code for _, code in cells(page)))
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            exec(ast.unparse(node), names)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            module = names.get(node.value.id)
            if getattr(module, "__name__", "").startswith("keras_gcnn"):
                assert hasattr(module, node.attr), f"{node.value.id}.{node.attr}"


@pytest.mark.backend_free
@needs_jupytext
@each_page
def test_it_becomes_a_notebook(page):
    nbformat = pytest.importorskip("nbformat")
    website = converter()
    notebook = website.convert(page.read_text("utf-8"))
    nbformat.validate(notebook)
    codes = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    assert codes[0] == website.INSTALL
    assert codes[1:] == [code.strip("\n") for _, code in cells(page)]
    for cell in notebook.cells:
        assert ".md)" not in cell.source


@pytest.mark.backend_free
@needs_jupytext
@pytest.mark.parametrize("names", [(), ("keras_gcnn-0.9.0-py3.whl", "keras_gcnn-0.8.0-py3.whl")])
def test_the_first_cell_installs_a_wheel_beside_the_notebook(names, monkeypatch, tmp_path):
    cell = converter().INSTALL
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    for name in names:
        (tmp_path / name).touch()
    magic = re.search(r'%pip install --quiet "(.*)"$', cell, re.MULTILINE)
    installed = []
    code = cell.replace(magic[0], f'installed.append(f"{magic[1]}")')
    if names:
        exec(code, {"installed": installed})
    else:
        with pytest.raises(FileNotFoundError, match="`make dist`"):
            exec(code, {"installed": installed})
    assert installed == [f"{name}[jax]" for name in names[:1]]


@pytest.mark.thorough
@each_page
def test_it_runs(page, monkeypatch, tmp_path):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    monkeypatch.chdir(tmp_path)
    names = {}
    for _, code in cells(page):
        exec(compile(code, str(page), "exec"), names)
    matplotlib.pyplot.close("all")
