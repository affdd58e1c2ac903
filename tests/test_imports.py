"""Imports point one way: which folder of `keras_gcnn` may import which."""

import ast
import sys
from pathlib import Path

import pytest

import keras_gcnn

pytestmark = pytest.mark.backend_free

LIBRARY = Path(keras_gcnn.__file__).parent
# Folders and single files, each with what it may import.
GROUND = {"arguments", "former_names", "full_disk", "quiet", "types", "untrusted"}
BELOW_LAYERS = GROUND | {"groups", "backend", "distributions", "model_graph"}
NETWORKS = BELOW_LAYERS | {"layers", "model_cost", "zoo"}
ALLOWED = {
    "__init__": set(),
    "groups": set(),
    "former_names": set(),
    "full_disk": set(),
    "quiet": set(),
    "untrusted": set(),
    "types": {"groups"},
    "arguments": {"types"},
    "data": GROUND,
    "backend": GROUND | {"groups"},
    "model_graph": GROUND | {"groups"},
    "distributions": GROUND | {"backend"},
    "layers": BELOW_LAYERS,
    "losses": GROUND | {"backend"},
    "model_cost": BELOW_LAYERS | {"layers"},
    "zoo": BELOW_LAYERS | {"layers"},
    "interop": NETWORKS,
    "rewriting": NETWORKS | {"analysis"},
    "analysis": NETWORKS | {"data"},
    "export": NETWORKS | {"rewriting"},
    "training": NETWORKS | {"data", "analysis", "rewriting", "export", "losses"},
    "tuning": NETWORKS | {"data", "analysis", "rewriting", "training"},
    "cli": {"data", "export", "model_graph", "training", "tuning"},
    "__main__": {"cli"},
}
FILES = sorted(LIBRARY.rglob("*.py"))


def imported(path):
    """Full names of what a file imports, wherever in the file; of `from a import b` both."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            # The package itself is asked for its parts.
            if module == "keras_gcnn":
                yield from (f"{module}.{name.name}" for name in node.names)
            else:
                yield module


def room(path):
    return path.relative_to(LIBRARY).with_suffix("").parts[0]


def test_every_folder_has_its_line():
    assert set(ALLOWED) == {room(path) for path in FILES}
    assert {name for allowed in ALLOWED.values() for name in allowed} <= set(ALLOWED)


@pytest.mark.parametrize("name", ALLOWED)
def test_a_folder_imports_only_what_is_below_it(name):
    allowed = ALLOWED[name] | {name, "__version__"}
    foreign = {
        f"{path.relative_to(LIBRARY)} imports {module}"
        for path in FILES
        if room(path) == name
        for module in imported(path)
        if module.startswith(".")
        or (module.startswith("keras_gcnn.") and module.split(".")[1] not in allowed)
    }
    assert not foreign


def test_the_allowed_imports_have_no_circle():
    left = dict(ALLOWED)
    while lowest := [name for name, allowed in left.items() if not allowed & left.keys()]:
        for name in lowest:
            del left[name]
    assert not left


def test_groups_are_numpy_and_nothing_else():
    """They are mathematics, which other libraries may use too."""
    names = {name for path in FILES if room(path) == "groups" for name in imported(path)}
    foreign = {name.split(".")[0] for name in names} - sys.stdlib_module_names
    assert foreign == {"numpy", "keras_gcnn"}


def test_the_names_of_types_take_nothing_but_the_group_objects():
    names = {name for name in imported(LIBRARY / "types.py") if name.startswith("keras_gcnn")}
    assert names == {"keras_gcnn.groups.group", "keras_gcnn.groups.point_group"}
