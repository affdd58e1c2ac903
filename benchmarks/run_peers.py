"""The library beside others, each in an environment of its own: the same work, in turn.

The processes of a comparison are alive at the same time, and one at a time works: a few calls of
the first, of the second, and so on, round after round. All have the same cores and threads, on the
CPU. `make peers` makes the environments; a library that is not there is skipped, and said to be.
All comparisons on all backends are written into `docs`, fewer are only printed, unless `--folder`
is given.

    python benchmarks/run_peers.py
    python benchmarks/run_peers.py so2 --backend torch --rounds 20
"""

from __future__ import annotations

import os
import re
import statistics
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import command
import nets
import places
import report
import typer
from peers import escnn_nets, our_nets, spheres
from places import TOLD, Failed, Place

ENVIRONMENTS = Path(__file__).resolve().parents[1] / ".venv-peers"
# Each measured once with all numbers in float32, and once with maps and products in bfloat16: in
# Keras by the policy mixed_bfloat16, in PyTorch by autocast.
PRECISIONS = {"float32": "", "bfloat16": ", bfloat16"}
NETS: dict[str, dict[str, Any]] = {
    "c4": {
        "channels": nets.CHANNELS,
        "kernel": nets.GROUP_KERNEL,
        "classes": nets.CLASSES,
    },
    "so2": {
        "fields": nets.FIELDS,
        "kernel": nets.FIELD_KERNEL,
        "frequency": nets.FREQUENCY,
        "samples": nets.SAMPLES,
        "classes": nets.CLASSES,
    },
}
# The most that PyTorch here may take of escnn's time.
TARGETS = {
    ("c4", "step"): 1.0,
    ("c4", "inference"): 1.0,
    ("so2", "step"): 1 / 1.3,
    ("so2", "inference"): 1 / 1.2,
}
BEST_TARGET = 1 / 2  # and the fastest backend of it
SPHERE = (4096, 10, 20.0)  # samples, dimensions, concentration
# Libraries that sample there, where they are, and the most that we may take of their time.
SPHERES = {"tfp": ("tfp", round(1 / 3, 3)), "power_spherical": ("escnn", None)}
COMPARISONS = (*NETS, *SPHERES)
NOTES = (
    "Written by `make peers`; [benchmarks.md](benchmarks.md) tells what is measured and how. The "
    "reference is the other library; a ratio below 1 means that this one takes less time.",
    TOLD,
)


def peer(name: str, threads: int) -> Place:
    """Where another library is; raises `Failed` if it is nowhere."""
    python = ENVIRONMENTS / name / "bin" / "python"
    if not python.exists():
        raise Failed(f"{python} does not exist; `make peers` makes it")
    return Place(python=str(python), threads=threads)


def in_turn(
    what: str,
    reference: Callable[[], places.Server],
    ours: dict[str, Callable[[], places.Server]],
    rounds: int,
    calls: int,
    targets: dict[str, float],
) -> Iterator[report.Row]:
    """The rows of one comparison: this library on each backend, and on the fastest."""
    with ExitStack() as stack:
        servers = {}
        for name, start in {"reference": reference, **ours}.items():
            servers[name] = start()
            stack.callback(servers[name].close)
        timed = places.alternate(servers, rounds, calls)
    for name in ours:
        row = report.times(what, timed, name, "reference", targets.get(name))
        yield {"backend": name, **row}
    if len(ours) > 1:
        best = min(ours, key=lambda name: statistics.median(timed[name]["calls"]))
        row = report.times(f"{what}, fastest backend", timed, best, "reference", targets["best"])
        yield {"backend": best, **row}


def compare_nets(
    name: str,
    where: list[Place],
    threads: int,
    batch_size: int,
    rounds: int,
    calls: int,
    precisions: list[str],
) -> Iterator[report.Row]:
    """The rows of a network, this library over escnn."""
    other = peer("escnn", threads)
    for precision in precisions:
        label = PRECISIONS[precision]
        for kind in ("step", "inference"):
            work = (name, NETS[name], batch_size)
            targets = {"torch": round(TARGETS[name, kind], 3), "best": BEST_TARGET}
            ours = {
                one.name: partial(one.serve, getattr(our_nets, kind), *work, precision)
                for one in where
            }
            if (kind, precision) == ("inference", "float32"):
                ours["onnxruntime"] = partial(where[0].serve, our_nets.exported, *work, threads)
            yield from in_turn(
                f"{name} {kind}{label} against escnn",
                partial(other.serve, getattr(escnn_nets, kind), *work, precision),
                ours,
                rounds,
                calls,
                targets if precision == "float32" else {"best": None},
            )


def compare_spheres(
    library: str, where: list[Place], threads: int, rounds: int, calls: int
) -> Iterator[report.Row]:
    """The rows of samples on a sphere, this library over another."""
    environment, target = SPHERES[library]
    other = peer(environment, threads)
    yield from in_turn(
        f"sample with gradients against {library}",
        partial(other.serve, getattr(spheres, library), *SPHERE),
        {one.name: partial(one.serve, spheres.ours, *SPHERE) for one in where},
        rounds,
        calls,
        {"best": target},
    )


def slopes(where: list[Place], threads: int) -> Iterator[str]:
    """Lines that say how far each library's gradient in the concentration is off."""
    _, dim, kappa = SPHERE
    expected = spheres.expected_slope(dim, kappa)
    libraries = {f"keras_gcnn on {place.name}": (place, "ours") for place in where}
    libraries["TensorFlow Probability"] = (peer("tfp", threads), "tfp")
    for name, (place, library) in libraries.items():
        found = place.run(spheres.slope, library, 200_000, dim, kappa)
        yield (
            f"{name}: the gradient in the concentration, averaged over 200,000 samples, is off by "
            f"{100 * (found / expected - 1):+.1f} %."
        )


def main(
    names: Annotated[list[str] | None, typer.Argument(help=f"Of {', '.join(COMPARISONS)}.")] = None,
    backend: command.Backends = command.EVERY,
    threads: Annotated[
        int, typer.Option(min=1, max=os.cpu_count(), help="Cores that each process may use.")
    ] = (os.cpu_count() or 1),
    batch_size: command.BatchSize = 64,
    rounds: Annotated[int, typer.Option(min=2, help="Turns of each process.")] = 8,
    calls: Annotated[int, typer.Option(min=1, help="Timed calls in a turn.")] = 2,
    precision: Annotated[
        list[str], typer.Option(help="Of networks; default float32 and bfloat16.")
    ] = [*PRECISIONS],  # noqa: B006
    folder: command.FolderOrDocs = None,
    again: Annotated[
        bool,
        typer.Option(
            help="Replace these comparisons in the folder's, of the same machine and day."
        ),
    ] = False,
) -> None:
    """Compares with other libraries, prints the table, and writes it as JSON and Markdown."""
    names = command.chosen("comparison", names or COMPARISONS, COMPARISONS)
    precision = command.chosen("precision", precision, PRECISIONS)
    where = [
        replace(one, threads=threads) for one in command.places(backend, ["cpu"], "channels_last")
    ]
    machine = report.describe(place.backend for place in where)
    header = f"{machine}, {threads} threads, batch {batch_size}"
    print(header)
    chosen = (set(names), set(backend), set(precision))
    whole = chosen == (set(COMPARISONS), set(command.EVERY), set(PRECISIONS))
    folder = command.destination(folder, again or whole)
    kept = report.read_rows(folder / "measured_peers.json", header) if again else []
    kept = [row for row in kept if not set(names) & set(re.findall(r"\w+", row["what"]))]
    table, notes = report.Table(kept), []
    for number, name in enumerate(names, start=1):
        try:
            if name in NETS:
                found = compare_nets(name, where, threads, batch_size, rounds, calls, precision)
            else:
                found = compare_spheres(name, where, threads, rounds, 20 * calls)
            for row in found:
                table.add(row)
            if name == "tfp":
                notes += slopes(where, threads)
        except Failed as failure:
            notes.append(f"{name} skipped: {failure.reason}.")
        told = [*NOTES, *notes]
        table.write(
            folder, "measured_peers", "Measured beside others", header, told, left=names[number:]
        )
    print("\n".join(notes))
    if not table.rows:
        raise SystemExit("No peer could be measured; nothing is written.")


if __name__ == "__main__":
    typer.run(main)
