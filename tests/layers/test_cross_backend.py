"""A model saved under one backend predicts the same under every other.

Each run of the tests loads what the other backends saved; the runs together cover all pairs.
Without `--thorough` it loads what one of them saved: every backend then is on either side once.
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
from tests.helpers.levels import COMPILING, thoroughly

ROOT = Path(__file__).parents[2]
BACKENDS = ["tensorflow", "jax", "torch"]
FOLLOWING = BACKENDS.index(keras.backend.backend()) + 1
OTHERS = [
    name
    for name in (BACKENDS[FOLLOWING % 3], BACKENDS[(FOLLOWING + 1) % 3])
    if importlib.util.find_spec(name)
]


@pytest.fixture(scope="module", params=[*OTHERS[:1], *thoroughly(*OTHERS[1:])])
def saved(request, tmp_path_factory):
    """The folder that a process on another backend wrote."""
    folder = tmp_path_factory.mktemp(request.param)
    process = subprocess.run(
        [sys.executable, "-m", "tests.helpers.cross_backend", str(folder)],
        cwd=ROOT,
        env={**os.environ, "KERAS_BACKEND": request.param},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr[-2000:]
    assert (folder / "backend.txt").read_text(encoding="utf-8") == request.param
    return folder


@pytest.mark.parametrize(
    "data_format", ["channels_last", *thoroughly("channels_first", on=COMPILING)]
)
def test_predictions_agree(data_format, saved):
    model = keras.saving.load_model(saved / f"{data_format}.keras")
    stored = np.load(saved / f"{data_format}.npz")
    outputs = keras.ops.convert_to_numpy(without_trace(model)(stored["inputs"]))
    assert stored["outputs"].std() > 0.1  # predictions worth comparing
    np.testing.assert_allclose(outputs, stored["outputs"], rtol=1e-5, atol=1e-5)


def test_the_model_has_every_layer():
    exported = {getattr(keras_gcnn.layers, name) for name in keras_gcnn.layers.__all__}
    exported = {one for one in exported if isinstance(one, type) and issubclass(one, keras.Layer)}
    used = {type(layer) for layer in cross_backend.build("channels_last").layers}
    assert exported <= used
