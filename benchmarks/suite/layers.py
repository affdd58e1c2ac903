"""Training step and peak memory of group convolutions against stock ones of the same width.

Three group convolutions, each with its normalisation and ELU, beside stock layers with the expanded
channels. Both do the same convolutions; the difference is the cost of expanding the kernel and of
shared statistics. Steps alternate in one process; peak memory is measured in a separate one.

    python -m benchmarks.suite.layers
    python -m benchmarks.suite.layers --backend jax --group p4m --steps 50
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Annotated

from benchmarks.common import command, harness, networks, report
from benchmarks.common.environments import Environment

GROUPS = ("p4", "p4m")
Groups = Annotated[
    list[str],
    command.choice_option("--group", "group to measure", (*GROUPS, "p2", "pm", "pmm", "z2")),
]
STOCK = "stock"
STEP_TARGET = 1.05
SMALLEST = {"batch_size": 2, "steps": 2, "channels": (8, 8, 8), "kernel": 3}


def build(network: str, channels: list[int], kernel: int):
    """A compiled network: of stock layers, or on the group of that name."""
    if network == STOCK:
        return networks.stock(channels, kernel)
    return networks.on_group(network, channels, kernel)


def time_steps(
    names: list[str], channels: list[int], kernel: int, batch_size: int, steps: int
) -> harness.Timed:
    """Times training steps of all networks in turn."""
    data = harness.batch(batch_size, harness.in_format(networks.SHAPE))
    models = {name: build(name, channels, kernel) for name in names}
    actions = {name: partial(model.train_on_batch, *data) for name, model in models.items()}
    return harness.alternate(actions, steps)


def peak_memory(network: str, channels: list[int], kernel: int, batch_size: int) -> float:
    """MiB that the network, its data and ten training steps take, without the imports."""
    data = harness.batch(batch_size, harness.in_format(networks.SHAPE))
    return harness.added_memory(
        lambda: partial(build(network, channels, kernel).train_on_batch, *data)
    )


def compare(
    environment: Environment,
    batch_size: command.BatchSize = 64,
    steps: command.Steps = 10,
    groups: Groups = GROUPS,
    channels: Iterable[int] = networks.CHANNELS,
    kernel: int = networks.GROUP_KERNEL,
) -> Iterator[report.Row]:
    """The rows of one environment: ratios of the network on a group to that of stock layers."""
    names = [STOCK, *groups]
    timed = environment.run(time_steps, names, channels, kernel, batch_size, steps)
    for group in groups:
        yield report.times(f"{group} training step", timed, group, STOCK, STEP_TARGET)
    memory = {
        name: harness.smaller_peak(environment.run, peak_memory, name, channels, kernel, batch_size)
        for name in names
    }
    for group in groups:
        yield report.comparison(f"{group} peak memory, MiB", memory[STOCK], memory[group])


if __name__ == "__main__":
    command.run("layers", compare, steps=20)
