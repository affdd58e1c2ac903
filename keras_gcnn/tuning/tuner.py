"""One process of a search: trains trial after trial, each resumably in its own folder."""

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

from keras_gcnn.analysis.precision import dtype_policy
from keras_gcnn.data import Dataset
from keras_gcnn.full_disk import FullDiskError, explain_full_disk
from keras_gcnn.training import atomic_files
from keras_gcnn.training.loop.fitting import fit
from keras_gcnn.training.tasks.measurement import count_parameters
from keras_gcnn.training.tasks.task import Task
from keras_gcnn.tuning.folder import SearchFolder
from keras_gcnn.tuning.recipe import SearchRecipe
from keras_gcnn.tuning.zoo_hypermodel import ZooHyperModel

# A trial that ended its process this often in the same epoch is given up: what kills a process,
# such as a lack of memory, would kill it again.
_STARTS = 3
_PAUSE = 1.0  # seconds before an oracle that had no trial is asked again


class SearchTuner(keras_tuner.Tuner):
    """A tuner that trains its trials like the networks of a recipe.

    Args:
        oracle: from `make_oracle`.
        hypermodel: that is searched over.
        recipe: of the search.
        folder: of the search.
        dataset: to train and to validate on.
        task: what the networks are trained for.
        console: where progress is shown.
    """

    def __init__(
        self,
        oracle: keras_tuner.Oracle,
        hypermodel: ZooHyperModel,
        recipe: SearchRecipe,
        folder: SearchFolder,
        dataset: Dataset,
        task: Task,
        console: Console,
    ):
        self.recipe = recipe
        self.folder = folder
        self.dataset = dataset
        self.task = task
        self.console = console
        self._waits = False
        super().__init__(
            oracle=oracle,
            hypermodel=hypermodel,
            directory=str(folder.path.parent),
            project_name=folder.path.name,
        )

    def search(self) -> None:
        before, config.DEBUG = config.DEBUG, False  # it prints the traceback of a failed trial
        try:
            super().search()
        except FatalError as error:
            if isinstance(error.__cause__, FullDiskError):
                raise error.__cause__ from None
            raise
        finally:
            config.DEBUG = before

    def save(self) -> None:
        # KerasTuner's own file is not written: a kill could come between it and the oracle's.
        if not self._is_worker():
            self.oracle.save()

    def pre_create_trial(self) -> None:
        if self._waits:
            time.sleep(_PAUSE)  # KerasTuner itself asks again at once
        self._waits = True

    def on_trial_begin(self, trial: Trial) -> None:
        self._waits = False

    def on_trial_end(self, trial: Trial) -> None:
        if trial.message is not None:
            self._note(trial, reason=_reason(trial.message), trace=trial.message)
        super().on_trial_end(trial)

    def run_trial(self, trial: Trial) -> dict[str, float]:
        """Trains the network of a trial, or goes on where it was interrupted."""
        folder = self.folder.trial(trial.trial_id)
        try:
            starts = _count_start(folder)
            try:
                return self._train(trial, folder)
            finally:  # a killed process does not get here
                starts.unlink()
        except FullDiskError as error:
            # This is no fault of the trial, as KerasTuner takes every other error to be.
            raise FatalRuntimeError(str(error)) from error

    def _train(self, trial: Trial, folder: Path) -> dict[str, float]:
        values = trial.hyperparameters.values
        if "tuner/trial_id" in values:  # hyperband trains a good network further
            _continue(self.folder.trial(values["tuner/trial_id"]), folder)
        keras.backend.clear_session()
        keras.utils.set_random_seed(self.recipe.seed)
        with dtype_policy(self.recipe.training.dtype):
            model = self.hypermodel.build(trial.hyperparameters)
        overrides = self.hypermodel.training(trial.hyperparameters)
        if "tuner/epochs" in values:
            overrides["epochs"] = int(values["tuner/epochs"])
        settings = self.recipe.training.model_copy(update=overrides)
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
            parameters=count_parameters(model),
            widths=[int(width) for width in model.widths],
            epochs=len(history),
            seconds=round(sum(row["seconds"] for row in history), 3),
            seconds_per_epoch=float(np.median([row["seconds"] for row in history])),
        )
        if self.recipe.search.tuner != "hyperband":  # hyperband may go on from the checkpoint
            shutil.rmtree(folder / "checkpoint", ignore_errors=True)
        return {name: score}

    def _score(self, history: list[dict[str, float]]) -> float:
        """Returns the objective in the epoch whose weights are kept."""
        name, _ = self.recipe.objective
        settings = self.recipe.training
        best = max if settings.monitor == "val_accuracy" else min
        row = history[-1]
        if settings.keep == "best":
            row = best(history, key=lambda epoch: epoch[settings.monitor])
        if name == "negative_elbo":
            return row["val_reconstruction"] + row["val_kl"]
        return row[name]

    def _note(self, trial: Trial, **facts: Any) -> None:
        """Writes facts about a trial into its folder, for the leaderboard."""
        atomic_files.write_json(self.folder.trial(trial.trial_id) / "result.json", facts)


def _count_start(folder: Path) -> Path:
    """Counts the starts of a trial, and gives it up if it ended its process several times.

    Returns:
        The file with the count, to be removed when the trial has ended and the process has not.

    Raises:
        RuntimeError: if the process ended too often.
    """
    state, starts = folder / "checkpoint" / "state.json", folder / "starts.json"
    # The state is replaced after every epoch.
    epoch = state.stat().st_mtime_ns if state.is_file() else 0
    before = 0
    if starts.is_file():
        try:
            count = atomic_files.read_json(starts, _is_count, "")
            before = count["starts"] if count["epoch"] == epoch else 0
        except ValueError:  # the file is damaged: count from 0
            pass
    if before >= _STARTS:
        starts.unlink()
        raise RuntimeError(
            f"The process ended {_STARTS} times in the same epoch, perhaps for lack of memory."
        )
    atomic_files.write_json(starts, {"epoch": epoch, "starts": before + 1})
    return starts


def _is_count(content: Any) -> bool:
    """Whether this is what `_count_start` writes."""
    return all(isinstance(content[key], int) for key in ("epoch", "starts"))


def _continue(earlier: Path, folder: Path) -> None:
    """Copies the training state of an earlier trial, unless the new trial has one."""
    source, target = earlier / "checkpoint", folder / "checkpoint"
    if source.is_dir() and not target.exists():
        partial = folder / ".partial-checkpoint"
        shutil.rmtree(partial, ignore_errors=True)
        with explain_full_disk(target):
            partial.mkdir(parents=True)
            for path in source.iterdir():
                shutil.copyfile(path, partial / path.name)
            partial.replace(target)


def _reason(trace: str) -> str:
    """Returns the last line of a traceback that names an error."""
    lines = [line for line in trace.strip().splitlines() if line.strip()]
    unindented = [line for line in lines if not line.startswith((" ", "\t"))]
    return (unindented or lines or [""])[-1][:300]
