"""A small P4 network against a larger plain network with a larger error.

Both are trained on rotated MNIST, and their errors are in `zoo/results`: the plain network of
`rotated_mnist`, Z2CNN, and the smallest P4 network of `rotated_mnist_small` that is as good.

    python -m benchmarks.suite.small_equivariant
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from benchmarks.common import command, harness, report
from benchmarks.common.environments import Environment

RESULTS = Path(__file__).resolve().parents[2] / "zoo" / "results"
PLAIN = ("rotated_mnist", "Z2CNN")
SMALL = "rotated_mnist_small"
TARGET = 0.7
SHAPE = (28, 28, 1)
SMALLEST = {"batch_size": 2, "steps": 2}


def errors(recipe: str) -> dict[str, tuple[int, float]]:
    """Parameters and mean test error in percent of every network of a recipe, by its name."""
    content = json.loads((RESULTS / recipe / "results.json").read_text(encoding="utf-8"))
    by_network: dict[str, list[dict]] = {}
    for result in content["results"]:
        by_network.setdefault(result["network"], []).append(result)
    return {
        name: (
            results[0]["parameters"],
            statistics.mean(result["errors"]["test"] for result in results),
        )
        for name, results in by_network.items()
    }


def choose() -> dict[str, tuple[str, int, float]]:
    """The two networks: name, parameters and error."""
    plain = errors(PLAIN[0])[PLAIN[1]]
    candidates = {
        name: (count, error) for name, (count, error) in errors(SMALL).items() if error <= plain[1]
    }
    name = min(candidates, key=lambda candidate: candidates[candidate][0])
    return {"plain": (PLAIN[1], *plain), "small": (name, *candidates[name])}


def measure(batch_size: int, steps: int) -> dict:
    """Times training steps and calls of both networks in turn."""
    import keras

    from keras_gcnn import zoo
    from keras_gcnn.training import load_recipe

    models = {}
    for which, (name, *_) in choose().items():
        recipe = load_recipe(PLAIN[0] if which == "plain" else SMALL)
        (table,) = (model for model in recipe.models if model.name == name)
        keras.utils.set_random_seed(0)
        models[which] = harness.compile_classifier(getattr(zoo, table.builder)(**table.arguments))
    data = harness.batch(batch_size, harness.in_format(SHAPE))
    train = {name: partial(model.train_on_batch, *data) for name, model in models.items()}
    infer = {name: partial(model.predict_on_batch, data[0]) for name, model in models.items()}
    return {"step": harness.alternate(train, steps), "call": harness.alternate(infer, steps)}


def compare(
    environment: Environment, batch_size: command.BatchSize = 64, steps: command.Steps = 20
) -> Iterator[report.Row]:
    """The rows of one environment: ratios of the small P4 network to the plain one."""
    both = choose()
    names = {
        key: f"{name} ({count:,} parameters, {error:.2f} % wrong)"
        for key, (name, count, error) in both.items()
    }
    timed = environment.run(measure, batch_size, steps)
    what = f"{names['small']} against {names['plain']}"
    yield report.times(f"{what}, training step", timed["step"], "small", "plain", TARGET)
    yield report.times(f"{what}, inference", timed["call"], "small", "plain", TARGET)


if __name__ == "__main__":
    command.run("small_equivariant", compare)
