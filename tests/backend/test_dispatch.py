"""One dispatch style: `backend/ops.py` asks for the backend, and `backend/*.py` choose.

The folders of `keras_gcnn/backend` hold what only one backend can do; nothing else imports them.
"""

import ast
from pathlib import Path

import keras
import pytest

import keras_gcnn
from keras_gcnn.backend import ops as backend

PACKAGE = Path(keras_gcnn.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
BACKENDS = ("jax", "tensorflow", "torch")
DISPATCHERS = {path for path in FILES if path.parent == PACKAGE / "backend"}
# It makes sure that Keras runs on the chosen backend, before any layer is imported.
CHOOSER = PACKAGE / "training/backend.py"


def asks(path):
    """Whether a file calls `keras.backend.backend()`, or `keras.config.backend()`."""
    return any(
        isinstance(node, ast.Call)
        and ast.unparse(node.func) in ("keras.backend.backend", "keras.config.backend")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    )


def imported(path):
    """Full names of all modules that a file imports, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def belongs_to(module, package):
    return module == package or module.startswith(f"{package}.")


def test_one_file_asks_for_the_backend():
    assert {path for path in FILES if asks(path)} == {PACKAGE / "backend/ops.py", CHOOSER}


@pytest.mark.parametrize("name", BACKENDS)
def test_only_the_dispatchers_import_a_backend_folder(name):
    folder = PACKAGE / "backend" / name
    importers = {
        path
        for path in FILES
        if any(belongs_to(module, f"keras_gcnn.backend.{name}") for module in imported(path))
    }
    outside = {path for path in importers if folder not in path.parents}
    assert outside
    assert outside <= DISPATCHERS


@pytest.mark.parametrize("name", BACKENDS)
def test_the_folder_of_a_backend_imports_no_other(name):
    others = set(BACKENDS) - {name}
    for path in (PACKAGE / "backend" / name).glob("*.py"):
        packages = {module.split(".")[0] for module in imported(path)}
        folders = {module for module in imported(path) if module.startswith("keras_gcnn.backend.")}
        assert not packages & others, path
        assert {module.split(".")[2] for module in folders} <= {name, "common"}, path


def test_the_backend_has_its_name():
    assert backend.name() == keras.backend.backend()
    assert [name for name in BACKENDS if backend.on(name)] == [backend.name()]


def test_the_special_operations_have_predicates():
    """Every module with an operation has a `supports` beside it, unless only one backend has it."""
    for name, modules in {
        "jax": ("convolution", "initial_weights", "parity", "stateless"),
        "tensorflow": ("convolution", "normalization", "sizes"),
        "torch": ("convolution", "fourier", "modules", "normalization", "parity", "random"),
    }.items():
        for module in modules:
            path = PACKAGE / "backend" / name / f"{module}.py"
            functions = {
                node.name
                for node in ast.parse(path.read_text(encoding="utf-8")).body
                if isinstance(node, ast.FunctionDef)
            }
            assert "supports" in functions, path
