"""Environments to measure in: a process with its own backend, device, data format and threads."""

from __future__ import annotations

import inspect
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from benchmarks.common import harness

BACKENDS = ["tensorflow", "jax", "torch"]
# Backends that run with extra flags of XLA: the backend and the flags.
VARIANTS = {"jax-without-ynnpack": ("jax", "--xla_cpu_experimental_ynn_fusion_type=")}
VARIANT_NOTE = " ".join(
    f"`{name}` is {backend} with `XLA_FLAGS={flags}`."
    for name, (backend, flags) in VARIANTS.items()
)
ROOT = Path(__file__).resolve().parents[2]
PAUSE = 0.2  # seconds, until the threads of the process measured before have fallen asleep


class Failed(SystemExit):
    """A measurement failed; unless it is caught, the command ends with the reason."""

    @property
    def reason(self) -> str:
        """Its last line, which has the exception."""
        return str(self).splitlines()[-1].rstrip(".")


@dataclass(frozen=True)
class Environment:
    """An environment to measure in.

    Attributes:
        backend: Keras's, or None where there is no Keras.
        device: `"cpu"` or `"gpu"`.
        data_format: Keras's; None leaves it unchanged.
        python: interpreter of the process.
        threads: how many cores the process may use; None for all.
        variant: one of `VARIANTS`, or None.
    """

    backend: str | None = None
    device: str = "cpu"
    data_format: str | None = None
    python: str = sys.executable
    threads: int | None = None
    variant: str | None = None

    @property
    def name(self) -> str | None:
        """The name of the backend in tables."""
        return self.variant or self.backend

    def run(self, function: Callable[..., Any], *arguments: object) -> Any:
        """Calls the function in a process; arguments and result must be JSON."""
        with tempfile.TemporaryFile("w+") as errors:
            process = self._start(function, arguments, errors)
            answer, _ = process.communicate()
            if process.returncode:
                raise self._failure(process, function, errors)
        return json.loads(answer)

    def serve(self, function: Callable[..., Any], *arguments: object) -> Server:
        """Starts a process in which the function makes an action, to be called on request."""
        with tempfile.TemporaryFile("w+") as errors:
            process = self._start(function, arguments, errors, serve=True)
            first = process.stdout.readline()
            if not first:
                process.communicate()
                raise self._failure(process, function, errors)
        return Server(process, json.loads(first))

    def _start(self, function, arguments, errors, serve: bool = False) -> subprocess.Popen:
        task = {
            "file": inspect.getsourcefile(function),
            "function": function.__name__,
            "arguments": arguments,
            "data_format": self.data_format,
            "serve": serve,
        }
        return subprocess.Popen(
            [self.python, "-m", "benchmarks.common.worker", json.dumps(task)],
            env=self._variables(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            preexec_fn=self._pin if self.threads and hasattr(os, "sched_setaffinity") else None,
        )

    def _variables(self) -> dict[str, str]:
        variables = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
        # The library beside these files is measured, whichever is installed.
        paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
        variables["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
        if self.backend:
            variables["KERAS_BACKEND"] = self.backend
        if self.variant:
            flags = [variables.get("XLA_FLAGS", ""), VARIANTS[self.variant][1]]
            variables["XLA_FLAGS"] = " ".join(filter(None, flags))
        if self.device == "cpu":
            variables |= {"CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu"}
        if self.threads:
            count = str(self.threads)
            variables |= {"OMP_NUM_THREADS": count, "TF_NUM_INTRAOP_THREADS": count}
        return variables

    def _pin(self) -> None:
        # JAX has a thread for every core it may use, and no setting for their number.
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: self.threads])

    def _failure(self, process: subprocess.Popen, function, errors: IO[str]) -> Failed:
        errors.seek(0)
        reason = errors.read().strip()[-2000:]
        if process.returncode < 0:  # killed, by the system when memory runs out, without a message
            reason += f"\nended by signal {-process.returncode}"
        return Failed(f"{self.backend or self.python}: {function.__name__} failed:\n{reason}")


class Server:
    """A process that waits for requests to call its action."""

    def __init__(self, process: subprocess.Popen, first: float):
        self._process = process
        self.first = first

    def seconds(self, calls: int) -> list[float]:
        """Seconds of each of that many calls."""
        try:
            print(calls, file=self._process.stdin, flush=True)
            answer = self._process.stdout.readline()
        except BrokenPipeError:  # it ended while others were measured
            answer = ""
        if not answer:
            raise Failed(f"a process that was measured ended with {self._process.wait()}")
        return json.loads(answer)

    def close(self) -> None:
        """Ends the process."""
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()


def alternate(servers: Mapping[str, Server], rounds: int, calls: int) -> harness.Timed:
    """Times the actions of several processes in turn; one runs at a time.

    Args:
        servers: by name.
        rounds: turns of each.
        calls: timed calls in each turn; their median counts as one.
    """
    timed = {name: {"first": server.first, "calls": []} for name, server in servers.items()}
    for name in harness.turns(list(servers), rounds):
        time.sleep(PAUSE)
        timed[name]["calls"].append(statistics.median(servers[name].seconds(calls)))
    return timed


def devices() -> list[str]:
    """`"cpu"`, and `"gpu"` where NVIDIA's driver is installed."""
    return ["cpu", "gpu"] if shutil.which("nvidia-smi") else ["cpu"]
