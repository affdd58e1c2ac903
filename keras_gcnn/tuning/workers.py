"""Searches by several processes: KerasTuner's chief chooses trials, and workers train them."""

from __future__ import annotations

import enum
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

_ADDRESS = ("KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT")
_ID = "KERASTUNER_TUNER_ID"
_PARENT = "KERAS_GCNN_PARENT"
_POLL = 0.5  # seconds
_RESTARTS = 20  # of a process; trials that end their process are given up much earlier
_GRACE = 20  # seconds in which processes may end by themselves


class Role(enum.Enum):
    """The role of a process in a search."""

    SINGLE = enum.auto()
    CHIEF = enum.auto()
    WORKER = enum.auto()


def role() -> Role:
    """Returns the role of this process, by the environment variables of KerasTuner.

    Raises:
        ValueError: if some of them are set and others are not.
    """
    given = [name for name in (*_ADDRESS, _ID) if os.environ.get(name)]
    if not given:
        return Role.SINGLE
    if len(given) < 3:
        missing = [name for name in (*_ADDRESS, _ID) if name not in given]
        raise ValueError(
            f"{' and '.join(missing)} has to be set beside {' and '.join(given)}: the address of "
            "the chief, its port, and the name of this process, which is the chief if its name "
            'contains "chief". Set all three, or none for a search by one process.'
        )
    return Role.CHIEF if "chief" in os.environ[_ID] else Role.WORKER


def hush() -> None:
    """Keeps KerasTuner from printing every condition value that passes between processes."""
    from keras_tuner.src.engine import conditions

    if role() != Role.SINGLE:
        conditions.print = lambda *_: None


def check_address() -> None:
    """Checks that a chief can have its port; does nothing in other processes.

    Raises:
        ValueError: if the port is no number, or in use.
    """
    if role() != Role.CHIEF:
        return
    host, port = (os.environ[name] for name in _ADDRESS)
    # gRPC would share a port with another chief, which would get half of the messages.
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, int(port)))
        except (OSError, OverflowError, ValueError) as error:
            raise ValueError(
                f"The chief cannot have {host}:{port} ({error}). Set KERASTUNER_ORACLE_PORT to a "
                "free port, for the workers too, or stop the process that uses it."
            ) from None


def end_with_parent() -> None:
    """Ends this process when `run_workers`, if it started this process, has ended."""
    parent = os.environ.get(_PARENT)
    if parent is None:
        return

    def watch() -> None:
        while str(os.getppid()) == parent:
            time.sleep(_POLL)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class _Child:
    """A process that can be started again: the chief or a worker."""

    def __init__(self, name: str, command: Sequence[str], log: Path | None, port: int):
        self.name = name
        self.command = command
        self.log = log
        self.environment = {
            **os.environ,
            **dict(zip(_ADDRESS, ("127.0.0.1", str(port)), strict=True)),
            _ID: name,
            _PARENT: str(os.getpid()),
        }
        self.starts = 0
        self.start()

    def start(self) -> None:
        self.starts += 1
        # Messages of workers go to files, since those of several would be mixed up.
        out = None if self.log is None else self.log.open("ab")
        self.process = subprocess.Popen(
            self.command,
            env=self.environment,
            stdout=out,
            stderr=out and subprocess.STDOUT,
            start_new_session=True,  # so that Ctrl-C reaches it through this process alone
        )
        if out is not None:
            out.close()

    def stop(self) -> None:
        """Ends the process: by a request, and after a while by force."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def run_workers(command: Sequence[str], workers: int, folder: Path, console: Console) -> int:
    """Runs a command as a chief and workers on this machine, and waits for the end of the search.

    A process that dies is started again: a worker then gets its trial back, and the chief goes on
    from its files.

    Args:
        command: that searches; each process gets its role by environment variables.
        workers: int, number of workers.
        folder: of the search, for the logs of the workers.
        console: where restarts are reported.

    Returns:
        The exit status of the chief, which is that of the search.

    Raises:
        ValueError: if the chief or a worker dies again and again.
    """
    port = _free_port()
    chief = _Child("chief", command, None, port)
    children = [
        _Child(f"worker{index}", command, folder / f"worker{index}.log", port)
        for index in range(workers)
    ]
    try:
        while True:
            if (status := chief.process.poll()) is not None:
                if status >= 0:
                    return status
                _start_again(chief, f"The chief was ended by signal {-status}", console)
            for child in children:
                if status := child.process.poll():  # 0 is the end of the search
                    _start_again(child, f"{child.name} ended with status {status}", console)
            time.sleep(_POLL)
    finally:
        for child in (*children, chief):
            child.stop()


def _start_again(child: _Child, what: str, console: Console) -> None:
    """Starts a process that died again; raises a `ValueError` if it died too often."""
    if child.starts > _RESTARTS:
        where = "" if child.log is None else f" See {child.log}."
        raise ValueError(
            f"{what}, after {child.starts} starts.{where} Run the same command again to go on."
        )
    console.print(f"{what}; started again")
    child.start()
