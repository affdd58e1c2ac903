"""A run that is killed at any moment and started again ends like one that never was."""

import csv
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from keras_gcnn import training

_TRAIN = """
import sys, time, keras
from keras_gcnn import training
from keras_gcnn.training import fit

class Slow(fit.Shuffle):  # leaves time to be killed between two epochs
    def on_epoch_begin(self, epoch, logs=None):
        super().on_epoch_begin(epoch, logs)
        time.sleep(0.3)

fit.Shuffle = Slow
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


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kills processes the POSIX way")
@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_killed_and_started_again(single_recipe_file, tmp_path, schedule):
    # Many batches: in another order they would soon give other weights.
    text = single_recipe_file.read_text().replace("batch_size = 40", "batch_size = 3")
    text = text.replace("epochs = 4", f'epochs = 3\nschedule = "{schedule}"')
    single_recipe_file.write_text(text)
    recipe = training.load_recipe(single_recipe_file)
    training.train(recipe, tmp_path / "whole")
    kill_after(1, "turning", single_recipe_file, tmp_path / "killed")
    training.train(recipe, tmp_path / "killed")
    whole, killed = (measured(tmp_path / run, "turning") for run in ("whole", "killed"))
    assert len(whole[1]) == len(killed[1]) == 3
    np.testing.assert_allclose(killed[1], whole[1], rtol=1e-5)
    assert killed[0] == whole[0]
