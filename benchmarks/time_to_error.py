"""Seconds of training until a network has few enough wrong, beside escnn's example network.

Rotated MNIST with 12,000 training images. Ours is the P4 network of Cohen & Welling with 25,000
weights; escnn's is the C8 network of its example, with its optimizer. Building and compiling
counts, testing does not. escnn's is given twice the seconds that ours took; if it has not come so
far by then, its time is at least that. Both have the whole machine, one after the other.

    python benchmarks/time_to_error.py
    python benchmarks/time_to_error.py --backend jax --error 0.03
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Annotated

import command
import report
import run_peers
import typer
from peers import escnn_c8
from places import Failed, Place

TARGET = 0.5
TIMES = 2  # as long as ours does the other train
EPOCHS, BATCH, LEARNING_RATE, WEIGHT_DECAY = 8, 64, 1e-2, 0.1
TESTED, TESTED_BY_BOTH = 10_000, 2_000  # escnn's takes minutes for all
NOTES = (
    "Written by `python benchmarks/time_to_error.py`; [benchmarks.md](benchmarks.md) tells what is "
    "measured and how.",
)


def ours(data: str, epochs: int) -> list[dict[str, float]]:
    """Trains, and tells after each epoch the `seconds` so far and the `error`."""
    import keras
    import numpy as np

    from keras_gcnn import zoo

    arrays = dict(np.load(data))
    start = time.perf_counter()
    keras.utils.set_random_seed(0)
    network = zoo.cohen_cnn("p4", parameters=25_000)
    steps = epochs * -(-len(arrays["images"]) // BATCH)
    rate = keras.optimizers.schedules.CosineDecay(
        LEARNING_RATE / 20,
        steps - steps // 10,
        warmup_target=LEARNING_RATE,
        warmup_steps=steps // 10,
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = keras.optimizers.AdamW(rate, weight_decay=WEIGHT_DECAY)
    network.compile(optimizer, loss, metrics=["accuracy"])
    found, tested = [], 0.0
    for epoch in range(epochs):
        network.fit(
            arrays["images"],
            arrays["labels"],
            batch_size=BATCH,
            initial_epoch=epoch,
            epochs=epoch + 1,
            verbose=0,
        )
        seconds = time.perf_counter() - start - tested
        _, accuracy = network.evaluate(
            arrays["test_images"], arrays["test_labels"], batch_size=500, verbose=0
        )
        found.append({"seconds": seconds, "error": 1 - accuracy})
        tested = time.perf_counter() - start - seconds
    return found


def write_data(path: Path, training: int | None, testing: int) -> None:
    """Writes an archive of images and labels."""
    import numpy as np

    from keras_gcnn import data

    found = data.load("rotated_mnist", validation=0)
    np.savez(
        path,
        images=found.train.images[:training],
        labels=found.train.labels[:training].astype("int64"),
        test_images=found.test.images[:testing],
        test_labels=found.test.labels[:testing].astype("int64"),
    )


def reached(points: list[dict[str, float]], error: float) -> dict[str, float] | None:
    """The first point with at most that error."""
    return next((one for one in points if one["error"] <= error), None)


def main(
    backend: Annotated[str, typer.Option(help="Keras's backend.")] = "tensorflow",
    error: Annotated[float, typer.Option(help="Share of test images wrong, to come down to.")] = (
        0.025
    ),
    epochs: Annotated[int, typer.Option(min=1, help="Of our network.")] = EPOCHS,
    training: Annotated[int | None, typer.Option(help="Images; default all 12,000.")] = None,
    folder: command.Folder = Path("docs"),
) -> None:
    """Trains both networks, prints a table, and writes it as JSON and Markdown."""
    command.chosen("backend", [backend], command.BACKENDS)
    header = report.describe([backend])
    print(header)
    with tempfile.TemporaryDirectory() as temporary:
        archive = Path(temporary) / "data.npz"
        write_data(archive, training, TESTED)
        points = Place(backend).run(ours, str(archive), epochs)
        print(
            "\n".join(f"ours: {one['seconds']:.0f} s, {100 * one['error']:.2f} %" for one in points)
        )
        mine = reached(points, error)
        if mine is None:
            raise SystemExit(
                f"Our network has not come to {100 * error:.1f} %; nothing is written."
            )
        write_data(archive, training, TESTED_BY_BOTH)
        limits = [mine["seconds"], TIMES * mine["seconds"]]
        try:
            other = run_peers.peer("escnn", os.cpu_count() or 1)
            theirs = other.run(escnn_c8.train, str(archive), limits)
        except Failed as reason:
            raise SystemExit(f"escnn skipped: {reason}. Nothing is written.") from None
    there = reached(theirs, error)
    last = there or theirs[-1]
    stopped = "" if there else ", where it was stopped: its time is more, and the ratio less"
    row = report.comparison(
        f"seconds to {100 * error:.1f} % wrong ({100 * mine['error']:.2f} %); the other had "
        f"{100 * last['error']:.2f} % after {last['images']:,} images{stopped}",
        last["seconds"],
        mine["seconds"],
        target=TARGET,
    )
    table = report.Table()
    table.add({"backend": backend, **row})
    notes = [
        f"{header}. Seed 0. Ours tested on {TESTED:,} images, escnn's on the first "
        f"{TESTED_BY_BOTH:,} of them."
    ]
    table.write_json(folder / "time_to_error.json", header)
    table.write_markdown(folder / "time_to_error.md", "Time to an error", [*notes, *NOTES])


if __name__ == "__main__":
    typer.run(main)
