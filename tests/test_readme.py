"""The Python of the README and of the pages in docs/ runs, and their links lead somewhere.

The blocks of a page run in order, as a reader would paste them. All pages run under the first
backend; under the others only the README and the page for loops of one's own.
"""

import re
from pathlib import Path

import keras
import pytest
from PIL import Image

import keras_gcnn
from keras_gcnn.groups import planar

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
OWN_LOOP = ROOT / "docs" / "own_loop.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]
TUTORIALS = sorted((ROOT / "docs" / "tutorials").glob("*.md"))
LINKED = [
    *PAGES,
    *TUTORIALS,
    *(ROOT / name for name in ("CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")),
]


# A block that the suite cannot run has the reason above it.
BLOCK = re.compile(r"(?P<reason><!-- not run: [^>]+ -->\n)?```python\n(?P<code>.*?)```", re.DOTALL)


def code_blocks(text):
    return [block["code"] for block in BLOCK.finditer(text) if not block["reason"]]


def run(blocks, page):
    names = {}
    for block in blocks:
        exec(compile(block, str(page), "exec"), names)
    return names


# What is left after the code of a page has run: some names and what they are, and the files.
def readme(names, files):
    assert names["model"].output_shape == (None, 5)
    assert not files


def layers(names, files):
    assert names["model"].output_shape == (None, 5)
    assert isinstance(names["network"], keras.Model)
    assert not files


def steerable(names, files):
    assert names["model"].output_shape == (None, 5)
    assert not files


def networks(names, files):
    assert names["backbone"].output_shape[1:3] == (24, 24)
    assert not files


def autoencoders(names, files):
    assert names["vectors"].shape == (4, 6)
    assert names["rebuilt"].shape == names["samples"].shape
    assert not files


def export(names, files):
    assert isinstance(names["plain"], keras.Model)
    assert files == {"p4.onnx", "p4-int8.onnx"}


def make_images(folder):
    for name in ("cat", "dog"):
        (folder / "my_images" / name).mkdir(parents=True)
        for number in range(12):
            Image.new("L", (9, 9)).save(folder / "my_images" / name / f"{number}.png")


def folders(names, files):
    assert names["pets"].train.images[:8].shape == (8, 64, 64, 1)


def asserted(names, files):
    """The blocks of these pages hold their own assertions, or make plots."""
    assert not files


ASSERTING = (
    *("coming_from", "contributing", "equivariance", "fields", "gallery", "mathematics"),
    *("segmentation", "speed", "start", "which_group", "your_model"),
)
CHECKS = (layers, steerable, networks, autoencoders, folders, export)
RUN = {check.__name__: check for check in CHECKS} | dict.fromkeys(ASSERTING, asserted)
PREPARE = {"folders": make_images}


@pytest.mark.backend_free
def test_every_page_with_code_is_run():
    with_code = {page.stem for page in PAGES if code_blocks(page.read_text("utf-8"))}
    assert with_code == {"README", "own_loop", *RUN}


def check_page(page, check, folder, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.setattr(planar, "_GROUPS", dict(planar._GROUPS))  # a page may register one
    names = run(code_blocks(page.read_text("utf-8")), page)
    check(names, {path.name for path in folder.iterdir()})


def test_the_readme_runs(monkeypatch, tmp_path):
    (block,) = code_blocks(README.read_text("utf-8"))
    assert len(block.splitlines()) <= 12
    check_page(README, readme, tmp_path, monkeypatch)


@pytest.mark.backend_free
@pytest.mark.parametrize("name", RUN)
def test_the_pages_run(name, monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_GCNN_CACHE", str(tmp_path / "cache"))
    PREPARE.get(name, lambda folder: None)(tmp_path)
    check_page(ROOT / "docs" / f"{name}.md", RUN[name], tmp_path, monkeypatch)


@pytest.mark.parametrize(("backend", "number"), [("torch", 4), ("jax", 3)])
def test_the_loops_run(backend, number, monkeypatch, tmp_path):
    if keras.backend.backend() != backend:
        pytest.skip("the page has a part for every backend but TensorFlow")
    monkeypatch.chdir(tmp_path)
    _, torch_part, jax_part = re.split(r"^## .*$", OWN_LOOP.read_text("utf-8"), flags=re.MULTILINE)
    blocks = code_blocks(torch_part if backend == "torch" else jax_part)
    assert len(blocks) == number
    names = run(blocks, OWN_LOOP)
    batch = {gradient.shape[0] for gradient in names["per_image"]}
    assert batch == {5 if backend == "torch" else 8}


def anchors(page):
    """The fragments that lead to the headings of a page, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.backend_free
@pytest.mark.parametrize("page", LINKED, ids=lambda page: page.name)
def test_links_lead_to_files_and_headings(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        if "://" in link:
            continue
        path, _, fragment = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not fragment or fragment in anchors(target), link


@pytest.mark.backend_free
def test_the_index_has_every_page():
    index = (ROOT / "docs" / "index.md").read_text("utf-8")
    assert [page.name for page in PAGES[1:] if f"({page.name})" not in index] == ["index.md"]


@pytest.mark.backend_free
def test_the_readme_is_short():
    assert len(README.read_text("utf-8").split()) <= 1200


@pytest.mark.backend_free
def test_the_files_that_contributing_names_exist():
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    paths = re.findall(
        r"`((?:keras_gcnn|tests|zoo|tuning|docs|benchmarks|examples)/[\w./]*)`", text
    )
    assert len(paths) > 20
    assert [path for path in paths if not (ROOT / path).exists()] == []


@pytest.mark.backend_free
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_names_it_uses_exist(page):
    # Imports are run with the page; those for contributors go into the folders.
    text = re.sub(r"^from keras_gcnn\..*$", "", page.read_text("utf-8"), flags=re.MULTILINE)
    names = re.findall(r"\bkeras_gcnn((?:\.[A-Za-z_]\w*)+)(?![\w/])", text)
    # "keras_gcnn.json" is a file.
    parts = [name.split(".")[1:] for name in names if not name.endswith(".json")]
    for first, *rest in parts:
        assert first in dir(keras_gcnn)  # reachable without an import by its full name
        value = getattr(keras_gcnn, first)
        for name in rest:
            value = getattr(value, name)
    assert parts or page != README
