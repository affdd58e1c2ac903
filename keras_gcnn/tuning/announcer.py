"""Tells how a search goes: the score of every trial, and at the end why there are no more."""

from __future__ import annotations

import time

import keras_tuner
from keras_tuner.engine.trial import Trial
from rich.console import Console

from keras_gcnn.tuning.leaderboard import Leaderboard


class Announcer:
    """Prints the score of every trial, and keeps the leaderboard up to date."""

    def __init__(self, board: Leaderboard, console: Console):
        self.board = board
        self.console = console
        self._start = time.perf_counter()
        self._ended = 0

    def sum_up(self) -> None:
        """Prints how many trials there were, how fast, and why there are no more."""
        oracle = self.board.oracle
        done, most = len(oracle.trials), oracle.max_trials
        lines = []
        if self._ended:
            hours = (time.perf_counter() - self._start) / 3600
            rate = f"{self._ended / hours:.0f} an hour"
            lines.append(f"{self._ended} trials in {60 * hours:.1f} minutes, {rate}")
        if most and done < most:
            hyperband = self.board.recipe.search.tuner == "hyperband"
            why = "hyperband needs no more" if hyperband else "every combination was tried"
            lines.append(f"The search stopped after {done} of {most} trials: {why}.")
        elif not self._ended:
            text = f"The search is finished: all {done} trials are done."
            if most:
                more = done + max(1, done // 3)
                text += f" To try more, run it again with --trials {more}."
            lines.append(text)
        self.console.print("\n".join(lines), markup=False, emoji=False)

    def __call__(self, oracle: keras_tuner.Oracle, trial: Trial) -> None:
        self._ended += 1
        rows = self.board.write()
        row = next(row for row in rows if row["trial"] == trial.trial_id)
        objective = self.board.objective
        if row["status"] == "completed":
            outcome = f"{objective} {row[objective]:.4g}, rank {row['rank']} of {len(rows)}"
        else:
            outcome = f"failed: {row['reason'] or 'see the log of the worker'}"
        text = f"trial {trial.trial_id}: {outcome} ({self.board.settings(row)})"
        self.console.print(text, markup=False, emoji=False)
