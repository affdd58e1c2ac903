"""What a training step spends its time on, by the profiler of each backend.

Every network runs in a separate process, by default on one core: on more, operations help each
other or run side by side, so that their times do not show their work, and XLA does not record all
threads. Writes `profiles.md`: milliseconds of every type of operation, and the largest operations.

    python -m benchmarks.studies.profile_steps
    python -m benchmarks.studies.profile_steps --backend jax --network steerable --threads 0
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

import typer

from benchmarks.common import command, harness, networks, report
from benchmarks.common.environments import BACKENDS, Environment
from benchmarks.studies import profilers

NETWORKS = ("stock", "p4", "p4m", "stock-fields", "steerable")
SIZES = {"channels": networks.CHANNELS, "kernel": networks.GROUP_KERNEL, "fields": networks.FIELDS}
SMALLEST = {"channels": (8, 8, 8), "kernel": 3, "fields": (1, 1, 1)}
WARM_UP = 3
RECORDINGS = 2  # the one with shorter steps counts
LARGEST = 8
NOTES = (
    "Written by `python -m benchmarks.studies.profile_steps`: milliseconds of a training step by "
    "type of operation, and their share of all operations, for the networks of "
    "`benchmarks/common/networks.py` (`--network` chooses others). Recorded with "
    "`torch.profiler`, `tf.profiler` and `jax.profiler`. The time of an operation is without that "
    "of operations that it calls, and while several run at once each has its part of the time, so "
    "that nothing counts twice. What a step takes beyond its operations is Python and scheduling, "
    "and with several threads also the products that XLA gives to threads it does not record. "
    "Processor time beyond the step is work of several threads at once.",
    "A fusion of XLA counts as one operation: as the first of convolution, product, elementwise "
    "operation and movement in it, and for the layer in which it ends. A matrix product in a "
    "convolution's layer counts as convolution, and so does everything that PyTorch does inside a "
    "convolution, such as reordering memory; the Python of PyTorch's layers counts as other.",
)


def build(network: str, channels: list[int], kernel: int, fields: list[int]):
    """One of `NETWORKS`."""
    match network:
        case "stock":
            return networks.stock(channels, kernel)
        case "stock-fields":
            return networks.stock(networks.field_channels(fields), networks.FIELD_KERNEL)
        case "steerable":
            return networks.steerable(fields)
    return networks.on_group(network, channels, kernel)


def measure(network: str, sizes: dict[str, Any], batch_size: int, steps: int) -> dict[str, Any]:
    """Milliseconds of a step: without and with the profiler, of processors, and of operations."""
    data = harness.batch(batch_size, harness.in_format(networks.SHAPE))
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
    operations = profilers.RECORDERS[keras.backend.backend()](
        model, lambda: seconds.extend(harness.seconds_of(step) for _ in range(steps))
    )
    times: Counter[tuple[str, str]] = Counter()
    calls: Counter[tuple[str, str]] = Counter()
    for operation in operations:
        key = operation.name, profilers.type_of(operation)
        times[key] += operation.time / steps
        calls[key] += 1 / steps
    return {
        "recorded": 1000 * statistics.mean(seconds),
        "operations": [(*key, calls[key], spent) for key, spent in times.most_common()],
    }


def by_type(network: str, measured: dict[str, dict[str, Any]]) -> list[report.Row]:
    """Rows of a network: one for each type of operation, then the totals to compare with."""
    columns: dict[str, dict[str, str]] = {}
    for backend, profile in measured.items():
        spent: Counter[str] = Counter()
        for _, operation_type, _, milliseconds in profile["operations"]:
            spent[operation_type] += milliseconds
        total = spent.total()
        columns[backend] = {
            **{
                name: f"{_milliseconds(spent[name])} ({_share(spent[name], total)})"
                for name in profilers.TYPES
            },
            "all operations": _milliseconds(total),
            "step, under the profiler": _milliseconds(profile["recorded"]),
            "step": _milliseconds(profile["step"]),
            "step, processors' time": _milliseconds(profile["processors"]),
        }
    names = next(iter(columns.values()))
    return [
        {
            "network": network,
            "ms per step": name,
            **{backend: column[name] for backend, column in columns.items()},
        }
        for name in names
    ]


def largest(network: str, backend: str, operations: list[list[Any]]) -> list[report.Row]:
    """Rows of the operations that take the longest."""
    total = sum(milliseconds for *_, milliseconds in operations)
    return [
        {
            "network": network,
            "backend": backend,
            "operation": f"`{name}`",
            "type": operation_type,
            "calls": round(calls, 1),
            "ms per step": _milliseconds(milliseconds),
            "share": _share(milliseconds, total),
        }
        for name, operation_type, calls, milliseconds in operations[:LARGEST]
    ]


def _milliseconds(number: float) -> str:
    return f"{number:.1f}" if number >= 10 else f"{number:.2f}"


def _share(part: float, whole: float) -> str:
    return f"{100 * part / whole:.0f} %"


def installed(backends: list[str]) -> list[str]:
    """The installed backends whose traces can be read; prints why the others are skipped."""
    usable = []
    for backend in command.chosen("backend", backends, BACKENDS):
        needed = [backend, "jax"] if backend == "tensorflow" else [backend]
        missing = [package for package in needed if find_spec(package) is None]
        if missing:
            reason = ", which reads the traces" if missing == ["jax"] != needed else ""
            print(f"{backend} skipped: install {' and '.join(missing)}{reason}")
        else:
            usable.append(backend)
    if not usable:
        raise SystemExit("No backend is left; nothing is written.")
    return usable


def main(
    backend: command.Backends = BACKENDS,
    network: Annotated[list[str], typer.Option(help=", ".join(NETWORKS))] = ("p4", "steerable"),
    data_format: command.DataFormat = "channels_last",
    threads: Annotated[int, typer.Option(min=0, help="Cores of a process; 0 for all.")] = 1,
    batch_size: command.BatchSize = 64,
    steps: command.Steps = 5,
    smallest: Annotated[bool, typer.Option(help="Only check that everything runs.")] = False,
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
    types, operations = report.Table(), []
    environments = [
        Environment(name, "cpu", data_format, threads=threads or None) for name in backends
    ]
    for name in network:
        measured = {
            environment.backend: environment.run(measure, name, sizes, batch_size, steps)
            for environment in environments
        }
        for row in by_type(name, measured):
            types.add(row)
        for backend_name in backends:
            operations += largest(name, backend_name, measured[backend_name]["operations"])
    slowest = report.Table()
    for row in operations:
        slowest.add(row)
    page, marks = folder / "profiles.md", "<!-- types -->\n<!-- end of types -->"
    notes = [f"{header}.", *NOTES, marks, f"The {LARGEST} largest operations of each:"]
    slowest.write_markdown(page, "What a training step spends its time on", notes)
    report.write_between(page, "types", [], types.rows)


if __name__ == "__main__":
    typer.run(main)
