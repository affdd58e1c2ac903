"""Training on several devices, for which a CPU can stand in."""

import csv
import io
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from keras_gcnn import layers, training, zoo
from keras_gcnn.training import devices

BACKEND = keras.backend.backend()
distributes = pytest.mark.skipif(BACKEND == "torch", reason="Keras has one device on PyTorch")
RECIPE = """
title = "Normalised"

[data]
name = "digits"
validation = 30
subset = 102  # the last batch has 22
test_subset = 20

[training]
epochs = 3
batch_size = 40
optimizer = "sgd"
learning_rate = 0.05

[evaluation]
turned = false
angles = false

[[models]]
name = "p4"
builder = "cohen_cnn"
arguments = { group = "p4", widths = [2, 2, 2, 2, 2, 2], dropout = 0.0 }
"""


@pytest.fixture
def recipe_file(tmp_path):
    path = tmp_path / "normalised.toml"
    path.write_text(RECIPE)
    return path


# In float64, since in float32 a training makes much of how sums are rounded.
PROGRAM = """
import sys
from contextlib import nullcontext
import keras
from keras_gcnn import training
from keras_gcnn.training import devices

path, folder, count, synchronized = sys.argv[1:]
keras.config.set_floatx("float64")
if synchronized == "no":
    devices.synchronized = nullcontext
training.train(training.load_recipe(path), folder, devices=int(count))
assert devices.in_use() == 1
training.train(training.load_recipe(path), folder)  # is finished: only read
"""


def run(path, folder, count, synchronized="yes"):
    """The history of a training in a process of its own, and what it was measured with."""
    arguments = [path, folder, count, synchronized]
    subprocess.run(
        [sys.executable, "-c", PROGRAM, *map(str, arguments)],
        env={**os.environ, "KERAS_BACKEND": BACKEND},
        check=True,
    )
    rows = csv.DictReader(io.StringIO((folder / "p4-seed0" / "history.csv").read_text()))
    history = [[float(row[key]) for key in ("loss", "val_loss")] for row in rows]
    result = (folder / "p4-seed0" / "result.json").read_text()
    return np.array(history), result


@distributes
def test_two_devices_have_the_losses_of_one(recipe_file, tmp_path):
    one, before = run(recipe_file, tmp_path / "one", 1)
    two, after = run(recipe_file, tmp_path / "two", 2)
    assert one.shape == (3, 2)
    np.testing.assert_allclose(two, one, atol=1e-9)
    assert '"devices"' not in before
    assert '"devices": 2' in after
    # Nothing of it is left in the model.
    model = keras.saving.load_model(tmp_path / "two" / "p4-seed0" / "model.keras")
    for layer in model.layers:
        assert not getattr(layer, "synchronized", False)
    if BACKEND == "tensorflow":  # elsewhere statistics are over all devices anyway
        unsynchronized, _ = run(recipe_file, tmp_path / "mutation", 2, "no")
        assert np.abs(unsynchronized - one).max() > 1e-3


@pytest.mark.skipif(BACKEND != "torch", reason="of PyTorch")
def test_pytorch_refuses_and_says_what_to_do(recipe_file, tmp_path):
    with pytest.raises(ValueError, match=r"Use the backend jax or tensorflow \(--backend\)"):
        training.train(training.load_recipe(recipe_file), tmp_path / "run", devices=2)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("count", [0, -1, 1.0, True, "2"])
def test_a_number_of_devices_is_a_positive_integer(count):
    with pytest.raises(ValueError, match="has to be a positive integer"):
        devices.prepare(count)


@distributes
def test_devices_are_asked_for_first():
    keras.ops.convert_to_numpy(keras.ops.ones(2) + 1)  # now the backend computes on one CPU
    with pytest.raises(ValueError, match="Start a new process"):
        devices.prepare(64)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ((3, 100, 20), r"training\.batch_size has .* multiple of 4\. It is 3: make it 4"),
        ((8, 101, 20), r"data\.subset\) has .* It is 101: make it 100"),
        ((8, 100, 22), r"data\.validation\) has .* It is 22: make it 20"),
    ],
)
def test_batches_are_dealt_out_evenly(sizes, message):
    devices.check_batches(1, *sizes)
    devices.check_batches(4, 8, 100, 20)
    with pytest.raises(ValueError, match=message):
        devices.check_batches(4, *sizes)


def test_one_device_is_as_without():
    model = zoo.cohen_cnn("p4", widths=(1,) * 6)
    with devices.several(1), devices.synchronized(model):
        assert devices.in_use() == 1
        norms = [one for one in model.layers if isinstance(one, layers.GBatchNormalization)]
        assert norms
        assert not any(one.synchronized for one in norms)
