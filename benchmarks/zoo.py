"""Training step, inference and peak memory of the zoo's networks on groups against ordinary ones.

At equal parameters every network has the same number of weights, and the separable ones are about
three times wider. At equal width a separable network has the widths of the full one on its group.
Times are ratios to Z2 of the same builder, taken in turn in one process.

    python benchmarks/zoo.py
    python benchmarks/zoo.py --builder cohen_cnn --backend torch --steps 20
"""

from __future__ import annotations

import math
import statistics
from functools import partial
from pathlib import Path
from typing import Annotated

import harness
import typer

# Builder, its image and the parameters at which networks are compared.
BUILDERS = {
    "lenet": ((28, 28, 1), 50_000),
    "cohen_cnn": ((28, 28, 1), 25_000),
    "allcnn": ((32, 32, 3), 85_000),
    "resnet20": ((32, 32, 3), 70_000),
}
STRIDED = ("allcnn", "resnet20")


def networks(builder: str) -> dict[str, dict]:
    """Arguments of the networks that are compared, by what the table calls them."""
    from keras_gcnn import zoo

    _, parameters = BUILDERS[builder]
    found = {}
    for group in ("z2", "p4", "p4m"):
        full = {"group": group, "parameters": parameters}
        found[group.upper()] = full
        if group == "z2":
            continue
        if builder in STRIDED:
            found[f"{group.upper()}, strides (not equivariant)"] = {
                **full,
                "downsampling": "stride",
            }
        widths = getattr(zoo, builder)(**full).widths
        found[f"{group.upper()}-gc, equal parameters"] = {**full, "convolution": "gc"}
        found[f"{group.upper()}-gc, equal width"] = {
            "group": group,
            "widths": list(widths),
            "convolution": "gc",
        }
    return found


def build(builder: str, arguments: dict):
    """A compiled network."""
    import warnings

    import keras

    from keras_gcnn import layers, zoo

    keras.utils.set_random_seed(0)
    with warnings.catch_warnings():  # of strides, which the table names
        warnings.simplefilter("ignore", layers.EquivarianceWarning)
        return harness.compile_classifier(getattr(zoo, builder)(**arguments))


def measure(builder: str, batch_size: int, steps: int) -> dict:
    """Parameters, widths and seconds of the steps of every network."""
    shape, _ = BUILDERS[builder]
    data = harness.batch(batch_size, shape)
    models = {name: build(builder, arguments) for name, arguments in networks(builder).items()}
    train = {name: partial(model.train_on_batch, *data) for name, model in models.items()}
    infer = {name: partial(model.predict_on_batch, data[0]) for name, model in models.items()}
    facts = {
        name: {
            "parameters": sum(math.prod(one.shape) for one in model.trainable_variables),
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
    """MiB that the network, its data and ten training steps take, the imports left out."""
    data = harness.batch(batch_size, BUILDERS[builder][0])
    return harness.added_memory(lambda: partial(build(builder, arguments).train_on_batch, *data))


def compare(table: harness.TablePrinter, backend: str, builder: str, batch_size: int, steps: int):
    """Adds the rows of a builder to the table."""
    run = partial(harness.run_worker, __file__, backend)
    measured = run("measure", builder, batch_size, steps)
    arguments = run("networks", builder)
    memory = {name: run("peak_memory", builder, one, batch_size) for name, one in arguments.items()}
    for name, facts in measured["facts"].items():
        train = harness.ratio(measured["train"], name, "Z2")
        infer = harness.ratio(measured["infer"], name, "Z2")
        table.add(
            {
                "backend": backend,
                "builder": builder,
                "network": name,
                **facts,
                "step, ms": round(1000 * statistics.median(measured["train"][name]), 1),
                "step / Z2": train["ratio"],
                "quartiles": train["quartiles"],
                "inference / Z2": infer["ratio"],
                "memory / Z2": round(memory[name] / memory["Z2"], 2),
            }
        )
    for group in ("P4", "P4M"):
        gc = harness.ratio(measured["train"], f"{group}-gc, equal width", group)
        print(
            f"{builder}, {backend}: {group}-gc takes {gc['ratio']} ({gc['quartiles']}) of the "
            f"training step of {group} at equal width"
        )
        strided = f"{group}, strides (not equivariant)"
        if strided in measured["train"]:
            exact = harness.ratio(measured["train"], group, strided)
            print(
                f"{builder}, {backend}: exact downsampling takes {exact['ratio']} "
                f"({exact['quartiles']}) of the training step of strides on {group}"
            )


def main(
    backend: Annotated[list[str], typer.Option(help="Backends to measure.")] = ["tensorflow"],  # noqa: B006
    builder: Annotated[list[str], typer.Option(help="Builders.")] = list(BUILDERS),  # noqa: B006
    batch_size: Annotated[int, typer.Option(help="Images per step.")] = 64,
    steps: Annotated[int, typer.Option(help="Timed steps of each network.")] = 15,
    output: Annotated[Path | None, typer.Option(help="JSON file to write the rows to.")] = None,
    worker: Annotated[str | None, typer.Option(hidden=True)] = None,
) -> None:
    """Prints a table of ratios to the ordinary network."""
    if worker:
        tasks = {"measure": measure, "networks": networks, "peak_memory": peak_memory}
        harness.answer(worker, tasks)
        return
    unknown = [one for one in builder if one not in BUILDERS]
    if unknown:
        raise SystemExit(f"{unknown[0]!r} is none of the builders {', '.join(BUILDERS)}.")
    header = f"{harness.describe(backend)}; batch {batch_size}, {steps} steps, seed 0"
    print(header)
    table = harness.TablePrinter()
    for one in backend:
        for name in builder:
            compare(table, one, name, batch_size, steps)
    table.write(output, header)


if __name__ == "__main__":
    typer.run(main)
