"""One process of a search: trains trial after trial, each resumably in a folder of its own."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import numpy as np
from keras_tuner.engine.trial import Trial
from keras_tuner.errors import FatalError, FatalRuntimeError
from keras_tuner.src import config
from rich.console import Console

from keras_gcnn.data import Dataset
from keras_gcnn.full_disk import FullDiskError, explain_full_disk
from keras_gcnn.training import atomic_files as files
from keras_gcnn.training.loop.fitting import fit
from keras_gcnn.training.tasks.task import Task
from keras_gcnn.tuning.folder import SearchFolder
from keras_gcnn.tuning.recipe import SearchRecipe
from keras_gcnn.tuning.zoo_hypermodel import ZooHyperModel

# Starts of a trial in the same epoch after which it is given up: what kills a process, such as the
# lack of memory, kills it again.
_STARTS = 3
_PAUSE = 1.0  # seconds before asking an oracle again that had no trial


class SearchTuner(keras_tuner.Tuner):
    """A tuner whose trials are trained as networks of a recipe are.

    Args:
        oracle: from `make_oracle`.
        hypermodel: what is searched over.
        recipe: the search.
        own: the search's folder.
        dataset: to train and to validate on.
        task: what networks are trained for.
        console: where progress is shown.
    """

    def __init__(
        self,
        oracle: keras_tuner.Oracle,
        hypermodel: ZooHyperModel,
        recipe: SearchRecipe,
        own: SearchFolder,
        dataset: Dataset,
        task: Task,
        console: Console,
    ):
        self.recipe = recipe
        self.own = own
        self.dataset = dataset
        self.task = task
        self.console = console
        self._waits = False
        super().__init__(
            oracle=oracle,
            hypermodel=hypermodel,
            directory=str(own.path.parent),
            project_name=own.path.name,
        )

    def search(self) -> None:
        before, config.DEBUG = config.DEBUG, False  # which prints the traceback of a failed trial
        try:
            super().search()
        except FatalError as error:
            if isinstance(error.__cause__, FullDiskError):
                raise error.__cause__ from None
            raise
        finally:
            config.DEBUG = before

    def save(self) -> None:
        # KerasTuner's file beside the oracle's would be one more that a kill can tear from it.
        if not self._is_worker():
            self.oracle.save()

    def pre_create_trial(self) -> None:
        if self._waits:
            time.sleep(_PAUSE)  # KerasTuner asks again at once, all the time
        self._waits = True

    def on_trial_begin(self, trial: Trial) -> None:
        self._waits = False

    def on_trial_end(self, trial: Trial) -> None:
        if trial.message is not None:
            self._note(trial, reason=_reason(trial.message), trace=trial.message)
        super().on_trial_end(trial)

    def run_trial(self, trial: Trial) -> dict[str, float]:
        """Trains the network of a trial, or goes on where it was interrupted."""
        folder = self.own.trial(trial.trial_id)
        try:
            starts = _count_start(folder)
            try:
                return self._train(trial, folder)
            finally:  # which a process that is killed does not reach
                starts.unlink()
        except FullDiskError as error:
            # It is no fault of the trial. KerasTuner takes every other error for one.
            raise FatalRuntimeError(str(error)) from error

    def _train(self, trial: Trial, folder: Path) -> dict[str, float]:
        values = trial.hyperparameters.values
        if "tuner/trial_id" in values:  # hyperband goes on with a network that is good so far
            _continue(self.own.trial(values["tuner/trial_id"]), folder)
        keras.backend.clear_session()
        keras.utils.set_random_seed(self.recipe.seed)
        model = self.hypermodel.build(trial.hyperparameters)
        own = self.hypermodel.training(trial.hyperparameters)
        if "tuner/epochs" in values:
            own["epochs"] = int(values["tuner/epochs"])
        settings = self.recipe.training.model_copy(update=own)
        history = fit(
            model,
            self.dataset,
            settings,
            folder,
            seed=self.recipe.seed,
            task=self.task,
            label=f"trial {trial.trial_id}",
            console=self.console,
        )
        name, _ = self.recipe.objective
        score = self._score(history)
        self._note(
            trial,
            **{name: score},
            parameters=int(sum(np.prod(v.shape) for v in model.trainable_variables)),
            widths=[int(width) for width in model.widths],
            epochs=len(history),
            seconds=round(sum(row["seconds"] for row in history), 3),
            seconds_per_epoch=float(np.median([row["seconds"] for row in history])),
        )
        if self.recipe.search.tuner != "hyperband":  # which may go on from it
            shutil.rmtree(folder / "checkpoint", ignore_errors=True)
        return {name: score}

    def _score(self, history: list[dict[str, float]]) -> float:
        """The objective in the epoch whose weights are kept."""
        name, _ = self.recipe.objective
        settings = self.recipe.training
        best = max if settings.monitor == "val_accuracy" else min
        row = history[-1]
        if settings.keep == "best":
            row = best(history, key=lambda one: one[settings.monitor])
        if name == "negative_elbo":
            return row["val_reconstruction"] + row["val_kl"]
        return row[name]

    def _note(self, trial: Trial, **facts: Any) -> None:
        """Writes what is known of a trial, for the leaderboard, into its folder."""
        files.write_json(self.own.trial(trial.trial_id) / "result.json", facts)


def _count_start(folder: Path) -> Path:
    """Notes that a trial is begun, and gives up one that ended its process several times.

    Returns:
        The file with the note, to be removed when the process has outlived the trial.

    Raises:
        RuntimeError: if the process ended too often.
    """
    state, starts = folder / "checkpoint" / "state.json", folder / "starts.json"
    # The state is replaced after every epoch.
    epoch = state.stat().st_mtime_ns if state.is_file() else 0
    before = 0
    if starts.is_file():
        try:
            found = files.read_json(starts, _is_note, "")
            before = found["starts"] if found["epoch"] == epoch else 0
        except ValueError:  # damaged: it counts anew
            pass
    if before >= _STARTS:
        starts.unlink()
        raise RuntimeError(
            f"The process ended {_STARTS} times in the same epoch, perhaps for lack of memory."
        )
    files.write_json(starts, {"epoch": epoch, "starts": before + 1})
    return starts


def _is_note(content: Any) -> bool:
    """Whether this is what `_count_start` writes."""
    return all(isinstance(content[key], int) for key in ("epoch", "starts"))


def _continue(earlier: Path, folder: Path) -> None:
    """Copies the training state of an earlier trial, unless the new one has one of its own."""
    source, target = earlier / "checkpoint", folder / "checkpoint"
    if source.is_dir() and not target.exists():
        partial = folder / ".partial-checkpoint"
        shutil.rmtree(partial, ignore_errors=True)
        with explain_full_disk(target):
            partial.mkdir(parents=True)
            for one in source.iterdir():
                shutil.copyfile(one, partial / one.name)
            partial.replace(target)


def _reason(trace: str) -> str:
    """The last line of a traceback with text, which names the error."""
    lines = [line for line in trace.strip().splitlines() if line.strip()]
    own = [line for line in lines if not line.startswith((" ", "\t"))]
    return (own or lines or [""])[-1][:300]
