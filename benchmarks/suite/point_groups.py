"""Training step and forward pass of regular fields of C8 and D8 against stock layers.

Three steerable convolutions of 5x5, each with its normalisation and activation, beside stock
Conv2D, BatchNormalization and ELU with as many channels: 128, 128 and 256. Calls alternate in one
process.

    python -m benchmarks.suite.point_groups
    python -m benchmarks.suite.point_groups --backend jax --steps 50
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from benchmarks.common import command, harness, networks, report
from benchmarks.common.environments import Environment

GROUPS = tuple(networks.GROUP_FIELDS)
TARGET = 1.1
SMALLEST = {"batch_size": 4, "steps": 2, "groups": ("c8",)}


def time_calls(what: str, group: str, batch_size: int, steps: int) -> harness.Timed:
    """Times training steps or forward passes of both networks in turn."""
    images, labels = harness.batch(batch_size, harness.in_format(networks.SHAPE))
    fields, kernel = networks.GROUP_FIELDS[group], networks.GROUP_KERNEL
    models = {
        "stock": networks.stock(networks.field_channels(fields, group), kernel),
        group: networks.steerable(fields, kernel, group=group),
    }
    actions = {
        name: partial(model.train_on_batch, images, labels)
        if what == "training step"
        else partial(model.predict_on_batch, images)
        for name, model in models.items()
    }
    return harness.alternate(actions, steps)


def compare(
    environment: Environment,
    batch_size: command.BatchSize = 64,
    steps: command.Steps = 10,
    groups: tuple[str, ...] = GROUPS,
) -> Iterator[report.Row]:
    """The rows of one environment: ratios of the steerable networks to that of stock layers."""
    for group in groups:
        for what in ("training step", "forward pass"):
            timed = environment.run(time_calls, what, group, batch_size, steps)
            yield report.times(f"{group}, {what}", timed, group, "stock", TARGET)


if __name__ == "__main__":
    command.run("point_groups", compare, steps=20)
