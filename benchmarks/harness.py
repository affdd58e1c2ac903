"""What the benchmarks share: fair timing in one process, peak memory in another, tables."""

from __future__ import annotations

import datetime
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

BACKENDS = ["tensorflow", "jax", "torch"]
PACKAGES = {"tensorflow": "tensorflow-cpu", "jax": "jax", "torch": "torch"}


def batch(size: int, shape: tuple[int, int, int], classes: int = 10):
    """Random images and labels."""
    import numpy as np

    generator = np.random.default_rng(0)
    images = generator.random((size, *shape), dtype="float32")
    return images, generator.integers(0, classes, size)


def compile_classifier(model):
    """Compiles a model from images to logits as the trainings do."""
    import keras

    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss=loss, run_eagerly=False)
    return model


def alternate(
    actions: Mapping[str, Callable[[], object]], steps: int, warm_up: int = 3
) -> dict[str, list[float]]:
    """Seconds of each call of several actions, taken in turn.

    Args:
        actions: by name.
        steps: timed calls of each.
        warm_up: calls of each before, in which backends compile.
    """
    names = list(actions)
    seconds = {name: [] for name in names}
    for step in range(steps + warm_up):
        # Each comes first, second, ... equally often.
        for name in names[step % len(names) :] + names[: step % len(names)]:
            start = time.perf_counter()
            actions[name]()
            if step >= warm_up:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def added_memory(prepare: Callable[[], Callable[[], object]], repeats: int = 10) -> float:
    """MiB by which a model, its data and repeated calls raise the peak above what imports hold.

    Args:
        prepare: builds everything and returns the action, such as a training step.
        repeats: number of calls.
    """
    import keras_gcnn.layers  # noqa: F401 - with the backend, before it is measured

    held = _resident()
    action = prepare()
    for _ in range(repeats):
        action()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - held


def _resident() -> float:
    """MiB of memory in use now; where the system does not say, the most that was."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return pages * resource.getpagesize() / 2**20


def ratio(seconds: Mapping[str, list[float]], name: str, reference: str) -> dict[str, Any]:
    """Ratio of the medians of two actions, and the quartiles of the ratios of their calls."""
    ratios = [a / b for a, b in zip(seconds[name], seconds[reference], strict=True)]
    low, _, high = statistics.quantiles(ratios, n=4)
    medians = [statistics.median(seconds[one]) for one in (name, reference)]
    return {
        "ratio": round(medians[0] / medians[1], 3),
        "quartiles": f"{low:.2f}-{high:.2f}",
    }


def run_worker(script: str, backend: str, task: str, *arguments: object):
    """Runs `--worker [TASK, ARGUMENTS]` of a script under a backend; returns what it printed."""
    command = [sys.executable, script, "--worker", json.dumps([task, *arguments])]
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{backend}: {task} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def answer(worker: str, tasks: Mapping[str, Callable]) -> None:
    """The other end of `run_worker`: does a task and prints its result."""
    task, *arguments = json.loads(worker)
    print(json.dumps(tasks[task](*arguments)))


def describe(backends: Iterable[str]) -> str:
    """Machine, versions and date, on one line."""
    versions = ", ".join(f"{one} {version(PACKAGES[one])}" for one in backends)
    return (
        f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"keras {version('keras')}, {versions}, {datetime.date.today()}"
    )


class TablePrinter:
    """Prints rows of a Markdown table as they come."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def add(self, row: dict[str, Any]) -> None:
        """Prints a row, and the head before the first."""
        if not self.rows:
            print("| " + " | ".join(row) + " |")
            print("|" + "---|" * len(row))
        self.rows.append(row)
        print("| " + " | ".join(str(value) for value in row.values()) + " |", flush=True)

    def write(self, path: Path | None, header: str) -> None:
        """Writes the rows as JSON, if a path is given."""
        if path is not None:
            temporary = path.with_suffix(".tmp")
            content = {"measured with": header, "rows": self.rows}
            temporary.write_text(json.dumps(content, indent=2) + "\n")
            temporary.replace(path)
