"""Every public class and function has one import path, `keras_gcnn.PART.NAME`."""

import importlib
import json
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import keras_gcnn

pytestmark = pytest.mark.backend_free

ROOT = Path(__file__).parents[1]
# Names that two parts may offer, each with the reason.
SHARED: dict[str, str] = {}
FUNCTIONS = ["convert", "restrict", "symmetrize"]  # of the package itself


def public_objects(part):
    module = importlib.import_module(f"keras_gcnn.{part}")
    assert len(set(module.__all__)) == len(module.__all__)
    return {name: getattr(module, name) for name in module.__all__}


def test_every_name_has_one_path():
    paths = {}
    for part in keras_gcnn.__all__:
        for name, value in public_objects(part).items():
            if callable(value):
                paths.setdefault(id(value), []).append(f"{part}.{name}")
    for name in FUNCTIONS:
        paths.setdefault(id(getattr(keras_gcnn, name)), []).append(name)
    shared = [names for names in paths.values() if len(names) > 1]
    assert not [names for names in shared if names[0].rpartition(".")[2] not in SHARED]


@pytest.mark.parametrize("part", keras_gcnn.__all__)
def test_no_file_hides_a_name(part):
    """Importing a file makes it an attribute of its folder, in place of a function of its name."""
    for name, value in public_objects(part).items():
        if find_spec(f"keras_gcnn.{part}.{name}"):
            importlib.import_module(f"keras_gcnn.{part}.{name}")
        assert getattr(importlib.import_module(f"keras_gcnn.{part}"), name) is value


def test_every_part_is_there_after_one_import():
    code = (
        "import json, keras_gcnn\n"
        "parts = {part: getattr(keras_gcnn, part) for part in keras_gcnn.__all__}\n"
        "print(json.dumps({part: list(module.__all__) for part, module in parts.items()}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    expected = {part: list(public_objects(part)) for part in keras_gcnn.__all__}
    assert json.loads(done.stdout or "{}") == expected, done.stderr
    assert {*keras_gcnn.__all__, *FUNCTIONS} <= set(dir(keras_gcnn))


def test_documents_and_examples_use_these_paths():
    places = [
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "examples").rglob("*.py"),
        *(ROOT / name for name in ("README.md", "tuning/README.md", "zoo/README.md")),
    ]
    deep = {
        f"{path.relative_to(ROOT)}: {match}"
        for path in places
        for match in re.findall(
            r"(?:from|import) keras_gcnn\.\w+\.\w+", path.read_text(encoding="utf-8")
        )
    }
    # The page for contributors shows the bases and decorators that are inside.
    assert not {each for each in deep if not each.startswith("docs/contributing.md")}
