"""Training step and peak memory of group convolutions against stock ones of the same width.

A stack of LiftingConv2D and GConv2D is trained beside a stack of stock Conv2D with the expanded
channel counts, so both do the same convolutions and what is left is the cost of laying out the
kernel. Steps of the two alternate in one process; peak memory is taken in a process of its own.

    python benchmarks/layers.py
    python benchmarks/layers.py --backend jax --group p4m --steps 50
"""

from __future__ import annotations

import statistics
from functools import partial
from pathlib import Path
from typing import Annotated

import harness
import typer

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
    return harness.compile_classifier(keras.Model(inputs, keras.layers.Dense(10)(x)))


def time_steps(group: str, batch_size: int, steps: int) -> dict[str, list[float]]:
    """Seconds of each training step of both stacks."""
    data = harness.batch(batch_size, (SIZE, SIZE, 3))
    models = {kind: build(kind, group) for kind in ("group", "stock")}
    actions = {kind: partial(model.train_on_batch, *data) for kind, model in models.items()}
    return harness.alternate(actions, steps)


def peak_memory(kind: str, group: str, batch_size: int) -> float:
    """MiB that the network, its data and ten training steps take, the imports left out."""
    return harness.added_memory(
        lambda: partial(
            build(kind, group).train_on_batch, *harness.batch(batch_size, (SIZE, SIZE, 3))
        )
    )


def compare(backend: str, group: str, batch_size: int, steps: int) -> dict:
    """One row of the table."""
    run = partial(harness.run_worker, __file__, backend)
    seconds = run("time_steps", group, batch_size, steps)
    found = harness.ratio(seconds, "group", "stock")
    memory = {
        kind: min(run("peak_memory", kind, group, batch_size) for _ in range(2))
        for kind in ("group", "stock")
    }
    return {
        "backend": backend,
        "group": group,
        "stock step, ms": round(1000 * statistics.median(seconds["stock"]), 1),
        "group step, ms": round(1000 * statistics.median(seconds["group"]), 1),
        "time, ratio of medians": found["ratio"],
        "time, quartiles of ratio": found["quartiles"],
        "memory, ratio of peaks": round(memory["group"] / memory["stock"], 3),
        "memory, MiB": f"{memory['group']:.0f} / {memory['stock']:.0f}",
    }


def main(
    backend: Annotated[list[str], typer.Option(help="Backends to measure.")] = harness.BACKENDS,
    group: Annotated[list[str], typer.Option(help="Groups to measure.")] = ["p4", "p4m"],  # noqa: B006
    batch_size: Annotated[int, typer.Option(help="Images per step.")] = 64,
    steps: Annotated[int, typer.Option(help="Timed steps of each stack.")] = 30,
    output: Annotated[Path | None, typer.Option(help="JSON file to write the rows to.")] = None,
    worker: Annotated[str | None, typer.Option(hidden=True)] = None,
) -> None:
    """Prints a table of ratios, group stack over stock stack."""
    if worker:
        harness.answer(worker, {"time_steps": time_steps, "peak_memory": peak_memory})
        return
    header = harness.describe(backend)
    print(
        f"{header}; batch {batch_size} of {SIZE}x{SIZE}x3, 4 convolutions 3x3 of {WIDTH} channels, "
        f"{steps} steps, seed 0"
    )
    table = harness.TablePrinter()
    for one in backend:
        for name in group:
            table.add(compare(one, name, batch_size, steps))
    table.write(output, header)


if __name__ == "__main__":
    typer.run(main)
