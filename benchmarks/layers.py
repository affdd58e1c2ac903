"""Training step and peak memory of group convolutions against stock ones of the same width.

A stack of LiftingConv2D and GConv2D is trained beside a stack of stock Conv2D with the expanded
channel counts, so both do the same convolutions and what is left is the cost of laying out the
kernel. Steps of the two alternate in one process; peak memory is taken in a process of its own.

    python benchmarks/layers.py
    python benchmarks/layers.py --backend jax --group p4m --steps 50
"""

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
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

BACKENDS = ("tensorflow", "jax", "torch")
PACKAGES = {"tensorflow": "tensorflow-cpu", "jax": "jax", "torch": "torch"}
WIDTH = 64  # channels of every convolution, orientations included
SIZE = 28


def build(kind: str, group: str):
    """A stack of one lifting and three group convolutions, or its stock twin, compiled."""
    import keras

    from keras_gcnn import groups, layers

    keras.utils.set_random_seed(0)
    inputs = x = keras.Input((SIZE, SIZE, 3))
    fields = WIDTH // groups.get(group).order
    for index in range(4):
        if kind == "stock":
            x = keras.layers.Conv2D(WIDTH, 3, padding="same", activation="relu")(x)
        else:
            layer = layers.GConv2D if index else layers.LiftingConv2D
            x = layer(fields, 3, group, padding="same", activation="relu")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, keras.layers.Dense(10)(x))
    model.compile(
        "adam", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True), run_eagerly=False
    )
    return model


def batch(size: int):
    """Random images and labels."""
    import numpy as np

    generator = np.random.default_rng(0)
    images = generator.random((size, SIZE, SIZE, 3), dtype="float32")
    return images, generator.integers(0, 10, size)


def time_steps(group: str, batch_size: int, steps: int) -> dict[str, list[float]]:
    """Seconds of each training step of both stacks, taken in turn after three to warm up."""
    data = batch(batch_size)
    models = {kind: build(kind, group) for kind in ("group", "stock")}
    seconds = {kind: [] for kind in models}
    for step in range(steps + 3):
        # Which of the two goes first alternates too, so that neither always follows the other.
        for kind in sorted(models, reverse=bool(step % 2)):
            start = time.perf_counter()
            models[kind].train_on_batch(*data)
            if step >= 3:
                seconds[kind].append(time.perf_counter() - start)
    return seconds


def peak_memory(kind: str, group: str, batch_size: int) -> float:
    """MiB that ten training steps add to what the imports already took."""

    def peak() -> float:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    model, data = build(kind, group), batch(batch_size)
    before = peak()
    for _ in range(10):
        model.train_on_batch(*data)
    return peak() - before


def run_worker(backend: str, task: str, *arguments: object):
    """Runs `--worker TASK ARGUMENTS` of this file under a backend; returns what it printed."""
    command = [sys.executable, __file__, "--worker", json.dumps([task, *arguments])]
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{backend}: {task} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def compare(backend: str, group: str, batch_size: int, steps: int) -> dict:
    """One row of the table."""
    seconds = run_worker(backend, "time_steps", group, batch_size, steps)
    ratios = [a / b for a, b in zip(seconds["group"], seconds["stock"], strict=True)]
    low, _, high = statistics.quantiles(ratios, n=4)
    memory = {
        kind: min(run_worker(backend, "peak_memory", kind, group, batch_size) for _ in range(2))
        for kind in ("group", "stock")
    }
    medians = {kind: statistics.median(times) for kind, times in seconds.items()}
    return {
        "backend": backend,
        "version": version(PACKAGES[backend]),
        "group": group,
        "stock step, ms": round(1000 * medians["stock"], 1),
        "group step, ms": round(1000 * medians["group"], 1),
        "time, ratio of medians": round(medians["group"] / medians["stock"], 3),
        "time, quartiles of ratio": [round(low, 3), round(high, 3)],
        "memory, ratio of peaks": round(memory["group"] / memory["stock"], 3),
        "memory, MiB": {kind: round(value) for kind, value in memory.items()},
    }


def main(
    backend: Annotated[list[str], typer.Option(help="Backends to measure.")] = list(BACKENDS),  # noqa: B006
    group: Annotated[list[str], typer.Option(help="Groups to measure.")] = ["p4", "p4m"],  # noqa: B006
    batch_size: Annotated[int, typer.Option(help="Images per step.")] = 64,
    steps: Annotated[int, typer.Option(help="Timed steps of each stack.")] = 30,
    output: Annotated[Path | None, typer.Option(help="JSON file to write the rows to.")] = None,
    worker: Annotated[str | None, typer.Option(hidden=True)] = None,
) -> None:
    """Prints a table of ratios, group stack over stock stack."""
    if worker:
        task, *arguments = json.loads(worker)
        print(json.dumps({"time_steps": time_steps, "peak_memory": peak_memory}[task](*arguments)))
        return
    print(
        f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"keras {version('keras')}, {datetime.date.today()}; batch {batch_size} of "
        f"{SIZE}x{SIZE}x3, 4 convolutions 3x3 of {WIDTH} channels, {steps} steps, seed 0"
    )
    rows = []
    for one in backend:
        for name in group:
            rows.append(compare(one, name, batch_size, steps))
            if len(rows) == 1:
                print("| " + " | ".join(rows[0]) + " |")
                print("|" + "---|" * len(rows[0]))
            print("| " + " | ".join(str(value) for value in rows[-1].values()) + " |", flush=True)
    if output:
        temporary = output.with_suffix(".tmp")
        temporary.write_text(json.dumps(rows, indent=2) + "\n")
        temporary.replace(output)


if __name__ == "__main__":
    typer.run(main)
