"""What a training step spends its time on, as the profiler of each backend tells it.

Every network in a process of its own, on one core unless told otherwise: on more, an operation that
has others help it, or runs beside another, takes a time that says little of its work, and XLA does
not record all threads.
Writes `profiles.md`: milliseconds of every kind of operation, and the largest operations.

    python benchmarks/profile_steps.py
    python benchmarks/profile_steps.py --backend jax --network steerable --threads 0 --folder /tmp
"""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from operator import itemgetter
from pathlib import Path
from typing import Annotated, Any

import command
import harness
import nets
import profilers
import report
import typer
from places import BACKENDS, Place

NETWORKS = ("stock", "p4", "p4m", "stock-fields", "steerable")
SIZES = {"channels": nets.CHANNELS, "kernel": nets.GROUP_KERNEL, "fields": nets.FIELDS}
SMALLEST = {"channels": (8, 8, 8), "kernel": 3, "fields": (1, 1, 1)}
WARM_UP = 3
RECORDINGS = 2  # of which that of the shorter steps counts
LARGEST = 8
NOTES = (
    "Written by `python benchmarks/profile_steps.py`: milliseconds of a training step by kind of "
    "operation, and their share of all operations, for the networks of `benchmarks/nets.py`; "
    "`stock` is as wide as `p4` and `p4m`, `stock-fields` as `steerable`. Recorded with "
    "`torch.profiler`, `tf.profiler` and `jax.profiler`. The time of an operation is without that "
    "of operations that it calls, and while several run at once each has its part of the time, so "
    "that nothing counts twice. What a step takes beyond its operations is Python and scheduling, "
    "and with more threads than one also products that XLA hands to threads which it does not "
    "record; what its processors take beyond it is the work of several at once.",
    "What XLA fuses counts as one: as the first of convolution, product, elementwise operation and "
    "movement that is in it, and as of the layer in which it ends. A product of matrices in a "
    "convolution's layer counts as convolution, and so does what PyTorch does inside one, such as "
    "laying out its memory; the Python of PyTorch's layers counts as other.",
)


def build(network: str, channels: list[int], kernel: int, fields: list[int]):
    """One of `NETWORKS`."""
    match network:
        case "stock":
            return nets.stock(channels, kernel)
        case "stock-fields":
            return nets.stock(nets.field_channels(fields), nets.FIELD_KERNEL)
        case "steerable":
            return nets.steerable(fields)
    return nets.on_group(network, channels, kernel)


def measure(network: str, sizes: dict[str, Any], batch_size: int, steps: int) -> dict[str, Any]:
    """Milliseconds of a step: without and with the profiler, of processors, and of operations."""
    data = harness.batch(batch_size, harness.in_format(nets.SHAPE))
    model = build(network, **sizes)
    step = partial(model.train_on_batch, *data)
    for _ in range(WARM_UP):
        step()
    start = time.process_time()
    seconds = [harness.seconds_of(step) for _ in range(steps)]
    processors = time.process_time() - start
    recordings = [_record(model, step, steps) for _ in range(RECORDINGS)]
    return {
        "step": 1000 * statistics.median(seconds),
        "processors": 1000 * processors / steps,
        **min(recordings, key=itemgetter("recorded")),
    }


def _record(model, step: Callable[[], object], steps: int) -> dict[str, Any]:
    import keras

    seconds: list[float] = []
    found = profilers.RECORDERS[keras.backend.backend()](
        model, lambda: seconds.extend(harness.seconds_of(step) for _ in range(steps))
    )
    times: Counter[tuple[str, str]] = Counter()
    calls: Counter[tuple[str, str]] = Counter()
    for one in found:
        times[one.name, profilers.kind(one)] += one.time / steps
        calls[one.name, profilers.kind(one)] += 1 / steps
    return {
        "recorded": 1000 * statistics.mean(seconds),
        "operations": [(*key, calls[key], spent) for key, spent in times.most_common()],
    }


def by_kind(network: str, measured: dict[str, dict[str, Any]]) -> list[report.Row]:
    """Rows of a network: a kind each, and what they are to be compared with."""
    columns: dict[str, dict[str, str]] = {}
    for backend, one in measured.items():
        spent: Counter[str] = Counter()
        for _, kind, _, milliseconds in one["operations"]:
            spent[kind] += milliseconds
        total = spent.total()
        columns[backend] = {
            **{
                kind: f"{_milliseconds(spent[kind])} ({_share(spent[kind], total)})"
                for kind in profilers.KINDS
            },
            "all operations": _milliseconds(total),
            "step, under the profiler": _milliseconds(one["recorded"]),
            "step": _milliseconds(one["step"]),
            "step, processors' time": _milliseconds(one["processors"]),
        }
    names = next(iter(columns.values()))
    return [
        {"network": network, "ms per step": name, **{one: columns[one][name] for one in columns}}
        for name in names
    ]


def largest(network: str, backend: str, operations: list[list[Any]]) -> list[report.Row]:
    """Rows of the operations that take longest."""
    total = sum(milliseconds for *_, milliseconds in operations)
    return [
        {
            "network": network,
            "backend": backend,
            "operation": f"`{name}`",
            "kind": kind,
            "calls": round(calls, 1),
            "ms per step": _milliseconds(milliseconds),
            "share": _share(milliseconds, total),
        }
        for name, kind, calls, milliseconds in operations[:LARGEST]
    ]


def _milliseconds(number: float) -> str:
    return f"{number:.1f}" if number >= 10 else f"{number:.2f}"


def _share(part: float, whole: float) -> str:
    return f"{100 * part / whole:.0f} %"


def installed(backends: list[str]) -> list[str]:
    """The backends that are there and whose traces can be read; the others are told of."""
    found = []
    for backend in command.chosen("backend", backends, BACKENDS):
        needed = [backend, "jax"] if backend == "tensorflow" else [backend]
        missing = [one for one in needed if find_spec(one) is None]
        if missing:
            reason = ", which reads the traces" if missing == ["jax"] != needed else ""
            print(f"{backend} skipped: install {' and '.join(missing)}{reason}")
        else:
            found.append(backend)
    if not found:
        raise SystemExit("No backend is left; nothing is written.")
    return found


def main(
    backend: command.Backends = BACKENDS,
    network: Annotated[list[str], typer.Option(help=", ".join(NETWORKS))] = ["p4", "steerable"],  # noqa: B006
    data_format: command.DataFormat = "channels_last",
    threads: Annotated[int, typer.Option(min=0, help="Cores of a process; 0 for all.")] = 1,
    batch_size: command.BatchSize = 64,
    steps: command.Steps = 5,
    smallest: Annotated[bool, typer.Option(help="To see that all runs, not how fast.")] = False,
    folder: command.Folder = Path("docs"),
) -> None:
    """Records training steps, prints two tables, and writes them as Markdown."""
    network = command.chosen("network", network, NETWORKS)
    command.chosen("data format", [data_format], command.FORMATS)
    backends = installed(backend)
    sizes, batch_size, steps = (SMALLEST, 2, 2) if smallest else (SIZES, batch_size, steps)
    cores = f"{threads} thread{'s' * (threads > 1)}" if threads else "all threads"
    header = f"{report.describe(backends)}, {cores}, batch {batch_size}, {steps} steps"
    print(header)
    kinds, operations = report.Table(), []
    where = [Place(one, "cpu", data_format, threads=threads or None) for one in backends]
    for name in network:
        measured = {one.backend: one.run(measure, name, sizes, batch_size, steps) for one in where}
        for row in by_kind(name, measured):
            kinds.add(row)
        for one in backends:
            operations += largest(name, one, measured[one]["operations"])
    slowest = report.Table()
    for row in operations:
        slowest.add(row)
    page, marks = folder / "profiles.md", "<!-- kinds -->\n<!-- end of kinds -->"
    notes = [f"{header}.", *NOTES, marks, f"The {LARGEST} largest operations of each:"]
    slowest.write_markdown(page, "What a training step spends its time on", notes)
    report.write_between(page, "kinds", [], kinds.rows)


if __name__ == "__main__":
    typer.run(main)
