"""KerasTuner's oracles, with a state that survives a kill at any moment."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras_tuner
from keras_tuner.engine.trial import Trial

from keras_gcnn.training import atomic_files
from keras_gcnn.tuning.folder import STATE
from keras_gcnn.tuning.recipe import SearchRecipe

# Attempts to draw values that are new, and of those, attempts to find some that can be built, which
# take longer.
_DRAWS, _BUILDS = 1000, 100
_REMEDY = "Put the file of a backup back, or start the search anew (--fresh)."


class _Durable(keras_tuner.Oracle):
    """Keeps the state and all trials in one file, which is whole or absent.

    KerasTuner writes the oracle and every trial to separate files, in place: a kill between two of
    them loses a trial or repeats a finished one, and a kill while one is written damages it.

    Attributes:
        folder: where the file is.
        listener: called with the oracle and a trial when the trial has finished or failed.
    """

    folder: Path
    listener: Callable[[keras_tuner.Oracle, Trial], None] | None = None
    ongoing_trials: dict[str, Trial]  # of KerasTuner, by worker

    def save(self) -> None:
        content = {
            "oracle": self.get_state(),
            "trials": [trial.get_state() for trial in self.trials.values()],
        }
        atomic_files.write_json(self.folder / STATE, content)

    def reload(self) -> None:
        content = read_state(self.folder)
        try:
            self.trials = {
                state["trial_id"]: Trial.from_state(state) for state in content["trials"]
            }
            self.set_state(content["oracle"])
            valid = {*self.start_order, *self.end_order} == self.trials.keys()
        except (AttributeError, LookupError, TypeError, ValueError):
            valid = False
        if not valid:
            raise ValueError(f"{self.folder / STATE} is damaged. {_REMEDY}")

    @keras_tuner.synchronized
    def end_trial(self, trial: Trial) -> None:
        # A reassigned trial may be ended by both workers.
        if trial.trial_id in self._retry_queue:
            self._retry_queue.remove(trial.trial_id)
        if trial.trial_id in self.end_order:
            ongoing = self.ongoing_trials.items()
            self.ongoing_trials = {
                worker: current for worker, current in ongoing if current.trial_id != trial.trial_id
            }
            return
        super().end_trial(trial)
        self.save()  # once more: the trial is no longer among the ongoing ones
        if self.listener is not None:
            self.listener(self, self.trials[trial.trial_id])


class _Random(_Durable):
    """Random search in which groups are compared in pairs.

    Trials take the groups in turn, and in one round all groups get the same values of everything
    else, so that every group has equally many trials and no advantage by chance. Values with which
    some group cannot meet the budget are not used. A group all of whose values have been tried
    gives its turn to the next.

    Attributes:
        feasible: whether a network can be built with hyperparameters.
    """

    feasible: Callable[[keras_tuner.HyperParameters], bool]

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        groups: list[str | None] = [None]  # if the group is no hyperparameter
        for hp in self.get_space().space:
            if hp.name == "group":
                groups = list(hp.values)
        turn, place = divmod(int(trial_id), len(groups))
        for group in groups[place:] + groups[:place]:
            seeds = (f"{turn}-{attempt}" for attempt in range(_DRAWS))
            # Only values that take effect in this group are drawn, and compared.
            new = (seed for seed in seeds if not self._duplicate(self._draw(group, seed).values))
            for seed in itertools.islice(new, _BUILDS):
                if all(self.feasible(self._draw(each, seed)) for each in groups):
                    return {"status": "RUNNING", "values": self._draw(group, seed).values}
        return {"status": "STOPPED"}  # the space was exhausted; KerasTuner stops then too

    def _draw(self, group: str | None, seed: str) -> keras_tuner.HyperParameters:
        hps = self.get_space()
        hps.values = {}
        for hp in hps.space:  # parents come first
            if hp.name == "group":
                hps.values["group"] = group
            elif hps.is_active(hp):
                hps.values[hp.name] = hp.random_sample(f"{self.seed}-{seed}-{hp.name}")
        return hps


class _Bayesian(_Durable, keras_tuner.oracles.BayesianOptimizationOracle):
    pass


class _Hyperband(_Durable, keras_tuner.oracles.HyperbandOracle):
    pass


class _Grid(_Durable, keras_tuner.oracles.GridSearchOracle):
    _ordered_ids: Any  # of KerasTuner

    def set_state(self, state: dict[str, Any]) -> None:
        """Restores the order of the trials too, without which KerasTuner's oracle stops at once."""
        super().set_state(state)
        values = {name: trial.hyperparameters.values for name, trial in self.trials.items()}
        compare = functools.cmp_to_key(lambda a, b: self._compare(values[a], values[b]))
        self._ordered_ids = type(self._ordered_ids)()
        for trial_id in sorted(values, key=compare):
            self._ordered_ids.insert(trial_id)
        self._populate_next = list(self.start_order)


def read_state(folder: Path) -> dict[str, Any]:
    """Returns the state of a search.

    Raises:
        ValueError: if its file is damaged.
    """
    content = atomic_files.read_json(
        folder / STATE,
        lambda content: (
            {"end_order", "ongoing_trials", "retry_queue"} <= set(content["oracle"])
            and all(isinstance(state["trial_id"], str) for state in content["trials"])
        ),
        _REMEDY,
    )
    # A kill may have come while a trial that had just ended was still among the ongoing ones.
    state = content["oracle"]
    ended = set(state["end_order"])
    ongoing = state["ongoing_trials"].items()
    state["ongoing_trials"] = {
        worker: trial_id for worker, trial_id in ongoing if trial_id not in ended
    }
    return content


def release(folder: Path) -> None:
    """Queues the trials that were going on when all processes of a search ended."""
    if not (folder / STATE).is_file():
        return
    content = read_state(folder)
    state = content["oracle"]
    state["retry_queue"] += list(state["ongoing_trials"].values())
    state["ongoing_trials"] = {}
    atomic_files.write_json(folder / STATE, content)


def make_oracle(
    recipe: SearchRecipe, folder: Path, feasible: Callable[[keras_tuner.HyperParameters], bool]
) -> keras_tuner.Oracle:
    """Returns the oracle of a search.

    Args:
        recipe: of the search.
        folder: of the search.
        feasible: whether a network can be built with hyperparameters.
    """
    name, direction = recipe.objective
    arguments: dict[str, Any] = {
        "objective": keras_tuner.Objective(name, direction),
        "seed": recipe.seed + 1,  # KerasTuner takes 0 for no seed
        # A search goes on after failed trials, and reports their reasons.
        "max_consecutive_failed_trials": None,
    }
    trials = recipe.search.most_trials
    if recipe.search.tuner == "hyperband":
        oracle = _Hyperband(max_epochs=recipe.training.epochs, **arguments)
    elif recipe.search.tuner == "bayesian":
        # By default, KerasTuner may spend all trials on random ones.
        oracle = _Bayesian(num_initial_points=max(3, (trials or 0) // 4), **arguments)
    else:
        oracle = {"random": _Random, "grid": _Grid}[recipe.search.tuner](**arguments)
    oracle.max_trials = trials  # not every oracle has an argument for it
    oracle.folder, oracle.feasible = folder, feasible
    oracle.verbose = 0
    return oracle
