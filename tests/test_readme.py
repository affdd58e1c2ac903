"""The README's Python runs as it stands there, in order, as a reader would paste it."""

import re
from pathlib import Path

import keras
import pytest

import keras_gcnn

README = Path(__file__).parents[1] / "README.md"
OWN_LOOP = README.parent / "docs" / "own_loop.md"


def code_blocks(text):
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


@pytest.mark.backend_free
def test_the_examples_run(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)  # some write files
    blocks = code_blocks(README.read_text(encoding="utf-8"))
    assert len(blocks) == 6
    names = {}
    for block in blocks:
        exec(compile(block, str(README), "exec"), names)
    assert names["model"].output_shape == (None, 5)
    assert isinstance(names["network"], keras.Model)
    assert names["vectors"].shape == (8, 6)
    assert {one.name for one in tmp_path.iterdir()} == {"p4.onnx", "served"}
    assert "equivariant" in capsys.readouterr().out


@pytest.mark.parametrize(("backend", "number"), [("torch", 4), ("jax", 3)])
def test_the_loops_run(backend, number, monkeypatch, tmp_path):
    if keras.backend.backend() != backend:
        pytest.skip("the page has a part for every backend but TensorFlow")
    monkeypatch.chdir(tmp_path)
    _, torch_part, jax_part = re.split(r"^## .*$", OWN_LOOP.read_text("utf-8"), flags=re.MULTILINE)
    blocks = code_blocks(torch_part if backend == "torch" else jax_part)
    assert len(blocks) == number
    names = {}
    for block in blocks:
        exec(compile(block, str(OWN_LOOP), "exec"), names)
    sizes = [one.shape[0] for one in names["per_image"]]
    assert set(sizes) == {5 if backend == "torch" else 8}


@pytest.mark.backend_free
def test_the_files_it_names_exist():
    text = README.read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)]+)\)", text) if "://" not in link]
    folders = re.findall(r"^(\S+/\S*) {2,}", text, re.MULTILINE)
    assert len(links) >= 4
    assert len(folders) >= 8
    headings = {
        f"#{line.lstrip('# ').lower().replace(' ', '-')}"
        for line in text.splitlines()
        if line.startswith("##")
    }
    for path in links + folders:
        assert path in headings or (README.parent / path).exists(), path


@pytest.mark.backend_free
@pytest.mark.parametrize(
    "page", [README, *sorted((README.parent / "docs").glob("*.md"))], ids=lambda page: page.name
)
def test_the_names_it_uses_exist(page):
    names = re.findall(r"\bkeras_gcnn((?:\.[A-Za-z_]\w*)+)(?![\w/])", page.read_text("utf-8"))
    # "keras_gcnn.json" is a file.
    parts = [name.split(".")[1:] for name in names if not name.endswith(".json")]
    for first, *rest in parts:
        assert first in keras_gcnn.__all__  # reachable without an import by its full name
        found = getattr(keras_gcnn, first)
        for name in rest:
            found = getattr(found, name)
    assert parts or page != README
