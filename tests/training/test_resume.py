"""A run that is killed at any moment and started again ends like one that never was."""

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
        time.sleep(0.5)

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


def losses(folder, network):
    result = json.loads((folder / f"{network}-seed3" / "result.json").read_text())
    text = (folder / f"{network}-seed3" / "history.csv").read_text().splitlines()
    column = text[0].split(",").index("val_loss")
    return result["errors"], [float(line.split(",")[column]) for line in text[1:]]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kills processes the POSIX way")
def test_killed_and_started_again(recipe_file, tmp_path):
    recipe = training.load_recipe(recipe_file)
    training.train(recipe, tmp_path / "whole")
    kill_after(2, "turning", recipe_file, tmp_path / "killed")
    first = (tmp_path / "killed" / "plain-seed3" / "result.json").stat().st_mtime_ns
    training.train(recipe, tmp_path / "killed")
    # What was finished is not repeated, and the rest is what it would have been.
    assert (tmp_path / "killed" / "plain-seed3" / "result.json").stat().st_mtime_ns == first
    for network in ("plain", "turning"):
        whole, killed = (losses(tmp_path / run, network) for run in ("whole", "killed"))
        assert len(whole[1]) == len(killed[1]) == 4
        np.testing.assert_allclose(killed[1], whole[1], rtol=1e-3)
        assert killed[0] == pytest.approx(whole[0], abs=5.1)  # two of 40 images
