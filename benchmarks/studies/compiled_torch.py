"""`torch.compile` of the zoo's networks: a training step and inference, beside eager PyTorch.

Both run the same network in a loop of one's own, as in `docs/own_loop.md`. They take their turns in
one process, so that a passing load slows both down. The seconds of the first call are those of the
compiler, which needs a C++ compiler on the machine.

    python -m benchmarks.studies.compiled_torch
    python -m benchmarks.studies.compiled_torch --network cohen_cnn
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Annotated, Any

import typer

from benchmarks.common import command, harness, report
from benchmarks.common.environments import Environment, Failed

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


def measure(
    builder: str, group: str, action: str, steps: int
) -> tuple[harness.Timed, dict[str, float]]:
    """Times both forms in turn; also returns the seconds of the first call of each."""
    forms = {
        name: actions(builder, group, compiled)[action]
        for name, compiled in (("eager", False), ("compiled", True))
    }
    first = {name: harness.seconds_of(call) for name, call in forms.items()}
    return harness.alternate(forms, steps, warm_up=2), first


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
        for group, action in itertools.product(NETWORKS[builder][0], ("step", "inference")):
            row = {"network": f"{builder}, {group}", "what": action}
            try:
                timed, first = Environment("torch").run(measure, builder, group, action, steps)
            except Failed:
                # PyTorch's compiler may write a program that writes past its memory.
                row["ratio"] = "the compiled program crashed"
            else:
                low, middle, high = harness.ratio(timed, "compiled", "eager")
                for name in ("eager", "compiled"):
                    row[f"{name}, ms"] = round(harness.median(timed, name), 1)
                row["ratio"] = f"{middle:.2f} ({low:.2f}-{high:.2f})"
                row["first compiled call, s"] = round(first["compiled"], 1)
            table.add(row)
            table.write_json(output, header)


if __name__ == "__main__":
    typer.run(main)
