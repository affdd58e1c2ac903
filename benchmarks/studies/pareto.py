"""Error against time: test errors of `zoo/results` against the training step of each network.

The errors are those of the results. The times are measured here: all networks of one recipe in turn
in one process, on images of its data set. The error is that of the upright test images, or of
rotated ones where the recipe is about these. A network is on the front if no other network of its
recipe is both faster and better.

    python -m benchmarks.studies.pareto --plot docs/error_against_time.png
"""

from __future__ import annotations

import json
import math
import statistics
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.common import command, harness, report
from benchmarks.common.environments import BACKENDS, Environment

RESULTS = Path(__file__).resolve().parents[2] / "zoo" / "results"
LEFT_OUT = ("table2_allcnn", "table2_steps")  # too few steps to judge accuracy
ROTATED = ("upright_to_rotated",)  # recipes that test on rotated images


def read_results() -> dict[str, dict[str, dict]]:
    """By recipe and network, for recipes of several: parameters, and the errors of all seeds."""
    by_recipe: dict[str, dict[str, dict]] = {}
    for path in sorted(RESULTS.glob("*/results.json")):
        results = json.loads(path.read_text(encoding="utf-8"))["results"]
        if (
            path.parent.name in LEFT_OUT or "errors" not in results[0]
        ):  # the errors are missing for autoencoders
            continue
        networks = by_recipe.setdefault(path.parent.name, {})
        for result in results:
            network = networks.setdefault(
                result["network"], {"parameters": result["parameters"], "errors": []}
            )
            network["errors"].append(result["errors"][error_of(path.parent.name)])
    return {recipe: networks for recipe, networks in by_recipe.items() if len(networks) > 1}


def error_of(recipe: str) -> str:
    """Name of the error in a recipe's results that is plotted."""
    return "any angle" if recipe in ROTATED else "test"


def measure(name: str, batch_size: int, steps: int) -> dict[str, float]:
    """Median milliseconds of a step of every network of a recipe that has a result."""
    from keras_gcnn import data, zoo
    from keras_gcnn.training import load_recipe

    recipe, results = load_recipe(name), read_results()[name]
    small = data.load(recipe.data.name, subset=100, test_subset=100)
    shape, classes = small.image_shape, len(small.classes)
    batch = harness.batch(batch_size, shape, classes)
    actions = {}
    for model in recipe.models:
        if model.name in results:
            network = getattr(zoo, model.builder)(
                input_shape=shape, classes=classes, **model.arguments
            )
            compiled = harness.compile_classifier(network)
            actions[model.name] = partial(compiled.train_on_batch, *batch)
    timed = harness.alternate(actions, steps)
    return {name: harness.median(timed, name) for name in timed}


def on_front(rows: list[dict], row: dict) -> bool:
    """Whether no network of the same recipe is both faster and better."""
    return not any(
        other["recipe"] == row["recipe"]
        and other["step, ms"] <= row["step, ms"]
        and other["error, %"] < row["error, %"]
        for other in rows
    )


def plot(rows: list[dict], path: Path, note: str) -> None:
    """Plots one panel for each recipe; a line joins the front."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    recipes = list(dict.fromkeys(row["recipe"] for row in rows))
    columns = min(len(recipes), 4)
    lines = math.ceil(len(recipes) / columns)
    figure = Figure(figsize=(4.2 * columns, 3.8 * lines), layout="constrained")
    FigureCanvasAgg(figure)
    panels = list(figure.subplots(lines, columns, squeeze=False).flat)
    for unused in panels[len(recipes) :]:
        unused.set_axis_off()
    for axes, recipe in zip(panels, recipes, strict=False):
        points = sorted(
            (row for row in rows if row["recipe"] == recipe), key=lambda row: row["step, ms"]
        )
        front = [row for row in points if row["on the front"]]
        axes.plot(
            [row["step, ms"] for row in front], [row["error, %"] for row in front], color="0.7"
        )
        for row in points:
            axes.errorbar(row["step, ms"], row["error, %"], row["deviation, %"], fmt="o", capsize=3)
            axes.annotate(
                row["network"],
                (row["step, ms"], row["error, %"]),
                xytext=(5, 5),
                textcoords="offset points",
                fontsize=8,
            )
        axes.set(xlabel="training step (ms)", ylabel=f"{error_of(recipe)} error (%)", title=recipe)
        axes.margins(0.2)
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
    figure.supxlabel(note, fontsize=7, color="0.35")
    figure.savefig(path, dpi=150)


def main(
    backend: Annotated[str, typer.Option(help="Backend to measure on.")] = "tensorflow",
    batch_size: command.BatchSize = 128,
    steps: command.Steps = 10,
    plot_to: Annotated[
        Path | None, typer.Option("--plot", help="Image file to plot error against time in.")
    ] = None,
    output: command.Output = None,
) -> None:
    """Prints error and training step of every trained network, and plots them."""
    command.chosen("backend", [backend], BACKENDS)
    header = f"{report.describe([backend])}; batch {batch_size}, {steps} steps"
    print(header)
    rows = []
    for recipe, networks in read_results().items():
        print(f"timing {len(networks)} networks of {recipe} ...", flush=True)
        milliseconds = Environment(backend).run(measure, recipe, batch_size, steps)
        for name, network in networks.items():
            errors = network["errors"]
            rows.append(
                {
                    "recipe": recipe,
                    "network": name,
                    "parameters": network["parameters"],
                    "step, ms": round(milliseconds[name], 1),
                    "error, %": round(statistics.mean(errors), 2),
                    "deviation, %": round(statistics.stdev(errors), 2) if errors[1:] else 0,
                }
            )
    table = report.Table()
    for row in rows:
        row["on the front"] = on_front(rows, row)
        table.add(row)
    table.write_json(output, header)
    if plot_to and rows:
        plot(rows, plot_to, header)


if __name__ == "__main__":
    typer.run(main)
