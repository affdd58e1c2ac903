"""Error against time: the networks whose results are in `zoo/results`, with the step of each.

The errors are those of the results; the times are measured here, of all networks of one recipe in
turn in one process, on images of its data set. The error is that of the test images as they are,
or turned by any angle if the recipe is about these. A network is on the front if no other of its
recipe is both faster and better.

    python benchmarks/pareto.py --picture docs/error_against_time.png
"""

from __future__ import annotations

import json
import math
import statistics
from functools import partial
from pathlib import Path
from typing import Annotated

import command
import harness
import report
import typer
from places import BACKENDS, Place

RESULTS = Path(__file__).resolve().parents[1] / "zoo" / "results"
LEFT_OUT = ("table2_steps",)  # 200 steps say nothing of accuracy
TURNED = ("upright_to_rotated",)  # recipes about images that are turned for the test


def read_results() -> dict[str, dict[str, dict]]:
    """By recipe of several networks, and network: parameters, and the errors of all seeds."""
    found: dict[str, dict[str, dict]] = {}
    for path in sorted(RESULTS.glob("*/results.json")):
        results = json.loads(path.read_text(encoding="utf-8"))["results"]
        if path.parent.name in LEFT_OUT or "errors" not in results[0]:  # of autoencoders
            continue
        networks = found.setdefault(path.parent.name, {})
        for one in results:
            network = networks.setdefault(
                one["network"], {"parameters": one["parameters"], "errors": []}
            )
            network["errors"].append(one["errors"][kind_of_error(path.parent.name)])
    return {recipe: networks for recipe, networks in found.items() if len(networks) > 1}


def kind_of_error(recipe: str) -> str:
    """Which error of a recipe's results is looked at."""
    return "any angle" if recipe in TURNED else "test"


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


def draw(rows: list[dict], path: Path, note: str) -> None:
    """One panel per recipe; the front is a line."""
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
        own = sorted(
            (row for row in rows if row["recipe"] == recipe), key=lambda row: row["step, ms"]
        )
        front = [row for row in own if row["on the front"]]
        axes.plot(
            [row["step, ms"] for row in front], [row["error, %"] for row in front], color="0.7"
        )
        for row in own:
            axes.errorbar(row["step, ms"], row["error, %"], row["deviation, %"], fmt="o", capsize=3)
            axes.annotate(
                row["network"],
                (row["step, ms"], row["error, %"]),
                xytext=(5, 5),
                textcoords="offset points",
                fontsize=8,
            )
        axes.set(
            xlabel="training step (ms)", ylabel=f"{kind_of_error(recipe)} error (%)", title=recipe
        )
        axes.margins(0.2)
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
    figure.supxlabel(note, fontsize=7, color="0.35")
    figure.savefig(path, dpi=150)


def main(
    backend: Annotated[str, typer.Option(help="Backend to measure on.")] = "tensorflow",
    batch_size: command.BatchSize = 128,
    steps: command.Steps = 10,
    picture: Annotated[Path | None, typer.Option(help="Where to draw it.")] = None,
    output: command.Output = None,
) -> None:
    """Prints error and training step of every network that was trained, and draws them."""
    command.chosen("backend", [backend], BACKENDS)
    header = f"{report.describe([backend])}; batch {batch_size}, {steps} steps"
    print(header)
    rows = []
    for recipe, networks in read_results().items():
        print(f"timing {len(networks)} networks of {recipe} ...", flush=True)
        milliseconds = Place(backend).run(measure, recipe, batch_size, steps)
        for name, found in networks.items():
            errors = found["errors"]
            rows.append(
                {
                    "recipe": recipe,
                    "network": name,
                    "parameters": found["parameters"],
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
    if picture and rows:
        draw(rows, picture, header)


if __name__ == "__main__":
    typer.run(main)
