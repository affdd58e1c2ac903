"""The README's Python runs as it stands there, in order, as a reader would paste it."""

import re
from pathlib import Path

import keras

README = Path(__file__).parents[1] / "README.md"


def test_the_examples_run(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)  # some write files
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 6
    names = {}
    for block in blocks:
        exec(compile(block, str(README), "exec"), names)
    assert names["model"].output_shape == (None, 5)
    assert isinstance(names["network"], keras.Model)
    assert names["vectors"].shape == (8, 6)
    assert {one.name for one in tmp_path.iterdir()} == {"p4.onnx", "served"}
    assert "equivariant" in capsys.readouterr().out


def test_the_files_it_names_exist():
    text = README.read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)]+)\)", text) if "://" not in link]
    folders = re.findall(r"^(\S+/\S*) {2,}", text, re.MULTILINE)
    assert len(links) >= 4
    assert len(folders) >= 8
    for path in links + folders:
        assert (README.parent / path).exists(), path
