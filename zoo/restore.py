"""Writes published results as a run, so that networks which the recipe has got since can join them.

    python zoo/restore.py upright_to_rotated runs/grown
    keras-gcnn train upright_to_rotated --run-dir runs/grown --backend jax
    python zoo/publish.py upright_to_rotated runs/grown --no-models

The run has the results, histories and plots of `zoo/results/RECIPE`, but no models, and the recipe
must not have changed for the networks that are in them. It is on the backend of these results
unless `--backend` names another for the networks that join them; the table states both
environments.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Annotated

import typer

from keras_gcnn.training import atomic_files
from keras_gcnn.training.recipes.schema import load_recipe

RESULTS = Path(__file__).resolve().parent / "results"


def main(
    recipe: Annotated[str, typer.Argument(help="Name of the recipe.")],
    run: Annotated[Path, typer.Argument(help="Folder of the new run.")],
    backend: Annotated[
        str, typer.Option(help="Of what is trained from now on; default that of the results.")
    ] = "",
) -> None:
    """Writes the published results of a recipe as a run."""
    published = RESULTS / recipe
    if not (published / "results.json").is_file():
        raise SystemExit(f"{published} has no results.json. Train {recipe} and publish it first.")
    if run.exists():
        raise SystemExit(f"{run} exists. Choose another folder.")
    loaded = load_recipe(recipe)
    results = json.loads((published / "results.json").read_text(encoding="utf-8"))["results"]
    backend = backend or loaded.backend or results[0]["environment"]["backend"].split()[0]
    run.mkdir(parents=True)
    settings = {**loaded.model_dump(mode="json"), "backend": backend}
    atomic_files.write_json(run / "recipe.json", settings)
    plotted = set()
    for result in results:
        network = result["network"]
        name = f"{network}-seed{result['seed']}"
        (run / name).mkdir()
        atomic_files.write_json(run / name / "result.json", result)
        shutil.copy(published / f"{name}.csv", run / name / "history.csv")
        if network not in plotted:  # the plots of a network are those of its first seed
            plotted.add(network)
            for plot in published.glob(f"*-{network}.png"):
                shutil.copy(plot, run / name / f"{plot.name.removesuffix(f'-{network}.png')}.png")
    print(f"Go on with keras-gcnn train {recipe} --run-dir {run} --backend {backend}")


if __name__ == "__main__":
    typer.run(main)
