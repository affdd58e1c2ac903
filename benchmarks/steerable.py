"""Training step, forward pass and peak memory of steerable layers against stock ones.

Three steerable convolutions, each with its normalisation and Fourier activation, beside stock
Conv2D, BatchNormalization and ELU of as many channels: the convolutions are the same, and what is
left is the cost of laying out kernels, of shared statistics and of sampling fields at angles. Calls
of the two alternate in one process; peak memory is taken in a process of its own. "Recomputed" is
the same network with its Fourier activations under `keras.RematScope`, "accumulated" is it on four
quarters of the batch, whose gradients are applied together.

    python benchmarks/steerable.py
    python benchmarks/steerable.py --backend jax --steps 50
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial

import command
import harness
import nets
import report
import typer
from places import BACKENDS, Place

KINDS = ("stock", "steerable", "recomputed", "accumulated")
PARTS = 4
STEP_TARGET = 1.2
MEMORY_TARGET = 1.2  # of the setting that saves memory
SMALLEST = {"batch_size": 4, "steps": 2, "fields": (1, 1, 1)}


def build(kind: str, fields: list[int]):
    """The network of fields, or of stock layers."""
    if kind == "stock":
        return nets.stock(nets.field_channels(fields), nets.FIELD_KERNEL)
    return nets.steerable(fields, recomputed=kind == "recomputed")


def time_calls(
    what: str, kinds: list[str], fields: list[int], batch_size: int, steps: int
) -> harness.Timed:
    """Times training steps or forward passes of every kind of network in turn."""
    images, labels = harness.batch(batch_size, harness.in_format(nets.SHAPE))
    actions = {}
    for kind in kinds:
        if what == "step":
            actions[kind] = training(kind, fields, (images, labels))
        else:
            actions[kind] = partial(build(kind, fields).predict_on_batch, images)
    return harness.alternate(actions, steps)


def training(kind: str, fields: list[int], data) -> Callable[[], object]:
    """A training step of that kind."""
    model = build(kind, fields)
    if kind == "accumulated":
        return harness.step_in_parts(model, data, PARTS)
    return partial(model.train_on_batch, *data)


def peak_memory(kind: str, fields: list[int], batch_size: int) -> float:
    """MiB that the network, its data and ten training steps take, the imports left out."""
    data = harness.batch(batch_size, harness.in_format(nets.SHAPE))
    return harness.added_memory(partial(training, kind, fields, data))


def compare(
    place: Place, batch_size: int = 64, steps: int = 10, fields: Iterable[int] = nets.FIELDS
) -> Iterator[report.Row]:
    """The rows of one backend, steerable network over stock network."""
    timed = place.run(time_calls, "step", KINDS, fields, batch_size, steps)
    yield report.times("training step", timed, "steerable", "stock", STEP_TARGET)
    for kind in KINDS[2:]:
        yield report.times(f"training step, {kind}", timed, kind, "stock")
    timed = place.run(time_calls, "forward", KINDS[:2], fields, batch_size, steps)
    yield report.times("forward pass", timed, "steerable", "stock")
    memory = {
        kind: min(place.run(peak_memory, kind, fields, batch_size) for _ in range(2))
        for kind in KINDS
    }
    for kind, what, target in (
        ("steerable", "peak memory, MiB", None),
        ("recomputed", "peak memory, recomputed, MiB", MEMORY_TARGET),
        ("accumulated", "peak memory, accumulated, MiB", MEMORY_TARGET),
    ):
        yield report.comparison(what, memory["stock"], memory[kind], target=target)


def main(
    backend: command.Backends = BACKENDS,
    device: command.Devices = [],  # noqa: B006
    data_format: command.DataFormat = "channels_last",
    batch_size: command.BatchSize = 64,
    steps: command.Steps = 20,
    output: command.Output = None,
) -> None:
    """Prints a table of ratios, steerable network over stock network."""
    compared = partial(compare, batch_size=batch_size, steps=steps)
    command.show("steerable", compared, command.places(backend, device, data_format), output)


if __name__ == "__main__":
    typer.run(main)
