"""Training step, forward pass and peak memory of steerable layers against stock ones.

Three steerable convolutions, each with its normalisation and Fourier activation, beside stock
Conv2D, BatchNormalization and ELU of as many channels: the convolutions are the same, and what is
left is the cost of laying out kernels, of shared statistics and of sampling fields at angles. Calls
of the two alternate in one process; peak memory is taken in a process of its own. "Recomputed" is
the same network with its Fourier activations under `keras.RematScope`.

    python benchmarks/steerable.py
    python benchmarks/steerable.py --backend jax --steps 50
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Annotated

import harness
import typer

SHAPE = (28, 28, 1)
FIELDS = (16, 16, 32)
FREQUENCY = 5
KERNEL = 3
KINDS = ("stock", "steerable", "recomputed")
STEP_TARGETS = {"tensorflow": 1.25, "jax": 1.25, "torch": 1.35}
MEMORY_TARGET = 1.3


def build(kind: str):
    """Three convolutions with normalisation and activation, and the smallest head, compiled."""
    import keras

    from keras_gcnn import layers

    keras.utils.set_random_seed(0)
    inputs = x = keras.Input(SHAPE)
    fields = layers.Fields.trivial(SHAPE[-1])
    for number in FIELDS:
        before, fields = fields, layers.Fields.regular(number, max_frequency=FREQUENCY)
        if kind == "stock":
            x = keras.layers.Conv2D(fields.channels, KERNEL, padding="same", use_bias=False)(x)
            x = keras.layers.BatchNormalization()(x)
            x = keras.layers.Activation("elu")(x)
        else:
            x = layers.SteerableConv2D(before, fields, KERNEL, padding="same", use_bias=False)(x)
            x = layers.SteerableBatchNormalization(fields)(x)
            with keras.RematScope("full") if kind == "recomputed" else nullcontext():
                activation = layers.FourierActivation(fields, "elu")
            x = activation(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    head = keras.layers.Dense(10) if kind == "stock" else layers.InvariantMap(fields, 10)
    return harness.compile_classifier(keras.Model(inputs, head(x)))


def time_calls(what: str, kinds: list[str], batch_size: int, steps: int) -> dict[str, list[float]]:
    """Seconds of each training step or forward pass of every kind of network."""
    images, labels = harness.batch(batch_size, SHAPE)
    actions = {}
    for kind in kinds:
        model = build(kind)
        actions[kind] = partial(model.predict_on_batch, images)
        if what == "step":
            actions[kind] = partial(model.train_on_batch, images, labels)
    return harness.alternate(actions, steps)


def peak_memory(kind: str, batch_size: int) -> float:
    """MiB that the network, its data and ten training steps take, the imports left out."""
    return harness.added_memory(
        lambda: partial(build(kind).train_on_batch, *harness.batch(batch_size, SHAPE))
    )


def compare(backend: str, batch_size: int, steps: int) -> Iterator[dict]:
    """The rows of one backend."""
    run = partial(harness.run_worker, __file__, backend)

    def row(what: str, stock: float, steerable: float, found: dict, target: object) -> dict:
        return {
            "backend": backend,
            "what": what,
            "stock": round(stock, 1),
            "steerable": round(steerable, 1),
            "ratio": found["ratio"],
            "quartiles of the ratio": found["quartiles"],
            "target": target,
        }

    for what, action, kinds, target in (
        ("training step{}, ms", "step", KINDS, STEP_TARGETS[backend]),
        ("forward pass{}, ms", "forward", KINDS[:2], ""),
    ):
        seconds = run("time_calls", action, kinds, batch_size, steps)
        medians = {kind: 1000 * statistics.median(found) for kind, found in seconds.items()}
        for kind in kinds[1:]:
            yield row(
                what.format(", recomputed" if kind == "recomputed" else ""),
                medians["stock"],
                medians[kind],
                harness.ratio(seconds, kind, "stock"),
                target,
            )
    memory = {kind: min(run("peak_memory", kind, batch_size) for _ in range(2)) for kind in KINDS}
    for kind in KINDS[1:]:
        yield row(
            f"peak memory{', recomputed' if kind == 'recomputed' else ''}, MiB",
            memory["stock"],
            memory[kind],
            {"ratio": round(memory[kind] / memory["stock"], 3), "quartiles": ""},
            MEMORY_TARGET,
        )


def main(
    backend: Annotated[list[str], typer.Option(help="Backends to measure.")] = harness.BACKENDS,
    batch_size: Annotated[int, typer.Option(help="Images per step.")] = 64,
    steps: Annotated[int, typer.Option(help="Timed calls of each network.")] = 20,
    output: Annotated[Path | None, typer.Option(help="JSON file to write the rows to.")] = None,
    worker: Annotated[str | None, typer.Option(hidden=True)] = None,
) -> None:
    """Prints a table of ratios, steerable network over stock network."""
    if worker:
        harness.answer(worker, {"time_calls": time_calls, "peak_memory": peak_memory})
        return
    header = harness.describe(backend)
    shape = "x".join(map(str, SHAPE))
    print(
        f"{header}; batch {batch_size} of {shape}, {len(FIELDS)} convolutions {KERNEL}x{KERNEL} of "
        f"{', '.join(map(str, FIELDS))} fields up to frequency {FREQUENCY}, {steps} steps, seed 0"
    )
    table = harness.TablePrinter()
    for one in backend:
        for found in compare(one, batch_size, steps):
            table.add(found)
    table.write(output, header)


if __name__ == "__main__":
    typer.run(main)
