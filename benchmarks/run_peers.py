"""The same work in this library and in others, each in a separate environment.

The processes of a comparison are alive at the same time and work in turn: a few calls of the first,
of the second, and so on, round after round. All have the same cores and threads, on the CPU.
`make peers` makes the environments; a library that is not installed is skipped, and the page says
so. All comparisons on all backends are written into `docs`; a part is only printed, unless
`--folder` is given.

    python -m benchmarks.run_peers
    python -m benchmarks.run_peers so2 --backend torch --rounds 20
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

import typer

from benchmarks.common import command, environments, networks, report
from benchmarks.common.environments import VARIANT_NOTE, Environment, Failed
from benchmarks.peers import angles, escnn_networks, kernels, our_networks, spheres

ENVIRONMENTS = Path(__file__).resolve().parents[1] / ".venv-peers"
# All numbers in float32, or maps and products in bfloat16: in Keras by the policy
# mixed_bfloat16, in PyTorch by autocast.
PRECISIONS = {"float32": "", "bfloat16": ", bfloat16"}
NETWORKS: dict[str, dict[str, Any]] = {
    "c4": {
        "channels": networks.CHANNELS,
        "kernel": networks.GROUP_KERNEL,
        "classes": networks.CLASSES,
    },
    "d4": {
        "channels": networks.WIDE_CHANNELS,
        "kernel": networks.WIDE_KERNEL,
        "classes": networks.CLASSES,
    },
    "so2": {
        "fields": networks.FIELDS,
        "kernel": networks.FIELD_KERNEL,
        "frequency": networks.FREQUENCY,
        "samples": networks.SAMPLES,
        "classes": networks.CLASSES,
    },
    **{
        group: {"fields": fields, "kernel": networks.GROUP_KERNEL, "classes": networks.CLASSES}
        for group, fields in networks.GROUP_FIELDS.items()
    },
}
# Targets for the time of this library on PyTorch, relative to escnn's.
TARGETS = {
    ("c4", "step"): 1.0,
    ("c4", "inference"): 1.0,
    ("d4", "step"): 0.8,
    ("d4", "inference"): 0.8,
    ("so2", "step"): 1 / 1.3,
    ("so2", "inference"): 1 / 1.2,
    **{(group, action): 0.8 for group in networks.GROUP_FIELDS for action in ("step", "inference")},
}
# For the fastest backend.
BEST_TARGETS = {"c4": 1 / 2, "d4": 0.6, "so2": 1 / 2, **dict.fromkeys(networks.GROUP_FIELDS, 0.6)}
SPHERE = (4096, 10, 20.0)  # samples, dimensions, concentration
# By library: its environment, and the target for our time relative to its time.
SPHERES = {"tfp": ("tfp", round(1 / 3, 3)), "power_spherical": ("escnn", None)}
ANGLES, UNDER_ELEMENTS = "angles", "error under its elements"
ANGLES_TARGET, RANDOM_NETWORKS = 0.8, 20
COMPARISONS = (*NETWORKS, *SPHERES, ANGLES)
NOTES = (
    "Written by `make peers`; [benchmarks.md](benchmarks.md) describes what is measured and how. "
    "The reference is the other library; a ratio below 1 means that this one takes less time.",
    VARIANT_NOTE,
)


def peer(name: str, threads: int, device: str = "cpu") -> Environment:
    """The environment of another library; raises `Failed` if it does not exist."""
    python = ENVIRONMENTS / name / "bin" / "python"
    if not python.exists():
        raise Failed(f"{python} does not exist; `make peers` makes it")
    return Environment(python=str(python), threads=threads, device=device)


def in_turn(
    what: str,
    reference: Callable[[], environments.Server],
    ours: dict[str, Callable[[], environments.Server]],
    rounds: int,
    calls: int,
    targets: dict[str, float],
) -> Iterator[report.Row]:
    """The rows of one comparison: this library on each backend, and on the fastest backend."""
    with ExitStack() as stack:
        servers = {}
        for name, start in {"reference": reference, **ours}.items():
            servers[name] = start()
            stack.callback(servers[name].close)
        timed = environments.alternate(servers, rounds, calls)
    for name in ours:
        row = report.times(what, timed, name, "reference", targets.get(name))
        yield {"backend": name, **row}
    if len(ours) > 1:
        best = min(ours, key=lambda name: statistics.median(timed[name]["calls"]))
        row = report.times(f"{what}, fastest backend", timed, best, "reference", targets["best"])
        yield {"backend": best, **row}


def compare_networks(
    name: str,
    where: list[Environment],
    threads: int,
    batch_size: int,
    rounds: int,
    calls: int,
    precisions: list[str],
) -> Iterator[report.Row]:
    """The rows of a network: ratios of this library to escnn."""
    device = where[0].device
    other = peer("escnn", threads, device)
    for precision in precisions:
        label = PRECISIONS[precision]
        for action in ("step", "inference"):
            work = (name, NETWORKS[name], batch_size)
            targets = {"torch": round(TARGETS[name, action], 3), "best": BEST_TARGETS[name]}
            ours = {
                environment.name: partial(
                    environment.serve, getattr(our_networks, action), *work, precision
                )
                for environment in where
            }
            if (action, precision, device) == ("inference", "float32", "cpu"):
                ours["onnxruntime"] = partial(where[0].serve, our_networks.exported, *work, threads)
            yield from in_turn(
                f"{name} {action}{label} against escnn",
                partial(other.serve, getattr(escnn_networks, action), *work, precision),
                ours,
                rounds,
                calls,
                targets if precision == "float32" else {"best": None},
            )


def compare_spheres(
    library: str, where: list[Environment], threads: int, rounds: int, calls: int
) -> Iterator[report.Row]:
    """The rows of samples on a sphere: ratios of this library to another."""
    environment, target = SPHERES[library]
    other = peer(environment, threads)
    yield from in_turn(
        f"sample with gradients against {library}",
        partial(other.serve, getattr(spheres, library), *SPHERE),
        {
            environment.name: partial(environment.serve, spheres.ours, *SPHERE)
            for environment in where
        },
        rounds,
        calls,
        {"best": target},
    )


def compare_angles(where: Environment, threads: int) -> Iterator[report.Row]:
    """The rows of the errors under the elements of groups, of this library and of escnn."""
    other = peer("escnn", threads)
    for group in angles.FIELDS:
        theirs = other.run(angles.errors, "escnn", group, RANDOM_NETWORKS)
        ours = where.run(angles.errors, "keras_gcnn", group, RANDOM_NETWORKS)
        row = report.comparison(
            f"{group}, {UNDER_ELEMENTS}, %, against escnn",
            100 * statistics.mean(theirs),
            100 * statistics.mean(ours),
            target=ANGLES_TARGET,
        )
        yield {"backend": where.name, **row}


def slopes(where: list[Environment], threads: int) -> Iterator[str]:
    """One line for each library: the error of its gradient in the concentration."""
    _, dim, kappa = SPHERE
    expected = spheres.expected_slope(dim, kappa)
    libraries = {
        f"keras_gcnn on {environment.name}": (environment, "ours") for environment in where
    }
    libraries["TensorFlow Probability"] = (peer("tfp", threads), "tfp")
    for name, (environment, library) in libraries.items():
        slope = environment.run(spheres.slope, library, 200_000, dim, kappa)
        yield (
            f"{name}: the gradient in the concentration, averaged over 200,000 samples, is off by "
            f"{100 * (slope / expected - 1):+.1f} %."
        )


def spans(threads: int) -> Iterator[str]:
    """One line for each group: whether escnn's kernels are among those of this library."""
    other = peer("escnn", threads)
    for group in kernels.GROUPS:
        bases = other.run(kernels.theirs, group)
        their_count, our_count, distance = kernels.compared(group, bases)
        yield (
            f"Between the irreps of {group} up to frequency {kernels.FREQUENCY}, escnn has "
            f"{their_count} kernels of {kernels.KERNEL}x{kernels.KERNEL}, and this library has "
            f'{our_count} with `band_limit="escnn"`; the distance of an escnn kernel from their '
            f"span is at most {distance:.0e} of the kernel."
        )


def others(
    path: Path, header: str, names: list[str]
) -> tuple[list[report.Row], dict[str, list[str]]]:
    """The rows and the notes of an earlier page that are not of these comparisons."""
    rows = [{"comparison": _comparison_of(row), **row} for row in report.read_rows(path, header)]
    notes = report.read(path).get("notes", {})
    return (
        [row for row in rows if row["comparison"] not in names],
        {name: lines for name, lines in notes.items() if name not in names},
    )


def _comparison_of(row: report.Row) -> str:
    """The comparison of a row; earlier files have it in the text alone."""
    if "comparison" in row:
        return row["comparison"]
    if UNDER_ELEMENTS in row["what"]:
        return ANGLES
    words = re.findall(r"\w+", row["what"])
    return next((name for name in COMPARISONS if name in words), "")


def main(
    names: Annotated[list[str] | None, typer.Argument(help=f"Of {', '.join(COMPARISONS)}.")] = None,
    backend: command.Backends = tuple(command.EVERY),
    threads: Annotated[
        int, typer.Option(min=1, max=os.cpu_count(), help="Cores that each process may use.")
    ] = (os.cpu_count() or 1),
    batch_size: command.BatchSize = 64,
    rounds: Annotated[int, typer.Option(min=2, help="Turns of each process.")] = 8,
    calls: Annotated[int, typer.Option(min=1, help="Timed calls in a turn.")] = 2,
    precision: Annotated[
        list[str], typer.Option(help="Of networks; default float32 and bfloat16.")
    ] = tuple(PRECISIONS),
    device: Annotated[str, typer.Option(help="Of networks: cpu or gpu.")] = "cpu",
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
        replace(one, threads=threads)
        for one in command.environments(backend, [device], "channels_last")
    ]
    machine = report.describe(environment.backend for environment in where)
    header = f"{machine}, {threads} threads, batch {batch_size}"
    print(header)
    chosen = (set(names), set(backend), set(precision))
    if device != "cpu" and not set(names) <= set(NETWORKS):
        raise SystemExit(f"On a GPU only networks are compared: {', '.join(NETWORKS)}.")
    whole = chosen == (set(COMPARISONS), set(command.EVERY), set(PRECISIONS)) and device == "cpu"
    folder = command.destination(folder, again or whole)
    kept, notes = others(folder / "measured_peers.json", header, names) if again else ([], {})
    table = report.Table(kept)
    for number, name in enumerate(names, start=1):
        notes[name] = []
        try:
            if name == ANGLES:
                rows = compare_angles(where[0], threads)
            elif name in NETWORKS:
                rows = compare_networks(name, where, threads, batch_size, rounds, calls, precision)
            else:
                rows = compare_spheres(name, where, threads, rounds, 20 * calls)
            for row in rows:
                table.add({"comparison": name, **row})
            if name == "tfp":
                notes[name] += slopes(where, threads)
            if name == ANGLES:
                notes[name] += spans(threads)
        except Failed as failure:
            notes[name].append(f"{name} skipped: {failure.reason}.")
        title = "Measured beside others"
        table.write(folder, "measured_peers", title, header, NOTES, names[number:], notes)
    print("\n".join(line for name in names for line in notes[name]))
    if not table.rows:
        raise SystemExit("No peer could be measured; nothing is written.")


if __name__ == "__main__":
    typer.run(main)
