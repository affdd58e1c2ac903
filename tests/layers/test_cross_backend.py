"""A model saved under one backend predicts the same under every other.

Each run of the tests loads what the other backends saved; the runs together cover all pairs.
"""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_gcnn
from keras_gcnn.backend.stateless import without_trace
from tests.helpers import cross_backend
from tests.helpers.layers import DATA_FORMATS

ROOT = Path(__file__).parents[2]
OTHERS = [
    name
    for name in ("tensorflow", "jax", "torch")
    if name != keras.backend.backend() and importlib.util.find_spec(name)
]


@pytest.fixture(scope="session")
def saved(tmp_path_factory):
    """Folder by backend, each written by a process of its own, side by side."""
    folders = {name: tmp_path_factory.mktemp(name) for name in OTHERS}
    processes = {
        name: subprocess.Popen(
            [sys.executable, "-m", "tests.helpers.cross_backend", str(folder)],
            cwd=ROOT,
            env={**os.environ, "KERAS_BACKEND": name},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name, folder in folders.items()
    }
    for name, process in processes.items():
        errors = process.communicate(timeout=300)[1]
        assert process.returncode == 0, f"{name}: {errors[-2000:]}"
    return folders


@pytest.mark.parametrize("data_format", DATA_FORMATS)
@pytest.mark.parametrize("backend", OTHERS)
def test_predictions_agree(backend, data_format, saved):
    folder = saved[backend]
    assert (folder / "backend.txt").read_text(encoding="utf-8") == backend
    model = keras.saving.load_model(folder / f"{data_format}.keras")
    stored = np.load(folder / f"{data_format}.npz")
    outputs = keras.ops.convert_to_numpy(without_trace(model)(stored["inputs"]))
    assert stored["outputs"].std() > 0.1  # predictions worth comparing
    np.testing.assert_allclose(outputs, stored["outputs"], rtol=1e-5, atol=1e-5)


def test_the_model_has_every_layer():
    exported = {getattr(keras_gcnn.layers, name) for name in keras_gcnn.layers.__all__}
    exported = {one for one in exported if isinstance(one, type) and issubclass(one, keras.Layer)}
    used = {type(layer) for layer in cross_backend.build("channels_last").layers}
    assert exported <= used
