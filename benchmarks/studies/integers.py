"""Exported networks in integers of 8 bits: size, time, and how many answers change.

Trained networks are written as ONNX files, with 32 bits and with `quantize="int8"`, for which 100
training images of rotated MNIST give the range of each map. The files run in turn on test images,
on one thread, and the time is that of the processor, so that other work counts little.

    python -m benchmarks.studies.integers
    python -m benchmarks.studies.integers --images 500 --steps 5
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks.common import command, harness, report

NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    "cohen_cnn p4": ("cohen_cnn", {"group": "p4"}),
    "cohen_cnn p4m": ("cohen_cnn", {"group": "p4m"}),
    "so2cnn": ("so2cnn", {}),
}
FLOATS, INTEGERS = "float32", "int8"


def open_file(path: Path, batch_size: int) -> Callable[[np.ndarray], np.ndarray]:
    """A function from images to the logits that a file computes, on one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def run(images: np.ndarray) -> np.ndarray:
        parts = range(0, len(images), batch_size)  # the maps of all would fill the memory
        return np.concatenate(
            [session.run(["logits"], {"image": images[at : at + batch_size]})[0] for at in parts]
        )

    return run


def rows(name: str, images: int, batch_size: int, steps: int) -> Iterator[report.Row]:
    """Yields a row for each file of a network."""
    from keras_gcnn import data, export, zoo

    digits = data.load("rotated_mnist", subset=100, test_subset=images)
    test, labels = np.asarray(digits.test.images), digits.test.labels
    builder, arguments = NETWORKS[name]
    network = getattr(zoo, builder)(weights="rotated_mnist", **arguments)
    with tempfile.TemporaryDirectory() as folder:
        images_to_learn = np.asarray(digits.train.images)
        paths = {
            FLOATS: export.save(network, Path(folder, "floats.onnx")),
            INTEGERS: export.save(
                network,
                Path(folder, "integers.onnx"),
                quantize="int8",
                calibration=images_to_learn,
            ),
        }
        files = {title: open_file(path, batch_size) for title, path in paths.items()}
        sizes = {title: path.stat().st_size for title, path in paths.items()}
    actions = {title: partial(run, test[:batch_size]) for title, run in files.items()}
    timed = harness.alternate(actions, steps, clock=time.process_time)
    expected = files[FLOATS](test).argmax(axis=1)
    turned = np.ascontiguousarray(np.rot90(test, axes=(1, 2)))
    for title, run in files.items():
        logits = run(test)
        answers = logits.argmax(axis=1)
        low, middle, high = harness.ratio(timed, title, FLOATS)
        yield {
            "network": name,
            "file": title,
            "KiB": round(sizes[title] / 1024),
            "ms": round(harness.median(timed, title), 1),
            "time / float32": f"{middle:.2f} ({low:.2f}-{high:.2f})",
            "wrong, %": f"{100 * np.mean(answers != labels):.2f}",
            "other answers, %": f"{100 * np.mean(answers != expected):.2f}",
            "by a quarter turn": f"{np.abs(run(turned) - logits).max() / np.abs(logits).max():.0e}",
        }


def main(
    names: Annotated[list[str] | None, typer.Argument(help="Networks; default all.")] = None,
    images: Annotated[int, typer.Option(min=1, help="Test images.")] = 2000,
    batch_size: command.BatchSize = 64,
    steps: Annotated[int, typer.Option(min=2, help="Timed calls of each file.")] = 20,
    output: command.Output = None,
) -> None:
    """Prints a row for each file of each network."""
    import keras

    names = command.chosen("network", names or NETWORKS, NETWORKS)
    header = report.describe([keras.backend.backend()])
    print(header)
    table = report.Table()
    for name in names:
        for row in rows(name, images, batch_size, steps):
            table.add(row)
            table.write_json(output, header)


if __name__ == "__main__":
    typer.run(main)
