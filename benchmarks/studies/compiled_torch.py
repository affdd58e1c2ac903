"""`torch.compile` of the zoo's networks: a training step and inference, beside eager PyTorch.

Both run the same network in a loop of one's own, as in `docs/own_loop.md`. They take their turns in
one process, so that a passing load slows both down. The seconds of the first call are those of the
compiler, which needs a C++ compiler on the machine.

    python -m benchmarks.studies.compiled_torch
    python -m benchmarks.studies.compiled_torch --network cohen_cnn --group p4m
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from benchmarks.common import command, harness, report
from benchmarks.common.environments import Environment

BATCH = 32
# Builders by name: groups, shape of an image, options.
NETWORKS: dict[str, tuple[tuple[str, ...], tuple[int, int, int], dict[str, Any]]] = {
    "lenet": (("z2", "p4"), (28, 28, 1), {}),
    "cohen_cnn": (("z2", "p4", "p4m"), (28, 28, 1), {}),
    "so2cnn": (("so2",), (28, 28, 1), {}),
    "resnet20": (("z2", "p4"), (32, 32, 3), {"parameters": 150_000}),
}


def actions(builder: str, group: str, compiled: bool) -> dict[str, Callable[[], Any]]:
    """A training step and inference of a network."""
    import keras
    import torch

    from keras_gcnn import zoo

    _, shape, options = NETWORKS[builder]
    keras.utils.set_random_seed(0)
    build = getattr(zoo, builder)
    network = build(input_shape=shape, **options, **({} if group == "so2" else {"group": group}))
    images, labels = (torch.from_numpy(each) for each in harness.batch(BATCH, shape))
    forward = torch.compile(network) if compiled else network
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)

    def step() -> None:
        network.train()
        optimizer.zero_grad()
        logits = forward(images, training=True)
        torch.nn.functional.cross_entropy(logits, labels).backward()
        optimizer.step()

    def infer() -> None:
        with torch.no_grad():  # in its inference mode the compiler fails on tables of NumPy
            forward(images, training=False)

    return {"step": step, "inference": infer}


def measure(builder: str, group: str, steps: int) -> tuple[harness.Timed, dict[str, float]]:
    """Times both forms in turn; also returns the seconds of the first call of each action."""
    every = {
        f"{name}, {action}": call
        for name, compiled in (("eager", False), ("compiled", True))
        for action, call in actions(builder, group, compiled).items()
    }
    first = {name: harness.seconds_of(call) for name, call in every.items()}
    return harness.alternate(every, steps, warm_up=2), first


def main(
    network: Annotated[
        list[str], command.choice_option("--network", "network to measure", NETWORKS)
    ] = list(NETWORKS),  # noqa: B006
    steps: command.Steps = 10,
    output: command.Output = None,
) -> None:
    """Prints the ratios of compiled to eager calls."""
    header = f"{report.describe(['torch'])}, batch {BATCH}"
    print(header)
    table = report.Table()
    for builder in network:
        for group in NETWORKS[builder][0]:
            timed, first = Environment("torch").run(measure, builder, group, steps)
            for action in ("step", "inference"):
                low, middle, high = harness.ratio(timed, f"compiled, {action}", f"eager, {action}")
                row = {
                    "network": f"{builder}, {group}",
                    "what": action,
                    "eager, ms": round(harness.median(timed, f"eager, {action}"), 1),
                    "compiled, ms": round(harness.median(timed, f"compiled, {action}"), 1),
                    "ratio": f"{middle:.2f} ({low:.2f}-{high:.2f})",
                    "first compiled call, s": round(first[f"compiled, {action}"], 1),
                }
                table.add(row)
                table.write_json(output, header)


if __name__ == "__main__":
    typer.run(main)
