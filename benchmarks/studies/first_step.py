"""How long the first training step takes on JAX, which compiles it, and what shortens it.

Nearly all of the time is XLA's compilation of one program, the whole step. JAX can keep compiled
programs in a folder, from which a later process with the same network reads them. A flag makes XLA
optimise less. Every time in the table is that of a new process.

    python -m benchmarks.studies.first_step
    python -m benchmarks.studies.first_step --rounds 5
"""

from __future__ import annotations

import os
import statistics
import tempfile
from typing import Annotated

import typer

from benchmarks.common import command, harness, report
from benchmarks.common.environments import Environment

NETWORKS = {"cohen_cnn": ("z2", "p4", "p4m"), "so2cnn": ("so2",)}
LATER = 5  # steps after the first
LESS = "--xla_backend_optimization_level=1"


def steps(builder: str, group: str, cache: str | None, flags: str) -> dict[str, float]:
    """Seconds of the first step, and of a later one."""
    if cache:
        os.environ["JAX_COMPILATION_CACHE_DIR"] = cache
        os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    if flags:  # before JAX starts
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {flags}".strip()

    from keras_gcnn import zoo

    network = getattr(zoo, builder)(*(() if group == "so2" else (group,)))
    model = harness.compile_classifier(network)
    data = harness.batch(64, (28, 28, 1))
    first, *later = (
        harness.seconds_of(lambda: model.train_on_batch(*data)) for _ in range(1 + LATER)
    )
    return {"first": first, "later": min(later)}


def main(
    rounds: Annotated[int, typer.Option(min=1, help="Processes for each time.")] = 3,
    output: command.Output = None,
) -> None:
    """Prints a row for each network: seconds of the first step with each setting."""
    header = report.describe(["jax"])
    print(header)
    environment, table = Environment("jax"), report.Table()
    for builder, groups in NETWORKS.items():
        for group in groups:
            with tempfile.TemporaryDirectory() as cache:
                environment.run(steps, builder, group, cache, "")  # fills it
                measured = [
                    [environment.run(steps, builder, group, folder, flags) for _ in range(rounds)]
                    for folder, flags in ((None, ""), (cache, ""), (None, LESS))
                ]
            plain, cached, less = (
                statistics.median(one["first"] for one in each) for each in measured
            )
            row = {
                "network": f"{builder}, {group}",
                "first step, s": round(plain, 1),
                "program in a folder, s": round(cached, 1),
                "optimised less, s": round(less, 1),
                "later step, ms": round(1000 * min(one["later"] for one in measured[0])),
                "later step, optimised less, ms": round(
                    1000 * min(one["later"] for one in measured[2])
                ),
            }
            table.add(row)
            table.write_json(output, header)


if __name__ == "__main__":
    typer.run(main)
