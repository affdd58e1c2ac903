"""Times the training steps of a recipe's networks in turn.

Seconds of an epoch in the tables of a training include whatever else ran on the machine. Here the
networks of a recipe take their steps one after the other, on random images, so that a passing load
slows all of them down.

    python -m benchmarks.studies.recipe_steps equal_cost
    python -m benchmarks.studies.recipe_steps equal_cost --backend jax --steps 20
"""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from benchmarks.common import command, harness, report
from benchmarks.common.environments import BACKENDS, Environment


def time_steps(recipe: str, steps: int) -> tuple[harness.Timed, dict[str, tuple[int, int]], int]:
    """Times the steps; also returns parameters and multiply-adds, and the batches of an epoch."""
    from keras_gcnn import analysis, training
    from keras_gcnn.training.inputs.datasets import load_dataset
    from keras_gcnn.training.runs.networks import build_network

    loaded = training.load_recipe(recipe)
    dataset = load_dataset(loaded.data, seed=0)
    size = loaded.training.batch_size
    data = harness.batch(size, dataset.image_shape, len(dataset.classes))
    models = {
        each.name: build_network(each, dataset, seed=0, dtype=loaded.training.dtype)
        for each in loaded.models
    }
    costs = {
        name: (model.count_params(), analysis.cost(model).multiply_adds)
        for name, model in models.items()
    }
    actions = {
        name: partial(harness.compile_classifier(model).train_on_batch, *data)
        for name, model in models.items()
    }
    return harness.alternate(actions, steps), costs, -(-len(dataset.train) // size)


def main(
    recipe: Annotated[str, typer.Argument(help="Name of a recipe of classifiers.")],
    backend: command.Backends = BACKENDS,
    steps: Annotated[int, typer.Option(min=2, help="Timed steps of each network.")] = 10,
    output: command.Output = None,
) -> None:
    """Prints milliseconds of a step and seconds of an epoch for every network."""
    backend = command.chosen("backend", backend, BACKENDS)
    header = report.describe(backend)
    print(header)
    table = report.Table()
    for each in backend:
        timed, costs, batches = Environment(each).run(time_steps, recipe, steps)
        first = next(iter(timed))
        for name, (parameters, multiply_adds) in costs.items():
            low, middle, high = harness.ratio(timed, name, first)
            milliseconds = harness.median(timed, name)
            row = {
                "network": name,
                "backend": each,
                "parameters": parameters,
                "multiply-adds": multiply_adds,
                "step, ms": round(milliseconds, 1),
                "epoch, s": round(milliseconds * batches / 1000, 1),
                f"step against {first}": f"{middle:.2f} ({low:.2f}-{high:.2f})",
            }
            table.add(row)
            table.write_json(output, header)


if __name__ == "__main__":
    typer.run(main)
