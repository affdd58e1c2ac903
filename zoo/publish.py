"""Publishes a run: its results, its trained models with their cards, and the table of the zoo.

    keras-gcnn train table1
    python zoo/publish.py table1 runs/table1

Results and plots go to `zoo/results/RECIPE` and model cards to `zoo/cards`. The weights of the
first seed go to `keras_gcnn/zoo/trained`, from where the builders load them by `weights=` and the
name of the data set. `zoo/README.md` is rewritten from all results and cards. Nothing is written
unless the run follows the recipe in its present state, every card can be written, and every file
that ships is small enough.
"""

from __future__ import annotations

import inspect
import json
import os
import shutil
import statistics
import tempfile
from pathlib import Path
from typing import Annotated, Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import cards
import typer
from noted import differing

from keras_gcnn import export, zoo
from keras_gcnn.training import atomic_files
from keras_gcnn.training.recipes.schema import Recipe, load_recipe
from keras_gcnn.training.recipes.tables import ModelTable
from keras_gcnn.zoo.pretrained import SELECTS
from keras_gcnn.zoo.restrictions import by_stage

ROOT = Path(__file__).resolve().parent
RESULTS = ROOT / "results"
CARDS = ROOT / "cards"
TRAINED = ROOT.parent / "keras_gcnn" / "zoo" / "trained"
LARGEST = 1_000_000  # bytes of a file that ships inside the package
LARGEST_SUM = 8_000_000
SHORTHANDS = {f"resnet{depth}": depth for depth in (20, 26, 44)}


def read_run(name: str, recipe: Recipe, run: Path, partial: bool) -> dict[str, Any]:
    """Returns the results of a run; exits if the run does not follow the recipe."""
    for file in ("recipe.json", "results.json", "results.md"):
        if not (run / file).is_file():
            raise SystemExit(f"{run} has no {file}. Finish it with `keras-gcnn train {name}`.")
    changed = differing(run / "recipe.json", recipe)
    if changed:
        raise SystemExit(
            f"{run} was not trained and measured as the recipe {name} says: {', '.join(changed)} "
            "differ. Train the recipe as it is, or change it to what was trained."
        )
    results = json.loads((run / "results.json").read_text(encoding="utf-8"))
    if results["missing"] and not partial:
        raise SystemExit(
            f"{len(results['missing'])} networks are not trained yet. Train them, or publish the "
            "others with --partial; the table will list those that are missing."
        )
    return results


def copy_results(name: str, run: Path) -> None:
    """Replaces the published tables, plots and histories of a recipe by those of a run.

    The recipe that the run noted stays beside them: the one of that name may change.
    """
    RESULTS.mkdir(exist_ok=True)
    new = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=RESULTS))
    for path in sorted(run.iterdir()):
        if path.suffix in (".png", ".md") or path.name in ("results.json", "recipe.json"):
            shutil.copy(path, new / path.name)
    for history in sorted(run.glob("*/history.csv")):
        shutil.copy(history, new / f"{history.parent.name}.csv")
    new.chmod(0o755)
    target = RESULTS / name
    shutil.rmtree(target, ignore_errors=True)
    new.rename(target)


def describe(name: str, recipe: Recipe, table: ModelTable, results: dict[str, Any]) -> dict:
    """Returns the card of a network, without the arguments, which `save_weights` returns."""
    runs = [result for result in results["results"] if result["network"] == table.name]
    first = runs[0]
    errors = [result["errors"]["test"] for result in runs]
    weights = recipe.data.name
    selection = {key: value for key, value in table.arguments.items() if key in SELECTS}
    call = ", ".join(
        f"{key}={json.dumps(value)}" for key, value in {**selection, "weights": weights}.items()
    )
    command = f"keras-gcnn train {name} --networks {table.name}"
    if recipe.backend is None:
        command += f" --backend {first['environment']['backend'].split()[0]}"
    return {
        "builder": "resnet" if table.builder in SHORTHANDS else table.builder,
        "weights": weights,
        "call": f"zoo.{table.builder}({call})",
        "label": table.name,
        "parameters": first["parameters"],
        "data": results["data"],
        "test error of this file, %": first["errors"]["test"],
        "test error, mean, %": round(statistics.mean(errors), 6),
        "test error, standard deviation, %": (
            round(statistics.stdev(errors), 6) if len(errors) > 1 else None
        ),
        "seeds": [result["seed"] for result in runs],
        "seed of this file": first["seed"],
        "epochs": max(result["epochs"] for result in runs),
        "minutes of training": round(statistics.mean(result["seconds"] for result in runs) / 60, 2),
        "recipe": name,
        "command": command,
        "training": recipe.training_of(table).model_dump(mode="json"),
        "environment": first["environment"],
    }


def identify(table: ModelTable, weights: str) -> str:
    """Returns the name of the files of a network, made of the arguments that select it."""
    arguments = table.arguments
    parts = [table.builder]
    if _takes(table.builder, "group"):
        parts.append(_with_group(table)["group"])
    parts += [arguments[key] for key in ("convolution", "variant", "fields") if key in arguments]
    if "depth" in arguments:
        parts.append(f"depth{arguments['depth']}")
    stages = by_stage(arguments.get("restrict_after"))
    parts += [f"{subgroup}after{stage}" for stage, subgroup in stages.items()]
    return "-".join([*parts, weights])


def _takes(builder: str, argument: str) -> bool:
    """Whether a builder has an argument; `so2cnn` has neither group nor head."""
    return argument in inspect.signature(getattr(zoo, builder)).parameters


def _with_group(table: ModelTable) -> dict[str, Any]:
    """Returns the arguments of a network, with the builder's default group if they have none."""
    default = inspect.signature(getattr(zoo, table.builder)).parameters["group"].default
    return {"group": default, **table.arguments}


def save_weights(table: ModelTable, model: Path, file: Path) -> dict[str, Any]:
    """Writes the weights of a trained model, and returns all arguments that rebuild it."""
    trained = export.load(model)
    sizes = {"input_shape": list(trained.input_shape[1:]), "classes": trained.output_shape[-1]}
    network = getattr(zoo, table.builder)(**table.arguments, **sizes, data_format="channels_last")
    network.set_weights(trained.get_weights())
    network.save_weights(file)
    arguments = {**table.arguments, **sizes}
    # The widths of the trained network replace the budget that led to them.
    arguments.pop("parameters", None)
    arguments["widths"] = list(network.widths)
    if _takes(table.builder, "group"):
        arguments = {"group": _with_group(table)["group"], **arguments}
    if "restrict_after" in arguments:
        arguments["restrict_after"] = by_stage(arguments["restrict_after"])
    if _takes(table.builder, "head"):
        heads = {"GGlobalPooling": "invariant", "GlobalAveragePooling2D": "orientations"}
        arguments["head"] = heads.get(type(network.get_layer("head")).__name__, "flatten")
    if table.builder in SHORTHANDS:
        arguments["depth"] = SHORTHANDS[table.builder]
    return arguments


def publish_models(name: str, recipe: Recipe, run: Path, results: dict[str, Any]) -> None:
    """Writes weights and cards of the networks of a run, and removes those no longer in it."""
    trained = {result["network"] for result in results["results"]}
    tables = {
        identify(table, recipe.data.name): table for table in recipe.models if table.name in trained
    }
    if len(tables) < len(trained):
        raise SystemExit("Two networks of the recipe have equal selecting arguments.")
    with tempfile.TemporaryDirectory(dir=ROOT) as folder:
        new = Path(folder)
        new_cards = {}
        for identity, table in tables.items():
            card = describe(name, recipe, table, results)
            model = run / f"{table.name}-seed{card['seed of this file']}" / "model.keras"
            card["file"] = f"{identity}.weights.h5"
            card["arguments"] = save_weights(table, model, new / card["file"])
            new_cards[identity] = card
        others = _cards_of_others(name)
        both = set(new_cards) & set(others)
        if both:
            raise SystemExit(
                f"{', '.join(sorted(both))} are published from another recipe already. Publish the "
                "results alone with --no-models."
            )
        _check_sizes([*new.iterdir(), *(TRAINED / card["file"] for card in others.values())])
        for identity, card in new_cards.items():  # one that fails does so before a file is moved
            cards.model_card(identity, card)
        TRAINED.mkdir(exist_ok=True)
        for old in set(_read_cards()) - set(others) - set(new_cards):
            for path in (
                TRAINED / f"{old}.json",
                TRAINED / f"{old}.weights.h5",
                CARDS / f"{old}.md",
            ):
                path.unlink(missing_ok=True)
        for identity, card in new_cards.items():
            (new / card["file"]).replace(TRAINED / card["file"])
            atomic_files.write_json(TRAINED / f"{identity}.json", card)


def _read_cards() -> dict[str, dict[str, Any]]:
    return {
        path.stem: json.loads(path.read_text(encoding="utf-8"))
        for path in sorted(TRAINED.glob("*.json"))
    }


def _cards_of_others(name: str) -> dict[str, dict[str, Any]]:
    return {key: card for key, card in _read_cards().items() if card["recipe"] != name}


def _check_sizes(paths: list[Path]) -> None:
    sizes = {path.name: path.stat().st_size for path in paths}
    largest = max(sizes, key=sizes.get)
    if sizes[largest] > LARGEST or sum(sizes.values()) > LARGEST_SUM:
        raise SystemExit(
            f"{largest} has {sizes[largest]:,} bytes, all files together {sum(sizes.values()):,}; "
            f"at most {LARGEST:,} and {LARGEST_SUM:,} ship inside the package. Make the networks "
            "smaller, or publish the results alone with --no-models."
        )


def write_pages() -> None:
    """Writes all model cards and the table of the zoo."""
    CARDS.mkdir(exist_ok=True)
    all_cards = _read_cards()
    for identity, card in all_cards.items():
        atomic_files.write_text(CARDS / f"{identity}.md", cards.model_card(identity, card))
    results = {path.parent.name: path for path in RESULTS.glob("*/results.json")}
    atomic_files.write_text(ROOT / "README.md", cards.readme(all_cards, results))


def main(
    recipe: Annotated[str, typer.Argument(help="Name of the recipe.")],
    run: Annotated[Path, typer.Argument(help="Folder of its run.")],
    models: Annotated[bool, typer.Option(help="Publish the models too.")] = True,
    partial: Annotated[
        bool, typer.Option(help="Publish although some networks are not trained yet.")
    ] = False,
) -> None:
    """Publishes a run of a recipe."""
    loaded = load_recipe(recipe)
    others = sorted({table.builder for table in loaded.models} - set(zoo.BUILDERS))
    if models and others:
        raise SystemExit(
            f"Only classifiers of the zoo ship with the package ({', '.join(zoo.BUILDERS)}), and "
            f"the recipe has {', '.join(others)}. Publish the results alone with --no-models."
        )
    if models and any(table.symmetrize for table in loaded.models):
        raise SystemExit(
            "A network that runs on several poses has no weights file of its own. Publish the "
            "results alone with --no-models."
        )
    results = read_run(recipe, loaded, run, partial)
    if models:
        publish_models(recipe, loaded, run, results)
    copy_results(recipe, run)
    write_pages()


if __name__ == "__main__":
    typer.run(main)
