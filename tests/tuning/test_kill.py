"""Searches whose processes are killed, as a machine or its lack of memory does."""

import csv
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time

import keras
import keras_tuner
import pytest
from rich.console import Console

from keras_gcnn import cli
from keras_gcnn.tuning import hypermodel, load_search, run, search, workers
from keras_gcnn.tuning.durable_oracles import make_oracle
from keras_gcnn.tuning.folder import STATE
from keras_gcnn.tuning.tuner import _STARTS

pytestmark = [
    pytest.mark.backend_free,
    pytest.mark.skipif(os.name != "posix", reason="no kill -9"),
]
_PATIENCE = 240  # seconds, on a busy machine


def start(search_file, folder, *options, **environment):
    command = [sys.executable, "-m", "keras_gcnn", "tune", search_file, "--run-dir", folder]
    return subprocess.Popen(
        [*map(str, command), *map(str, options)],
        env={**os.environ, "KERAS_BACKEND": keras.backend.backend(), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def wait_for(what, process=None):
    end = time.monotonic() + _PATIENCE
    while not (found := what()):
        assert time.monotonic() < end, "nothing happened"
        assert process is None or process.poll() is None, process.stdout.read()
        time.sleep(0.02)
    return found


def finish(process):
    try:
        out, _ = process.communicate(timeout=_PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # it leads a session of its own
        raise
    return process.returncode, out


def test_a_kill_while_a_trial_is_ended(search_file, tmp_path, monkeypatch):
    """KerasTuner saves a trial as ended before it takes it from those that are going on."""
    recipe = load_search(search_file)

    def new():
        found = make_oracle(recipe, tmp_path, lambda values: True)
        found._set_project_dir(str(tmp_path), "run")
        return found

    oracle = new()
    hyperparameters = keras_tuner.HyperParameters()
    hypermodel("lenet", parameters=20_000).build(hyperparameters)
    oracle.update_space(hyperparameters)
    trial = oracle.create_trial("worker0")
    oracle.update_trial(trial.trial_id, {"val_loss": 1.0})
    trial.status = "COMPLETED"
    save = type(oracle).save

    def killed(self):
        save(self)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(type(oracle), "save", killed)
        with pytest.raises(KeyboardInterrupt):
            oracle.end_trial(trial)
    assert json.loads((tmp_path / STATE).read_text())["oracle"]["ongoing_trials"]
    after = new()
    after.reload()
    following = after.create_trial("worker0")
    assert following.trial_id != trial.trial_id
    # A worker that asks in between gets the trial once more, and ends it once more.
    after.ongoing_trials["worker1"] = after.trials[trial.trial_id]
    after.end_trial(trial)
    assert list(after.ongoing_trials) == ["worker0"]


def trials_of(folder):
    state = json.loads((folder / "oracle.json").read_text())
    return {one["trial_id"]: one["status"] for one in state["trials"]}


def completed(folder):
    try:
        return [name for name, status in trials_of(folder).items() if status == "COMPLETED"]
    except (OSError, ValueError):
        return []


def rows_of(folder):
    return list(csv.DictReader(io.StringIO((folder / "leaderboard.csv").read_text())))


def kill(process):
    process.send_signal(signal.SIGKILL)
    process.wait()


def started(folder):
    """Names of the workers that are training a trial; the chief's state says whose it is."""
    try:
        return json.loads((folder / "oracle.json").read_text())["oracle"]["ongoing_trials"]
    except (OSError, ValueError):
        return {}


def children_of(process):
    """Process numbers of the chief and the workers, in the order in which they were started."""
    listed = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(process.pid)],
        capture_output=True,
        text=True,
        check=False,  # it fails where there are none
    )
    return sorted(map(int, listed.stdout.split()))


@pytest.mark.thorough
def test_a_killed_search_goes_on(change, tmp_path):
    path = change(("epochs = 1", "epochs = 3"), ("trials = 2", "trials = 4"))
    folder = tmp_path / "run"
    process = start(path, folder)
    wait_for(lambda: completed(folder), process)
    kill(process)  # between two trials
    histories = [folder / f"trial_{name}" / "history.csv" for name in completed(folder)]
    first = {one: one.read_bytes() for one in histories}
    process = start(path, folder)
    state = folder / f"trial_{len(first)}" / "checkpoint" / "state.json"
    wait_for(state.is_file, process)
    kill(process)  # within a trial, after an epoch
    search(load_search(path), folder)
    rows = rows_of(folder)
    assert sorted(row["trial"] for row in rows) == list("0123")
    assert {row["status"] for row in rows} == {"completed"}
    assert {row["epochs"] for row in rows} == {"3"}
    assert {one: one.read_bytes() for one in histories} == first
    # What the kills interrupted is what it would have been.
    whole = search(load_search(path), tmp_path / "whole")
    scores = {row["trial"]: row["val_loss"] for row in whole}
    for row in rows:
        assert float(row["val_loss"]) == pytest.approx(scores[row["trial"]], abs=1e-4)


def test_a_trial_that_ends_its_process_is_given_up(search_file, tmp_path):
    folder = tmp_path / "run"
    search(load_search(search_file, search__trials=1), folder)
    # As if trial 1 had been killed `_STARTS` times.
    (folder / "trial_1").mkdir()
    (folder / "trial_1" / "starts.json").write_text(json.dumps({"epoch": 0, "starts": _STARTS}))
    rows = search(load_search(search_file), folder)
    by_trial = {row["trial"]: row for row in rows}
    assert by_trial["0"]["status"] == "completed"
    assert by_trial["1"]["status"] == "failed"
    assert "ended 3 times in the same epoch" in by_trial["1"]["reason"]


def test_chief_and_workers_survive_kills(change, tmp_path):
    path, folder = change(("trials = 2", "trials = 4")), tmp_path / "run"
    process = start(path, folder, "--workers", 2)
    wait_for(lambda: len(started(folder)) == 2, process)
    pids = children_of(process)
    chief, worker, other = pids
    os.kill(worker, signal.SIGKILL)  # in the middle of a trial
    wait_for(lambda: completed(folder), process)
    os.kill(chief, signal.SIGKILL)
    code, out = finish(process)
    assert code == 0, out
    assert "worker0 ended with status -9; started again" in out
    assert "chief was ended by signal 9; started again" in out
    rows = rows_of(folder)
    assert sorted(row["trial"] for row in rows) == list("0123")
    assert {row["status"] for row in rows} == {"completed"}
    for pid in (worker, other):  # nothing is left running
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    assert (folder / "best.toml").is_file()


# Processes that only wait: those of a search would each import a backend first.
_WAITING = """
import sys
sys.argv = ["keras-gcnn"]  # under whose name the package does not import Keras
import time
from keras_gcnn.tuning import workers
workers.end_with_parent()
time.sleep(300)
"""
_STARTING = f"""
import sys
from pathlib import Path
folder, sys.argv = Path(sys.argv[1]), ["keras-gcnn"]
from rich.console import Console
from keras_gcnn.tuning import workers
workers.run_workers([sys.executable, "-c", {_WAITING!r}], 2, folder, Console())
"""


@pytest.mark.parametrize(("end", "status"), [("exit 3", 3), ("exit 0", 0), ("kill -9 $$", None)])
def test_a_chief_that_is_killed_is_started_again_and_not_forever(
    tmp_path, monkeypatch, end, status
):
    monkeypatch.setattr(workers, "_RESTARTS", 2)
    monkeypatch.setattr(workers, "_POLL", 0.01)
    script = f"""
        case $KERASTUNER_TUNER_ID in worker0) exec sleep {_PATIENCE} ;; esac
        echo >> starts
        test $(wc -l < starts) = 1 && kill -9 $$
        {end}
    """
    monkeypatch.chdir(tmp_path)
    out = io.StringIO()
    command, console = ["sh", "-c", script], Console(file=out, width=200)
    if status is None:
        with pytest.raises(ValueError, match="ended by signal 9, after 3 starts"):
            workers.run_workers(command, 1, tmp_path, console)
    else:
        assert workers.run_workers(command, 1, tmp_path, console) == status
    restarts = (tmp_path / "starts").read_text().count("\n") - 1
    assert out.getvalue() == restarts * "The chief was ended by signal 9; started again\n"


def test_workers_end_with_the_process_that_started_them(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", _STARTING, tmp_path])
    pids = wait_for(lambda: (found := children_of(process))[2:] and found, process)
    assert len(pids) == 3
    kill(process)

    def gone():
        for pid in pids:
            try:
                os.kill(pid, 0)
            except ProcessLookupError:
                continue
            return False
        return True

    wait_for(gone)


def test_every_search_ends_with_the_process_that_started_it(search_file, tmp_path, monkeypatch):
    def end():
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "end_with_parent", end)
    with pytest.raises(KeyboardInterrupt):
        search(load_search(search_file), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.fixture
def refuse(search_file, tmp_path, monkeypatch, capsys):
    """Calls the command, which has to end with an error, and gives its message."""
    monkeypatch.setenv("KERAS_BACKEND", keras.backend.backend())

    def refused(*options, **environment):
        command = ["keras-gcnn", "tune", search_file, "--run-dir", tmp_path / "run", *options]
        with monkeypatch.context() as patch:
            patch.setattr(sys, "argv", [*map(str, command)])
            for name, value in environment.items():
                patch.setenv(f"KERASTUNER_{name}", value)
            with pytest.raises(SystemExit) as ended:
                cli.main()
        assert ended.value.code == 2
        return " ".join(capsys.readouterr().err.split())

    return refused


def test_a_port_in_use_is_told(refuse):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        error = refuse(ORACLE_IP="127.0.0.1", ORACLE_PORT=port, TUNER_ID="chief")
    assert f"The chief cannot have 127.0.0.1:{port}" in error
    assert "Set KERASTUNER_ORACLE_PORT to a free port" in error
    error = refuse(ORACLE_IP="127.0.0.1")
    assert "KERASTUNER_ORACLE_PORT and KERASTUNER_TUNER_ID has to be set" in error
    assert "--workers) has to be at least 1" in refuse("--workers", 0)
