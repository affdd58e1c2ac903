"""Training step and peak memory of group convolutions against stock ones of the same width.

Three group convolutions, each with its normalisation and ELU, beside stock layers of the expanded
channel counts, so both do the same convolutions, and what is left is the cost of laying out the
kernel and of shared statistics. Steps alternate in one process; peak memory is taken in a process
of its own.

    python benchmarks/layers.py
    python benchmarks/layers.py --backend jax --group p4m --steps 50
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Annotated

import command
import harness
import nets
import report
import typer
from places import BACKENDS, Place

GROUPS = ("p4", "p4m")
STOCK = "stock"
STEP_TARGET = 1.05
SMALLEST = {"batch_size": 2, "steps": 2, "channels": (8, 8, 8), "kernel": 3}


def build(kind: str, channels: list[int], kernel: int):
    """The network on a group, or of stock layers."""
    if kind == STOCK:
        return nets.stock(channels, kernel)
    return nets.on_group(kind, channels, kernel)


def time_steps(
    kinds: list[str], channels: list[int], kernel: int, batch_size: int, steps: int
) -> harness.Timed:
    """Times training steps of all networks in turn."""
    data = harness.batch(batch_size, harness.in_format(nets.SHAPE))
    models = {kind: build(kind, channels, kernel) for kind in kinds}
    actions = {kind: partial(model.train_on_batch, *data) for kind, model in models.items()}
    return harness.alternate(actions, steps)


def peak_memory(kind: str, channels: list[int], kernel: int, batch_size: int) -> float:
    """MiB that the network, its data and ten training steps take, the imports left out."""
    data = harness.batch(batch_size, harness.in_format(nets.SHAPE))
    return harness.added_memory(
        lambda: partial(build(kind, channels, kernel).train_on_batch, *data)
    )


def compare(
    place: Place,
    batch_size: int = 64,
    steps: int = 10,
    groups: Iterable[str] = GROUPS,
    channels: Iterable[int] = nets.CHANNELS,
    kernel: int = nets.GROUP_KERNEL,
) -> Iterator[report.Row]:
    """The rows of one backend, group network over stock network."""
    kinds = [STOCK, *groups]
    timed = place.run(time_steps, kinds, channels, kernel, batch_size, steps)
    for group in groups:
        yield report.times(f"{group} training step", timed, group, STOCK, STEP_TARGET)
    memory = {
        kind: min(place.run(peak_memory, kind, channels, kernel, batch_size) for _ in range(2))
        for kind in kinds
    }
    for group in groups:
        yield report.comparison(f"{group} peak memory, MiB", memory[STOCK], memory[group])


def main(
    backend: command.Backends = BACKENDS,
    device: command.Devices = [],  # noqa: B006
    data_format: command.DataFormat = "channels_last",
    group: Annotated[list[str], typer.Option(help="Groups to measure.")] = list(GROUPS),  # noqa: B006
    batch_size: command.BatchSize = 64,
    steps: command.Steps = 20,
    output: command.Output = None,
) -> None:
    """Prints a table of ratios, group network over stock network."""
    group = command.chosen("group to measure", group, (*GROUPS, "p2", "pm", "pmm", "z2"))
    compared = partial(compare, batch_size=batch_size, steps=steps, groups=group)
    command.show("layers", compared, command.places(backend, device, data_format), output)


if __name__ == "__main__":
    typer.run(main)
