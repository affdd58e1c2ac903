"""Settings that Keras and its backends read once, when they are imported."""

import contextlib
import ctypes
import gc
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from _pytest.doctest import DoctestItem

from tests.helpers.levels import COMPILING, thorough_only

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("JAX_ENABLE_X64", "1")  # without it JAX computes float64 in float32

# The tests compile many small programs and run each once: on JAX this takes half the time.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")

# The batches are of one size, since every size is compiled anew.
SMALL_RECIPE = """
title = "Two small networks"
seeds = [3]

[data]
name = "digits"
validation = 60
subset = 120
test_subset = 40

[training]
epochs = 4
batch_size = 40

[evaluation]
angle_step = 90

[[models]]
name = "plain"
builder = "lenet"
arguments = { group = "z2", widths = [2, 4] }

[[models]]
name = "turning"
builder = "lenet"
arguments = { group = "p4", widths = [2, 4] }
"""


# Parts of the library whose examples are NumPy and files alone.
_LIBRARY = Path(__file__).parents[1] / "keras_gcnn"
_BACKEND_FREE = [
    *(_LIBRARY / room for room in ("data", "groups", "untrusted", "training/recipes")),
    *(_LIBRARY / file for file in ("training/reports/confusion_page.py", "tuning/recipe.py")),
]


def pytest_addoption(parser):
    parser.addoption("--thorough", action="store_true", help="also run tests marked `thorough`")


@pytest.hookimpl(tryfirst=True)  # before items are selected by their marks
def pytest_collection_modifyitems(config, items):
    """Marks examples that do not depend on the backend, selects a level, puts long tests first.

    The long ones start further processes. Begun last, one of them would keep a single worker busy
    while the others wait.
    """
    for item in items:
        if isinstance(item, DoctestItem):
            if any(item.path.is_relative_to(path) for path in _BACKEND_FREE):
                item.add_marker(pytest.mark.backend_free)
            item.add_marker(pytest.mark.thorough(*COMPILING))
    if not config.getoption("--thorough"):
        import keras

        left_out = thorough_only(items, keras.backend.backend())
        config.hook.pytest_deselected(items=list(left_out))
        items[:] = [item for item in items if item not in left_out]
    items.sort(key=lambda item: not hasattr(getattr(item, "module", None), "subprocess"))


def pytest_collection_finish():
    """Exempts all imported objects from the garbage collections that Keras often asks for."""
    gc.collect()
    gc.freeze()


_LARGEST_PROCESS = 3 * 2**30  # bytes after which the programs of a module are given back


@pytest.fixture(autouse=True, scope="module")
def bounded_memory():
    """JAX keeps every program that it compiled: gigabytes over the whole suite."""
    yield
    if os.environ.get("KERAS_BACKEND") != "jax" or not os.path.exists("/proc/self/statm"):
        return
    with open("/proc/self/statm", encoding="ascii") as file:
        resident = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    if resident > _LARGEST_PROCESS:
        import jax

        jax.clear_caches()
        gc.collect()
        with contextlib.suppress(OSError, AttributeError):  # the allocator of glibc keeps pages
            ctypes.CDLL("libc.so.6").malloc_trim(0)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def recipe_file(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(SMALL_RECIPE)
    return path


@pytest.fixture
def single_recipe_file(recipe_file):
    """The same with its second network only."""
    head, _, second = recipe_file.read_text().split("[[models]]")
    recipe_file.write_text(f"{head}[[models]]{second}")
    return recipe_file


@pytest.fixture
def load(recipe_file):
    """Loads the recipe with parts of its text replaced."""
    from keras_gcnn import training

    def change(*pairs):
        text = recipe_file.read_text()
        for old, new in pairs:
            assert old in text
            text = text.replace(old, new)
        path = recipe_file.with_name("changed.toml")
        path.write_text(text)
        return training.load_recipe(path)

    return change


@pytest.fixture
def call(monkeypatch, capsys, tmp_path):
    """Runs the command in this process, in the test's folder: status, output and errors."""
    import keras

    from keras_gcnn import cli

    def called(*arguments):
        with monkeypatch.context() as patch:
            patch.chdir(tmp_path)
            patch.setenv("KERAS_BACKEND", keras.backend.backend())
            patch.setattr(sys, "argv", ["keras-gcnn", *map(str, arguments)])
            capsys.readouterr()
            with pytest.raises(SystemExit) as ended:
                cli.main()
        return ended.value.code, *capsys.readouterr()

    return called
