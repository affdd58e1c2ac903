"""Publishes a finished run: its results, the models it trained, their cards, and the zoo's table.

    keras-gcnn train table1
    python zoo/publish.py table1 runs/table1 --weights mnist

Results and pictures go to `zoo/results/RECIPE`, weights of the first seed to
`keras_gcnn/zoo/trained`, from where `weights="mnist"` loads them, model cards to `zoo/cards`, and
`zoo/README.md` is written anew from all results and cards. Without `--weights` only the results are
published.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
from pathlib import Path
from typing import Annotated, Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import typer

from keras_gcnn import zoo
from keras_gcnn.training import files
from keras_gcnn.training.recipe import ModelTable, Recipe, load_recipe

ROOT = Path(__file__).resolve().parent
RESULTS = ROOT / "results"
CARDS = ROOT / "cards"
TRAINED = ROOT.parent / "keras_gcnn" / "zoo" / "trained"
LARGEST = 1_000_000  # bytes of a file that ships inside the package
LARGEST_SUM = 8_000_000


def copy_results(recipe: str, run: Path) -> dict[str, Any]:
    """Copies tables, pictures and histories of a run; returns its results."""
    target = RESULTS / recipe
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted(run.iterdir()):
        if path.suffix in (".png", ".md") or path.name == "results.json":
            shutil.copy(path, target / path.name)
    for history in sorted(run.glob("*/history.csv")):
        shutil.copy(history, target / f"{history.parent.name}.csv")
    return json.loads((target / "results.json").read_text(encoding="utf-8"))


def publish_model(
    recipe: Recipe, name: str, table: ModelTable, weights: str, run: Path, results: dict[str, Any]
) -> None:
    """Writes the weights of a network's first seed, and its card."""
    runs = [one for one in results["results"] if one["network"] == table.name]
    if not runs:
        print(f"{table.name} is not trained yet")
        return
    first = runs[0]
    trained = keras.saving.load_model(
        run / f"{table.name}-seed{first['seed']}" / "model.keras", compile=False
    )
    builder, arguments = table.builder, dict(table.arguments)
    for depth in (20, 26, 44):
        if builder == f"resnet{depth}":
            builder, arguments["depth"] = "resnet", depth
    sizes = {"input_shape": list(trained.input_shape[1:]), "classes": trained.output_shape[-1]}
    network = getattr(zoo, builder)(**arguments, **sizes, data_format="channels_last")
    # A budget is settled once for all: the widths that it led to are what was trained.
    arguments.pop("parameters", None)
    arguments["widths"] = list(network.widths)
    if isinstance(arguments.get("restrict_after"), str):
        arguments["restrict_after"] = {arguments["restrict_after"]: "z2"}
    network.set_weights(trained.get_weights())
    identity = "-".join(
        [
            table.builder,
            arguments["group"],
            *([arguments["convolution"]] if "convolution" in arguments else []),
            *(["early"] if arguments.get("restrict_after") else []),
            weights,
        ]
    )
    file = TRAINED / f"{identity}.weights.h5"
    TRAINED.mkdir(exist_ok=True)
    files.write(file, network.save_weights)
    errors = [one["errors"]["test"] for one in runs]
    card = {
        "builder": builder,
        "weights": weights,
        "arguments": {**arguments, **sizes},
        "file": file.name,
        "call": _call(table, weights),
        "label": table.name,
        "parameters": first["parameters"],
        "data": results["data"],
        "test error of this file, %": first["errors"]["test"],
        "test error, mean, %": round(statistics.mean(errors), 3),
        "test error, standard deviation, %": (
            round(statistics.stdev(errors), 3) if len(errors) > 1 else None
        ),
        "seeds": [one["seed"] for one in runs],
        "seed of this file": first["seed"],
        "epochs": first["epochs"],
        "minutes of training": round(statistics.mean(one["seconds"] for one in runs) / 60, 2),
        "recipe": name,
        "command": f"keras-gcnn train {name} --networks {table.name}",
        "training": recipe.training_of(table).model_dump(mode="json"),
        "environment": first["environment"],
    }
    _check_size(file)
    files.write_json(TRAINED / f"{identity}.json", card)
    write_card(identity, card)


def write_card(identity: str, card: dict[str, Any]) -> None:
    """Writes the model card, for a reader what the JSON is for the library."""
    CARDS.mkdir(exist_ok=True)
    environment = ", ".join(f"{key}: {value}" for key, value in card["environment"].items())
    training = ", ".join(f"{key}: {value}" for key, value in card["training"].items())
    lines = [
        f"# {identity}",
        "",
        f"A `{card['builder']}` on the group {card['arguments']['group'].upper()} with "
        f"{card['parameters']:,} trainable parameters:",
        "",
        "```python",
        "from keras_gcnn import zoo",
        "",
        f"network = {card['call']}",
        "```",
        "",
        f"Images of shape {tuple(card['arguments']['input_shape'])} with pixels in [0, 1] in, "
        f"logits of {card['arguments']['classes']} classes out.",
        "",
        f"**Data.** {card['data']}",
        "",
        f"**Training.** `{card['command']}`: {training}. {card['minutes of training']} minutes.",
        "",
        f"**Test error.** {_error(card)} % over seeds {', '.join(map(str, card['seeds']))}; this "
        f"file, of seed {card['seed of this file']}, {card['test error of this file, %']:.2f} %. "
        f"See [the whole table](../results/{card['recipe']}/results.md).",
        "",
        f"**Measured with.** {environment}.",
        "",
        "**Limits.** For comparing groups and for trying the library out; trained for a few "
        "epochs, without augmentation, on images like those above only.",
    ]
    files.write_text(CARDS / f"{identity}.md", "\n".join(lines) + "\n")


def _error(card: dict[str, Any]) -> str:
    """Mean and, over several seeds, standard deviation."""
    spread = card["test error, standard deviation, %"]
    mean = f"{card['test error, mean, %']:.2f}"
    return mean if spread is None else f"{mean} ± {spread:.2f}"


def _check_size(file: Path) -> None:
    size = file.stat().st_size
    total = sum(one.stat().st_size for one in TRAINED.iterdir())
    if size > LARGEST or total > LARGEST_SUM:
        file.unlink()
        raise SystemExit(
            f"{file.name} has {size:,} bytes, all together {total:,}; at most {LARGEST:,} and "
            f"{LARGEST_SUM:,} ship inside the package. Take it out of the zoo or make it smaller."
        )


def _call(table: ModelTable, weights: str) -> str:
    """How a user gets the network."""
    chosen = {
        key: value
        for key, value in table.arguments.items()
        if key in ("group", "convolution", "restrict_after", "variant")
    }
    arguments = ", ".join(f"{key}={json.dumps(value)}" for key, value in chosen.items())
    return f'zoo.{table.builder}({arguments}, weights="{weights}")'


def write_readme() -> None:
    """Writes the table of the zoo from the cards and the results."""
    cards = {path: json.loads(path.read_text(encoding="utf-8")) for path in TRAINED.glob("*.json")}
    lines = [
        "# The published zoo",
        "",
        "Written by `python zoo/publish.py`. Every error was printed by the command beside it; "
        "data, seeds, versions, hardware and date are in the card that the network's name leads "
        "to, and in the results of its recipe. The weights are in `keras_gcnn/zoo/trained` and "
        "come with the package.",
        "",
        "| network | parameters | data | error, % | seeds | epochs | minutes | command | file |",
        "|---|---:|---|---:|---:|---:|---:|---|---|",
    ]
    for path, card in sorted(cards.items(), key=lambda one: (one[1]["recipe"], one[1]["call"])):
        lines.append(
            f"| [`{card['call']}`](cards/{path.stem}.md) | {card['parameters']:,} | "
            f"{card['weights']} | {_error(card)} | {len(card['seeds'])} | {card['epochs']} | "
            f"{card['minutes of training']:.1f} | `{card['command']}` | `{card['file']}` |"
        )
    lines += ["", "## Results", ""]
    for folder in sorted(one for one in RESULTS.iterdir() if (one / "results.md").is_file()):
        results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
        lines.append(f"- [{results['title']}](results/{folder.name}/results.md)")
    files.write_text(ROOT / "README.md", "\n".join(lines) + "\n")


def main(
    recipe: Annotated[str, typer.Argument(help="Name of the recipe.")],
    run: Annotated[Path, typer.Argument(help="Folder of its run.")],
    weights: Annotated[
        str | None, typer.Option(help="Publish the models, too, as weights of this name.")
    ] = None,
) -> None:
    """Publishes a finished run."""
    loaded = load_recipe(recipe)
    results = copy_results(recipe, run)
    for table in loaded.models:
        if weights:
            publish_model(loaded, recipe, table, weights, run, results)
    write_readme()


if __name__ == "__main__":
    typer.run(main)
