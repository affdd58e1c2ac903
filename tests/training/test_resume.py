"""A run that is killed at any moment and started again ends like one that never was."""

import csv
import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest

from keras_gcnn import data, layers, training
from keras_gcnn.training.loop import fitting
from keras_gcnn.training.recipes.tables import ModelTable, TrainingTable
from keras_gcnn.training.runs.networks import build_network
from tests.helpers.levels import COMPILING, thoroughly

_TRAIN = """
import sys, time, keras
from keras_gcnn import training
from keras_gcnn.training.loop import fitting

class Slow(fitting.Shuffle):  # leaves time to be killed between two epochs
    def on_epoch_begin(self, epoch, logs=None):
        super().on_epoch_begin(epoch, logs)
        time.sleep(0.3)

fitting.Shuffle = Slow
training.train(training.load_recipe(sys.argv[1]), sys.argv[2])
"""


def kill_after(epochs, network, recipe_file, folder):
    """Starts a run and kills it, without warning, once a network has done some epochs."""
    state = folder / f"{network}-seed3" / "checkpoint" / "state.json"
    with subprocess.Popen([sys.executable, "-c", _TRAIN, recipe_file, folder]) as process:
        deadline = time.monotonic() + 180
        while True:
            assert time.monotonic() < deadline
            assert process.poll() is None, "it ended before it could be killed"
            if state.is_file() and len(json.loads(state.read_text())["history"]) >= epochs:
                break
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL


def measured(folder, network):
    own = folder / f"{network}-seed3"
    result = json.loads((own / "result.json").read_text())
    rows = list(csv.DictReader((own / "history.csv").open()))
    names = [name for name in rows[0] if name != "seconds"]
    return result["errors"], [[float(row[name]) for name in names] for row in rows]


@pytest.mark.thorough("jax", "tensorflow")
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kills processes the POSIX way")
def test_killed_and_started_again(single_recipe_file, tmp_path):
    # Many batches: in another order they would soon give other weights.
    text = single_recipe_file.read_text().replace("batch_size = 40", "batch_size = 3")
    text = text.replace("epochs = 4", 'epochs = 3\nschedule = "cosine"')
    single_recipe_file.write_text(text)
    recipe = training.load_recipe(single_recipe_file)
    training.train(recipe, tmp_path / "whole")
    kill_after(1, "turning", single_recipe_file, tmp_path / "killed")
    training.train(recipe, tmp_path / "killed")
    whole, killed = (measured(tmp_path / run, "turning") for run in ("whole", "killed"))
    assert len(whole[1]) == len(killed[1]) == 3
    np.testing.assert_allclose(killed[1], whole[1], rtol=1e-5)
    assert killed[0] == whole[0]


def with_dropout(dataset):
    """A network with dropout of the library and of Keras."""
    keras.utils.set_random_seed(3)
    return keras.Sequential(
        [
            keras.Input(dataset.image_shape),
            layers.LiftingConv2D(2, 5, "p4", strides=3),
            layers.GDropout(0.3, "p4"),
            keras.layers.Flatten(),
            # Without a seed of its own it takes PyTorch's random numbers, whose state Keras does
            # not keep.
            keras.layers.Dropout(0.5, seed=3),
            keras.layers.Dense(10),
        ]
    )


def test_dropout_goes_on_where_it_was(tmp_path, monkeypatch):
    """The learning rate is constant; test_killed_and_started_again has a schedule."""
    dataset = data.load("digits", validation=20, subset=32, test_subset=10)
    settings = TrainingTable(epochs=3, batch_size=8)

    def train(folder):
        history = fitting.fit(with_dropout(dataset), dataset, settings, folder, seed=3)
        return [row["loss"] for row in history]

    class Stop(fitting.Shuffle):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt
            super().on_epoch_begin(epoch, logs)

    whole = train(tmp_path / "whole")
    with monkeypatch.context() as patch:
        patch.setattr(fitting, "Shuffle", Stop)
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path / "stopped")
    state = tmp_path / "stopped" / "checkpoint" / "state.json"
    content = json.loads(state.read_text())
    old = tmp_path / "old" / "checkpoint"
    shutil.copytree(state.parent, old)
    assert train(tmp_path / "stopped") == pytest.approx(whole, rel=1e-6)
    # Checkpoints of earlier versions lack the state of random generators, and can be used.
    del content["random"]
    (old / "state.json").write_text(json.dumps(content))
    again = train(old.parent)
    assert again[0] == pytest.approx(whole[0])
    assert again[1:] != pytest.approx(whole[1:], rel=1e-4)


@pytest.mark.parametrize("keep", ["best", *thoroughly("last", on=COMPILING)])
def test_whose_weights_are_kept(keep, tmp_path):
    """Also of a run that was killed after its last epoch."""
    dataset = data.load("digits", validation=20, subset=200, test_subset=10)
    # Of wrong labels the loss grows with all that is learnt.
    wrong = data.Split(dataset.validation.images, (dataset.validation.labels + 1) % 10)
    dataset = dataclasses.replace(dataset, validation=wrong)
    settings = TrainingTable(epochs=4, patience=4, learning_rate=0.01, keep=keep)
    arguments = {"group": "z2", "widths": [2, 4]}
    table = ModelTable(name="a", builder="lenet", arguments=arguments)

    def train():
        model = build_network(table, dataset, 3)
        history = fitting.fit(model, dataset, settings, tmp_path, seed=3)
        losses = [row["val_loss"] for row in history]
        split = dataset.validation
        return losses, model.evaluate(split.images, split.labels, verbose=0)[0]

    losses, kept = train()
    assert losses.index(min(losses)) < 3
    assert kept == pytest.approx(min(losses) if keep == "best" else losses[-1], rel=1e-4)
    assert train() == (losses, pytest.approx(kept, rel=1e-4))
