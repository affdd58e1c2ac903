"""The rooms of `keras_gcnn.training` import one way."""

import ast
from pathlib import Path

import pytest

import keras_gcnn

pytestmark = pytest.mark.backend_free

PACKAGE = Path(keras_gcnn.__file__).parent
# Each room may import those before it; files beside the rooms are the ground.
ROOMS = ("ground", "recipes", "inputs", "reports", "tasks", "loop", "runs")
FILES = [
    path for path in sorted((PACKAGE / "training").rglob("*.py")) if path.name != "__init__.py"
]


def imported(path):
    """Full names of all that a file imports from the library, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room(name):
    part = name.split(".")[2]
    return part if part in ROOMS else "ground"


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_room_imports_only_rooms_before_it(path):
    own = ROOMS.index(path.parent.name) if path.parent.name in ROOMS else 0
    names = [name for name in imported(path) if name.startswith("keras_gcnn.")]
    assert not [name for name in names if name.startswith(("keras_gcnn.tuning", "keras_gcnn.cli"))]
    inside = [name for name in names if name.startswith("keras_gcnn.training.")]
    assert not [name for name in inside if ROOMS.index(room(name)) > own]


def test_the_scan_sees_the_imports():
    (run,) = (path for path in FILES if path.name == "run.py")
    assert {"recipes", "tasks", "loop"} <= {
        room(name) for name in imported(run) if name.startswith("keras_gcnn.training.")
    }
