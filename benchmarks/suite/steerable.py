"""Training step, forward pass and peak memory of steerable layers against stock ones.

Three steerable convolutions, each with its normalisation and Fourier activation, beside stock
Conv2D, BatchNormalization and ELU with as many channels. The convolutions are the same; the
difference is the cost of expanding kernels, of shared statistics and of sampling fields at angles.
Calls alternate in one process; peak memory is measured in a separate one. "Recomputed" is the
same network with its Fourier activations under `keras.RematScope`, "accumulated" the same network
on four quarters of the batch, whose gradients are applied together.

    python -m benchmarks.suite.steerable
    python -m benchmarks.suite.steerable --backend jax --steps 50
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial

from benchmarks.common import command, harness, networks, report
from benchmarks.common.environments import Environment

NETWORKS = ("stock", "steerable", "recomputed", "accumulated")
PARTS = 4
STEP_TARGET = 1.2
MEMORY_TARGET = 1.2  # for the settings that save memory
SMALLEST = {"batch_size": 4, "steps": 2, "fields": (1, 1, 1)}


def build(network: str, fields: list[int]):
    """A compiled network: steerable, or of stock layers."""
    if network == "stock":
        return networks.stock(networks.field_channels(fields), networks.FIELD_KERNEL)
    return networks.steerable(fields, recomputed=network == "recomputed")


def time_calls(
    what: str, names: list[str], fields: list[int], batch_size: int, steps: int
) -> harness.Timed:
    """Times training steps or forward passes of the networks in turn."""
    images, labels = harness.batch(batch_size, harness.in_format(networks.SHAPE))
    actions = {}
    for name in names:
        if what == "step":
            actions[name] = training(name, fields, (images, labels))
        else:
            actions[name] = partial(build(name, fields).predict_on_batch, images)
    return harness.alternate(actions, steps)


def training(network: str, fields: list[int], data) -> Callable[[], object]:
    """A training step of a network."""
    model = build(network, fields)
    if network == "accumulated":
        return harness.step_in_parts(model, data, PARTS)
    return partial(model.train_on_batch, *data)


def peak_memory(network: str, fields: list[int], batch_size: int) -> float:
    """MiB that the network, its data and ten training steps take, without the imports."""
    data = harness.batch(batch_size, harness.in_format(networks.SHAPE))
    return harness.added_memory(partial(training, network, fields, data))


def compare(
    environment: Environment,
    batch_size: command.BatchSize = 64,
    steps: command.Steps = 10,
    fields: Iterable[int] = networks.FIELDS,
) -> Iterator[report.Row]:
    """The rows of one environment: ratios of the steerable network to that of stock layers."""
    timed = environment.run(time_calls, "step", NETWORKS, fields, batch_size, steps)
    yield report.times("training step", timed, "steerable", "stock", STEP_TARGET)
    for name in NETWORKS[2:]:
        yield report.times(f"training step, {name}", timed, name, "stock")
    timed = environment.run(time_calls, "forward", NETWORKS[:2], fields, batch_size, steps)
    yield report.times("forward pass", timed, "steerable", "stock")
    memory = {
        name: harness.smaller_peak(environment.run, peak_memory, name, fields, batch_size)
        for name in NETWORKS
    }
    for name, what, target in (
        ("steerable", "peak memory, MiB", None),
        ("recomputed", "peak memory, recomputed, MiB", MEMORY_TARGET),
        ("accumulated", "peak memory, accumulated, MiB", MEMORY_TARGET),
    ):
        yield report.comparison(what, memory["stock"], memory[name], target=target)


if __name__ == "__main__":
    command.run("steerable", compare, steps=20)
