"""Training state, written after every epoch, from which a killed run goes on."""

from __future__ import annotations

import math
import time
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_gcnn import untrusted
from keras_gcnn.training import atomic_files
from keras_gcnn.training.loop import weights_file

STATE = "state.json"
Values = Mapping[str, float] | None  # the losses and metrics that Keras passes to callbacks
_DAMAGE = (
    *(AttributeError, EOFError, LookupError, RuntimeError, TypeError, ValueError),
    *(NotImplementedError, zipfile.BadZipFile, zlib.error),
)


class Checkpoint(keras.callbacks.Callback):
    """Keeps everything that a run needs to go on after the last finished epoch.

    Keras's own `BackupAndRestore` keeps weights and epoch; this callback also keeps the state of
    early stopping with the best weights, the state of random generators, and the history. A small
    JSON file names the two weight files that belong together and is replaced in one step, so a kill
    at any moment leaves either the state before or the state after.

    Args:
        folder: where to keep the state.
        early_stopping: the run's `EarlyStopping`, which has to precede this in the list of
            callbacks.
    """

    def __init__(self, folder: Path, early_stopping: keras.callbacks.EarlyStopping):
        super().__init__()
        self.folder = folder
        self.early_stopping = early_stopping
        self.history: list[dict[str, float]] = []
        self._best: str | None = None
        self._early: dict[str, Any] = {}

    @property
    def waited(self) -> int:
        """Number of epochs without improvement in the restored state, 0 for a fresh run."""
        return self._early.get("wait", 0)

    @property
    def _state(self) -> Path:
        return self.folder / STATE

    def restore(self, model: keras.Model) -> int:
        """Loads the state into a built and compiled model.

        Returns:
            The number of finished epochs, 0 for a fresh run.

        Raises:
            ValueError: if the state is damaged.
        """
        if not self._state.is_file():
            return 0
        state = atomic_files.read_json(self._state, _is_state, self._remedy)
        self.history, self._best = state["history"], state["best"]
        model.optimizer.build(model.trainable_variables)
        self._load(model, state["best"])
        self._early = {**state["early_stopping"], "best_weights": model.get_weights()}
        self._load(model, state["latest"])
        # Checkpoints of earlier versions lack it.
        if "random" in state:
            self._restore_random(model, state["random"])
        return len(self.history)

    def _restore_random(self, model: keras.Model, states: list[list[int]]) -> None:
        generators = _random_states(model)
        if [len(state) for state in states] != [generator.shape[0] for generator in generators]:
            raise ValueError(
                f"{self._state} is damaged: it has the state of {len(states)} random generators, "
                f"and the network has {len(generators)}. {self._remedy}"
            )
        for generator, state in zip(generators, states, strict=True):
            generator.assign(np.asarray(state, generator.dtype))

    @property
    def _remedy(self) -> str:
        return (
            f"Delete the folder {self.folder} to train this network from the start, or start the "
            "whole run anew (--fresh)."
        )

    def _load(self, model: keras.Model, name: str) -> None:
        path = self.folder / name
        try:
            if path.suffix == ".h5":  # of version 0.1
                untrusted.count_elements(path, path.stat().st_size)
                model.load_weights(path)
            else:
                weights_file.load(model, path)
        # h5py, Keras, NumPy and zipfile raise these on a file that is missing, cut off, damaged, or
        # of another network.
        except (*_DAMAGE, OSError) as error:
            raise ValueError(f"{path} is damaged. {self._remedy}") from error

    def on_train_begin(self, logs: Values = None) -> None:
        # Early stopping resets its state when training begins; this runs after it.
        for name, value in self._early.items():
            setattr(self.early_stopping, name, value)

    def on_epoch_begin(self, epoch: int, logs: Values = None) -> None:
        self._start = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Values = None) -> None:
        seconds = time.perf_counter() - self._start
        values = {name: float(value) for name, value in (logs or {}).items()}
        if not math.isfinite(values["loss"]):
            raise FloatingPointError(
                f"The loss became {values['loss']} in epoch {epoch + 1}. Lower the learning rate."
            )
        self.history.append({"epoch": epoch + 1, **values, "seconds": round(seconds, 3)})
        latest = f"epoch{epoch + 1:04d}.weights.npz"
        atomic_files.write(self.folder / latest, lambda path: weights_file.save(self.model, path))
        if self.early_stopping.best_epoch == epoch:
            self._best = latest
        state: dict[str, Any] = {
            "latest": latest,
            "best": self._best,
            "early_stopping": {
                "best": float(self.early_stopping.best),
                "best_epoch": self.early_stopping.best_epoch,
                "wait": self.early_stopping.wait,
            },
            "random": [
                keras.ops.convert_to_numpy(state).tolist() for state in _random_states(self.model)
            ],
            "history": self.history,
        }
        atomic_files.write_json(self._state, state)
        for path in self.folder.glob("epoch*.weights.*"):
            if path.name not in (latest, self._best):
                path.unlink()


def _random_states(model: keras.Model) -> list[keras.Variable]:
    """Returns the states of a model's random generators, e.g. of dropout, in the order of layers.

    They are the variables that Keras does not count among the weights, and so does not save. On
    PyTorch, the `Dropout` of Keras uses none unless it has a seed.
    """
    weights = {id(weight) for weight in model.weights}
    states = {id(variable): variable for variable in model.variables if id(variable) not in weights}
    return list(states.values())  # a generator that layers share occurs once


def _is_state(content: Any) -> bool:
    """Whether this is the content of a state.json that can be restored."""
    names = (content["latest"], content["best"])
    early, history = content["early_stopping"], content["history"]
    random = [number for state in content.get("random", []) for number in state]
    return (
        all(isinstance(name, str) for name in names)
        and isinstance(early["best"], float)
        and all(isinstance(early[name], int) for name in ("best_epoch", "wait"))
        and len(early) == 3
        and all(isinstance(number, int) and number >= 0 for number in random)
        and len(history) > 0
        and all({"epoch", "loss", "seconds"} <= set(row) for row in history)
    )
