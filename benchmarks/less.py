"""Equivariance for less than nothing: a small P4 network that errs no more than the plain one.

On rotated MNIST, with the errors that `zoo/results` has: the plain network of `rotated_mnist`,
Z2CNN, and the smallest P4 network of `rotated_mnist_small` whose error is not larger.

    python benchmarks/less.py
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import command
import harness
import report
import typer
from places import BACKENDS, Place

RESULTS = Path(__file__).resolve().parents[1] / "zoo" / "results"
PLAIN = ("rotated_mnist", "Z2CNN")
SMALL = "rotated_mnist_small"
TARGET = 0.7
SHAPE = (28, 28, 1)
SMALLEST = {"batch_size": 2, "steps": 2}


def errors(recipe: str) -> dict[str, tuple[int, float]]:
    """Parameters and mean test error in percent of every network of a recipe, by its name."""
    content = json.loads((RESULTS / recipe / "results.json").read_text(encoding="utf-8"))
    found: dict[str, list[dict]] = {}
    for result in content["results"]:
        found.setdefault(result["network"], []).append(result)
    return {
        name: (own[0]["parameters"], statistics.mean(one["errors"]["test"] for one in own))
        for name, own in found.items()
    }


def choose() -> dict[str, tuple[str, int, float]]:
    """The two networks: name, parameters and error."""
    plain = errors(PLAIN[0])[PLAIN[1]]
    enough = {
        name: found for name, found in errors(SMALL).items() if found[1] <= plain[1]
    }  # its networks are on P4
    name = min(enough, key=lambda one: enough[one][0])
    return {"plain": (PLAIN[1], *plain), "small": (name, *enough[name])}


def measure(batch_size: int, steps: int) -> dict:
    """Times of training steps and of calls of both, in turn."""
    import keras

    from keras_gcnn import zoo
    from keras_gcnn.training import load_recipe

    models = {}
    for which, (name, *_) in choose().items():
        recipe = load_recipe(PLAIN[0] if which == "plain" else SMALL)
        (table,) = (one for one in recipe.models if one.name == name)
        keras.utils.set_random_seed(0)
        models[which] = harness.compile_classifier(getattr(zoo, table.builder)(**table.arguments))
    data = harness.batch(batch_size, harness.in_format(SHAPE))
    train = {name: partial(model.train_on_batch, *data) for name, model in models.items()}
    infer = {name: partial(model.predict_on_batch, data[0]) for name, model in models.items()}
    return {"step": harness.alternate(train, steps), "call": harness.alternate(infer, steps)}


def compare(place: Place, batch_size: int = 64, steps: int = 20) -> Iterator[report.Row]:
    """The rows of one backend: the small P4 network over the plain one."""
    both = choose()
    names = {
        key: f"{name} ({count:,} parameters, {error:.2f} % wrong)"
        for key, (name, count, error) in both.items()
    }
    timed = place.run(measure, batch_size, steps)
    what = f"{names['small']} against {names['plain']}"
    yield report.times(f"{what}, training step", timed["step"], "small", "plain", TARGET)
    yield report.times(f"{what}, inference", timed["call"], "small", "plain", TARGET)


def main(
    backend: command.Backends = BACKENDS,
    device: command.Devices = [],  # noqa: B006
    data_format: command.DataFormat = "channels_last",
    batch_size: command.BatchSize = 64,
    steps: command.Steps = 20,
    output: command.Output = None,
) -> None:
    """Prints a table of ratios to the plain network."""
    compared = partial(compare, batch_size=batch_size, steps=steps)
    command.show("less", compared, command.places(backend, device, data_format), output)


if __name__ == "__main__":
    typer.run(main)
