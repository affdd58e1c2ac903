"""Ctrl-C ends training, also where Keras catches every error."""

import json
import signal
import subprocess
import sys
import threading

import pytest

from keras_gcnn import training
from keras_gcnn.training.loop.interrupt import interruptible

pytestmark = pytest.mark.backend_free
# Interrupts itself in the second epoch, in a bare `except` like Keras's around the values of a
# batch on JAX.
_TRAIN = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
from keras_gcnn import cli
from keras_gcnn.training.loop import fitting

class Pressed(fitting.Shuffle):
    def on_epoch_begin(self, epoch, logs=None):
        super().on_epoch_begin(epoch, logs)
        self.epoch = epoch

    def on_train_batch_begin(self, batch, logs=None):
        if (self.epoch, batch) == (1, 1):
            try:
                os.kill(os.getpid(), signal.SIGINT)
            except:
                pass

fitting.Shuffle = Pressed
cli.main()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="sends signals the POSIX way")
def test_an_interrupted_run_ends_at_once_and_goes_on_later(single_recipe_file, tmp_path):
    recipe_file = single_recipe_file
    recipe_file.write_text(recipe_file.read_text().replace("epochs = 4", "epochs = 2"))
    folder = tmp_path / "run"
    command = [sys.executable, "-c", _TRAIN, "train", recipe_file, "--run-dir", folder]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 130, done.stderr
    assert "same command again" in done.stderr
    assert "Traceback" not in done.stderr
    state = json.loads((folder / "turning-seed3" / "checkpoint" / "state.json").read_text())
    assert len(state["history"]) == 1
    (result,) = training.train(training.load_recipe(recipe_file), folder)
    assert result["epochs"] == 2
    assert str(state["history"][0]["loss"]) in (folder / "turning-seed3/history.csv").read_text()


@pytest.fixture
def heeded():
    """Ctrl-C is heeded, which a shell turns off for its jobs in the background."""
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, former)


@pytest.mark.usefixtures("heeded")
def test_the_first_signal_waits_for_the_batch_and_the_second_does_not():
    former = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), interruptible() as interrupt:  # noqa: PT012
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            interrupt.on_train_batch_end(0)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is former


@pytest.mark.usefixtures("heeded")
def test_other_threads_and_ignored_signals_are_left_alone():
    seen = []

    def use():
        with interruptible() as interrupt:
            interrupt.on_train_batch_end(0)
            seen.append(signal.getsignal(signal.SIGINT))

    former = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        use()
    finally:
        signal.signal(signal.SIGINT, former)
    assert seen == [former, signal.SIG_IGN]
