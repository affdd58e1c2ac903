"""KerasTuner's oracles, made to survive a kill at any moment."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras_tuner
from keras_tuner.engine.trial import Trial

from keras_gcnn.training import atomic_files as files
from keras_gcnn.tuning.folder import STATE
from keras_gcnn.tuning.recipe import SearchRecipe

_ATTEMPTS = 100  # to draw what is new and can be built
_REMEDY = "Put the file of a backup back, or start the search anew (--fresh)."


class _Durable(keras_tuner.Oracle):
    """State and trials in one file that is whole or absent, instead of in many.

    KerasTuner writes the oracle and every trial to files of their own, in place: a kill between
    two of them loses a trial or repeats a finished one, and a kill within one leaves no JSON.

    Attributes:
        folder: where the file is.
        listener: called with the oracle and a trial when a trial has ended, finished or failed.
    """

    folder: Path
    listener: Callable[[keras_tuner.Oracle, Trial], None] | None = None

    def save(self) -> None:
        content = {
            "oracle": self.get_state(),
            "trials": [trial.get_state() for trial in self.trials.values()],
        }
        files.write_json(self.folder / STATE, content)

    def reload(self) -> None:
        content = read_state(self.folder)
        try:
            self.trials = {one["trial_id"]: Trial.from_state(one) for one in content["trials"]}
            self.set_state(content["oracle"])
            whole = {*self.start_order, *self.end_order} == self.trials.keys()
        except (AttributeError, LookupError, TypeError, ValueError):
            whole = False
        if not whole:
            raise ValueError(f"{self.folder / STATE} is damaged. {_REMEDY}")

    @keras_tuner.synchronized
    def end_trial(self, trial: Trial) -> None:
        # One that was taken from its worker may be ended by both.
        if trial.trial_id in self._retry_queue:
            self._retry_queue.remove(trial.trial_id)
        if trial.trial_id in self.end_order:
            ongoing = self.ongoing_trials.items()
            self.ongoing_trials = {
                worker: own for worker, own in ongoing if own.trial_id != trial.trial_id
            }
            return
        super().end_trial(trial)
        self.save()  # once more: without the trial among those that are going on
        if self.listener is not None:
            self.listener(self, self.trials[trial.trial_id])


class _Random(_Durable):
    """Random search in which groups are compared in pairs.

    Trials take the groups in turn, and of one round all groups get the same values of everything
    else, so that every group has equally many trials, and equally good luck. Values with which
    some group cannot meet the budget are not taken.

    Attributes:
        feasible: tells whether hyperparameters lead to a network.
    """

    feasible: Callable[[keras_tuner.HyperParameters], bool]

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        groups = next((list(hp.values) for hp in self.get_space().space if hp.name == "group"), [0])
        turn, place = divmod(int(trial_id), len(groups))
        for attempt in range(_ATTEMPTS):
            drawn = [self._draw(group, f"{turn}-{attempt}") for group in groups]
            values = drawn[place].values
            if not self._duplicate(values) and all(map(self.feasible, drawn)):
                return {"status": "RUNNING", "values": values}
        return {"status": "STOPPED"}  # as in KerasTuner: all of a small space was tried

    def _draw(self, group: str, seed: str) -> keras_tuner.HyperParameters:
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
    def set_state(self, state: dict[str, Any]) -> None:
        """Puts the order of the trials back too, without which KerasTuner's stops at once."""
        super().set_state(state)
        values = {name: one.hyperparameters.values for name, one in self.trials.items()}
        compare = functools.cmp_to_key(lambda a, b: self._compare(values[a], values[b]))
        self._ordered_ids = type(self._ordered_ids)()
        for trial_id in sorted(values, key=compare):
            self._ordered_ids.insert(trial_id)
        self._populate_next = list(self.start_order)


def read_state(folder: Path) -> dict[str, Any]:
    """The state of a search.

    Raises:
        ValueError: if its file is damaged.
    """
    content = files.read_json(
        folder / STATE,
        lambda content: (
            {"end_order", "ongoing_trials", "retry_queue"} <= set(content["oracle"])
            and all(isinstance(one["trial_id"], str) for one in content["trials"])
        ),
        _REMEDY,
    )
    # A trial that has just ended is among both for a moment, in which a kill may come.
    state = content["oracle"]
    ended = set(state["end_order"])
    ongoing = state["ongoing_trials"].items()
    state["ongoing_trials"] = {worker: one for worker, one in ongoing if one not in ended}
    return content


def release(folder: Path) -> None:
    """Has the trials that were going on when all processes of a search ended be tried again."""
    if not (folder / STATE).is_file():
        return
    content = read_state(folder)
    state = content["oracle"]
    state["retry_queue"] += list(state["ongoing_trials"].values())
    state["ongoing_trials"] = {}
    files.write_json(folder / STATE, content)


def make_oracle(
    recipe: SearchRecipe, folder: Path, feasible: Callable[[keras_tuner.HyperParameters], bool]
) -> keras_tuner.Oracle:
    """The oracle of a search; `feasible` tells whether hyperparameters lead to a network."""
    name, direction = recipe.objective
    arguments: dict[str, Any] = {
        "objective": keras_tuner.Objective(name, direction),
        "seed": recipe.seed + 1,  # to KerasTuner 0 is no seed
        # A search goes on after failed trials, whose reasons it tells.
        "max_consecutive_failed_trials": None,
    }
    trials = recipe.search.most_trials
    if recipe.search.tuner == "hyperband":
        oracle = _Hyperband(max_epochs=recipe.training.epochs, **arguments)
    elif recipe.search.tuner == "bayesian":
        # KerasTuner's own number of random trials may be all there are.
        oracle = _Bayesian(num_initial_points=max(3, trials // 4), **arguments)
    else:
        oracle = {"random": _Random, "grid": _Grid}[recipe.search.tuner](**arguments)
    oracle.max_trials = trials  # not every oracle has an argument for it
    oracle.folder, oracle.feasible = folder, feasible
    oracle.verbose = 0
    return oracle
