"""`keras_gcnn.groups` is mathematics: NumPy and nothing else."""

import ast
import sys
from pathlib import Path

import pytest

from keras_gcnn import groups

pytestmark = pytest.mark.backend_free
FILES = sorted(Path(groups.__file__).parent.glob("*.py"))


def imported(path):
    """Full names of all modules that a file imports, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_imports_only_numpy(path):
    allowed = sys.stdlib_module_names | {"numpy"}
    foreign = {
        name
        for name in imported(path)
        if name.split(".")[0] not in allowed and not name.startswith("keras_gcnn.groups")
    }
    assert not foreign


def test_the_scan_sees_the_imports():
    assert "numpy" in {name for path in FILES for name in imported(path)}
