"""Writes published results as a run, so that networks which the recipe has got since can join them.

    python zoo/restore.py upright_to_rotated runs/grown
    keras-gcnn train upright_to_rotated --run-dir runs/grown --backend jax
    python zoo/publish.py upright_to_rotated runs/grown --no-models

The run has the results, histories and plots of `zoo/results/RECIPE`, but no models. The recipe must
not have changed for the networks that are in them: `recipe.json` beside the results is compared
with it. Results that were published without one are taken as they are, and the command says so. The
run is on the backend of these results unless `--backend` names another for the networks that join
them; the table states both environments.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Annotated

import typer
from noted import differing

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
    networks = list(dict.fromkeys(result["network"] for result in results))
    noted = published / "recipe.json"
    changed = differing(noted, loaded, networks) if noted.is_file() else []
    if changed:
        raise SystemExit(
            f"The recipe {recipe} is not the one of {published}: {', '.join(changed)} differ. Only "
            "networks and seeds may join. Change the recipe back, or train all of it anew."
        )
    if not noted.is_file():
        print(f"{published} has no recipe.json: make sure that {recipe} has only grown since.")
    backend = backend or loaded.backend or results[0]["environment"]["backend"].split()[0]
    run.mkdir(parents=True)
    settings = {**loaded.model_dump(mode="json"), "backend": backend}
    atomic_files.write_json(run / "recipe.json", settings)
    first: dict[str, Path] = {}  # by network: the folder of its first seed, which has its plots
    for result in results:
        folder = run / f"{result['network']}-seed{result['seed']}"
        first.setdefault(result["network"], folder)
        folder.mkdir()
        atomic_files.write_json(folder / "result.json", result)
        shutil.copy(published / f"{folder.name}.csv", folder / "history.csv")
    for plot in published.glob("*.png"):
        # The longest name: "latent-CNN-vMF" is of CNN-vMF, also if there is a network vMF.
        of = max((one for one in networks if plot.stem.endswith(f"-{one}")), key=len, default=None)
        if of is not None:
            shutil.copy(plot, first[of] / f"{plot.stem.removesuffix(f'-{of}')}.png")
    print(f"Go on with keras-gcnn train {recipe} --run-dir {run} --backend {backend}")


if __name__ == "__main__":
    typer.run(main)
