"""Seconds of training until a network reaches an error, beside another network.

On rotated MNIST with 12,000 training images. Ours is the P4 network of Cohen & Welling with 25,000
weights; escnn's is the C8 network of its example, with its optimizer. Building and compiling
count, testing does not. escnn's network gets twice the seconds that ours took; if it has not
reached the error by then, its time is at least that. Each has the whole machine, in turn.

With `--against plain` the other is a plain network that trains on rotated images. Each size and
learning rate of `benchmarks/studies/plain_search.py` trains for twice the seconds that ours took,
and the best of them again for five times as many. The first of all these to reach the error counts.

    python -m benchmarks.studies.time_to_error
    python -m benchmarks.studies.time_to_error --backend jax --error 0.03
    python -m benchmarks.studies.time_to_error --against plain
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer

from benchmarks import run_peers
from benchmarks.common import command, report
from benchmarks.common.environments import Environment, Failed
from benchmarks.peers import escnn_example
from benchmarks.studies import plain_search

TARGETS = {"escnn": 0.5, "plain": 0.3}
TIMES = 2  # escnn's network trains this many times as long as ours
SEARCHED, TRAINED = 2, 5  # and plain ones
EPOCHS, BATCH, LEARNING_RATE, WEIGHT_DECAY = 8, 64, 1e-2, 0.1
TESTED, TESTED_BY_BOTH = 10_000, 2_000  # testing escnn's network on all images takes minutes
WHAT = "Seed 0. Rotated MNIST; ours is `cohen_cnn` on P4 with 25,000 weights."
ESCNN = (
    "It is made for the lowest error and takes about 4,000 million multiply-adds for an image, "
    "ours 12 million: the row says how soon a small network is good enough, and nothing of the "
    "speed of escnn's layers, which [measured_peers.md](measured_peers.md) compares in equal "
    "networks."
)
NOTES = (
    "Written by `python -m benchmarks.studies.time_to_error{options}`; "
    "[benchmarks.md](benchmarks.md) describes what is measured and how.",
)


def ours(data: str, epochs: int) -> list[dict[str, float]]:
    """Trains; returns after each epoch the `seconds` so far and the `error`."""
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
    points, tested = [], 0.0
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
        points.append({"seconds": seconds, "error": 1 - accuracy})
        tested = time.perf_counter() - start - seconds
    return points


def write_data(path: Path, training: int | None, testing: int) -> None:
    """Writes an archive of images and labels."""
    import numpy as np

    from keras_gcnn import data

    images = data.load("rotated_mnist", validation=0)
    np.savez(
        path,
        images=images.train.images[:training],
        labels=images.train.labels[:training].astype("int64"),
        test_images=images.test.images[:testing],
        test_labels=images.test.labels[:testing].astype("int64"),
    )


def reached(points: list[dict[str, float]], error: float) -> dict[str, float] | None:
    """The first point with at most that error."""
    return next((point for point in points if point["error"] <= error), None)


def main(
    backend: Annotated[str, typer.Option(help="Keras's backend.")] = "tensorflow",
    error: Annotated[float, typer.Option(help="Share of test images wrong, to come down to.")] = (
        0.025
    ),
    epochs: Annotated[int, typer.Option(min=1, help="Of our network.")] = EPOCHS,
    training: Annotated[int | None, typer.Option(help="Images; default all 12,000.")] = None,
    against: Annotated[str, typer.Option(help="Of escnn, plain.")] = "escnn",
    folder: command.Folder = Path("docs"),
) -> None:
    """Trains both networks, prints a table, and writes it as JSON and Markdown."""
    command.chosen("backend", [backend], command.BACKENDS)
    command.chosen("other", [against], list(TARGETS))
    header = report.describe([backend])
    print(header)
    with tempfile.TemporaryDirectory() as temporary:
        archive = Path(temporary) / "data.npz"
        write_data(archive, training, TESTED)
        points = Environment(backend).run(ours, str(archive), epochs)
        for point in points:
            print(f"ours: {_of_point(point)}")
        mine = reached(points, error)
        if mine is None:
            raise SystemExit(
                f"Our network has not come to {100 * error:.1f} %; nothing is written."
            )
        if against == "plain":
            last, note = beside_plain(backend, str(archive), mine["seconds"], error)
        else:
            write_data(archive, training, TESTED_BY_BOTH)
            last, note = beside_escnn(str(archive), mine["seconds"], error)
    stopped = "" if last["error"] <= error else "; it was stopped there, so that the ratio is less"
    row = report.comparison(
        f"seconds to {100 * error:.1f} % wrong ({100 * mine['error']:.2f} %) against {against} "
        f"({100 * last['error']:.2f} %{stopped})",
        last["seconds"],
        mine["seconds"],
        target=TARGETS[against],
    )
    table = report.Table()
    table.add({"backend": backend, **row})
    name = "time_to_error" if against == "escnn" else "time_to_error_plain"
    title = "Time to an error" if against == "escnn" else "Time to an error, beside plain networks"
    options = "" if against == "escnn" else f" --against {against}"
    written = (line.format(options=options) for line in NOTES)
    notes = [f"{header}. {WHAT} Ours tested on {TESTED:,} images. {note}", *written]
    table.write_json(folder / f"{name}.json", header)
    table.write_markdown(folder / f"{name}.md", title, notes)


def beside_escnn(data: str, seconds: float, error: float) -> tuple[dict[str, float], str]:
    """The point at which escnn's network reached the error, or the last one, and what it is."""
    limits = [seconds, TIMES * seconds]
    try:
        other = run_peers.peer("escnn", os.cpu_count() or 1)
        points = other.run(escnn_example.train, data, limits)
    except Failed as reason:
        raise SystemExit(f"escnn skipped: {reason}. Nothing is written.") from None
    last = reached(points, error) or points[-1]
    images = f"after {last['images']:,} images"
    tested = f"escnn's network tested on the first {TESTED_BY_BOTH:,} of them, {images}."
    return last, f"{tested} {ESCNN}"


def beside_plain(
    backend: str, data: str, seconds: float, error: float
) -> tuple[dict[str, float], str]:
    """The point at which a plain network first reached the error, or the best one, and the search.

    Every run counts: one of the search may be there sooner than the best, whose learning rate then
    follows a longer schedule.
    """
    where = Environment(backend)
    runs: list[tuple[str, list[dict[str, float]]]] = []
    for settings in plain_search.SETTINGS:
        points = where.run(plain_search.train, data, *settings, SEARCHED * seconds, error)
        runs.append((_of_settings(*settings), points))
        print(f"plain, {runs[-1][0]}: {_of_point(points[-1])}")
    number = min(range(len(runs)), key=lambda number: runs[number][1][-1]["error"])
    searched = "; ".join(f"{name}: {_of_point(points[-1])}" for name, points in runs)
    best = plain_search.SETTINGS[number]
    points = where.run(plain_search.train, data, *best, TRAINED * seconds, error)
    for point in points[:: -(-len(points) // 20)]:
        print(f"plain, the best: {_of_point(point)}")
    runs.append((f"{_of_settings(*best)}, the best of these, trained again", points))
    there = [(name, point) for name, points in runs if (point := reached(points, error))]
    every = [(name, point) for name, points in runs for point in points]
    name, last = (
        min(there, key=lambda one: one[1]["seconds"])
        if there
        else min(every, key=lambda one: one[1]["error"])
    )
    return last, f"The plain network has {name}. The search: {searched}."


def _of_settings(parameters: int, rate: float) -> str:
    return f"{parameters:,} weights and a learning rate of {rate:g}"


def _of_point(point: dict[str, float]) -> str:
    return f"{100 * point['error']:.2f} % after {point['seconds']:.0f} s"


if __name__ == "__main__":
    typer.run(main)
