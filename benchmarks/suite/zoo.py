"""Training step, inference and peak memory of networks on groups against ordinary ones.

At equal parameters all networks have the same number of weights, and separable ones are about three
times wider. At equal width a separable network has the widths of the full one on its group. Times
are ratios to Z2 of the same builder, measured in turn in one process.

    python -m benchmarks.suite.zoo
    python -m benchmarks.suite.zoo --builder cohen_cnn --backend torch --steps 20
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Annotated

from benchmarks.common import command, harness, report
from benchmarks.common.environments import Environment

# By builder: its image and the number of parameters at which networks are compared.
BUILDERS = {
    "lenet": ((28, 28, 1), 50_000),
    "cohen_cnn": ((28, 28, 1), 25_000),
    "allcnn": ((32, 32, 3), 85_000),
    "resnet20": ((32, 32, 3), 70_000),
}
Builders = Annotated[list[str], command.choice_option("--builder", "builder", BUILDERS)]
STRIDED = ("allcnn", "resnet20")
SMALLEST = {"batch_size": 2, "steps": 2, "builders": ("lenet",)}


def networks(builder: str) -> dict[str, dict]:
    """Arguments of the compared networks, by their names in the table."""
    from keras_gcnn import zoo

    _, parameters = BUILDERS[builder]
    compared = {}
    for group in ("z2", "p4", "p4m"):
        full = {"group": group, "parameters": parameters}
        compared[group.upper()] = full
        if group == "z2":
            continue
        if builder in STRIDED:
            compared[f"{group.upper()}, strides (not equivariant)"] = {
                **full,
                "downsampling": "stride",
            }
        widths = getattr(zoo, builder)(**full).widths
        compared[f"{group.upper()}-gc, equal parameters"] = {**full, "convolution": "gc"}
        compared[f"{group.upper()}-gc, equal width"] = {
            "group": group,
            "widths": list(widths),
            "convolution": "gc",
        }
    return compared


def build(builder: str, arguments: dict):
    """A compiled network."""
    import warnings

    import keras

    from keras_gcnn import layers, zoo

    keras.utils.set_random_seed(0)
    with warnings.catch_warnings():  # about strides, which the table names
        warnings.simplefilter("ignore", layers.EquivarianceWarning)
        return harness.compile_classifier(getattr(zoo, builder)(**arguments))


def measure(builder: str, batch_size: int, steps: int) -> dict:
    """Parameters and widths of every network, and times of training steps and calls in turn."""
    shape, _ = BUILDERS[builder]
    data = harness.batch(batch_size, harness.in_format(shape))
    models = {name: build(builder, arguments) for name, arguments in networks(builder).items()}
    train = {name: partial(model.train_on_batch, *data) for name, model in models.items()}
    infer = {name: partial(model.predict_on_batch, data[0]) for name, model in models.items()}
    facts = {
        name: {
            "parameters": sum(math.prod(weights.shape) for weights in model.trainable_variables),
            "widths": ", ".join(map(str, model.widths)),
        }
        for name, model in models.items()
    }
    return {
        "facts": facts,
        "train": harness.alternate(train, steps),
        "infer": harness.alternate(infer, steps),
    }


def peak_memory(builder: str, arguments: dict, batch_size: int) -> float:
    """MiB that the network, its data and ten training steps take, without the imports."""
    data = harness.batch(batch_size, harness.in_format(BUILDERS[builder][0]))
    return harness.added_memory(lambda: partial(build(builder, arguments).train_on_batch, *data))


def compare(
    environment: Environment,
    batch_size: command.BatchSize = 64,
    steps: command.Steps = 8,
    builders: Builders = ("cohen_cnn",),
) -> Iterator[report.Row]:
    """The rows of one environment: ratios of networks to Z2 of their builder, and of pairs."""
    for builder in builders:
        measured = environment.run(measure, builder, batch_size, steps)
        train, infer = measured["train"], measured["infer"]
        memory = {
            name: harness.smaller_peak(environment.run, peak_memory, builder, arguments, batch_size)
            for name, arguments in environment.run(networks, builder).items()
        }
        for name, facts in measured["facts"].items():
            if name == "Z2":
                continue
            what = f"{builder} {name} ({facts['parameters']} parameters: {facts['widths']})"
            yield report.times(f"{what}, training step", train, name, "Z2")
            yield report.times(f"{what}, inference", infer, name, "Z2")
            yield report.comparison(f"{what}, peak memory, MiB", memory["Z2"], memory[name])
        for what, name, reference in pairs(train):
            yield report.times(f"{builder} {what}, training step", train, name, reference)


def pairs(timed: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    """Further comparisons: a description, a network and its reference."""
    for group in ("P4", "P4M"):
        yield f"{group}-gc against {group} of equal width", f"{group}-gc, equal width", group
        strided = f"{group}, strides (not equivariant)"
        if strided in timed:
            yield f"{group}, exact downsampling against strides", group, strided


if __name__ == "__main__":
    command.run("zoo", compare, backends=["tensorflow"], steps=15, builders=tuple(BUILDERS))
