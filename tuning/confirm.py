"""Makes a recipe that asks whether the best settings of a search are better than the defaults.

The recipe has the best network of every group, and beside it the builder's default network at the
budget of the search with the same optimizer, learning rate and weight decay; of autoencoders also
with the same latent space. Every network is trained with three seeds.

    python tuning/confirm.py runs/tune-lenet_mnist
    keras-gcnn train runs/tune-lenet_mnist/confirm.toml
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any

import tomli_w
import typer

from keras_gcnn.training import atomic_files

# Arguments that the default network gets too. Autoencoders are compared in the same latent space.
_KEPT = ("group", "dropout", "posterior", "latent_dim", "beta")


def main(
    folder: Annotated[Path, typer.Argument(help="Folder of a finished search.")],
    seeds: Annotated[int, typer.Option(min=2, help="Trainings of each network.")] = 3,
) -> None:
    """Writes confirm.toml beside best.toml."""
    best, search = _read(folder)
    # Searches of earlier versions have parameters alone.
    budget = {
        name: amount
        for name in ("parameters", "multiply_adds")
        if (amount := search["search"].get(name)) is not None
    }
    models = []
    for model in best["models"]:
        kept = {name: value for name, value in model["arguments"].items() if name in _KEPT}
        default = {
            **search["search"]["arguments"],
            **kept,
            **budget,
        }
        models += [model, {**model, "name": f"{model['name']}-default", "arguments": default}]
    content = {
        **best,
        "title": f"{search['title']}: found and default",
        "models": models,
        "seeds": list(range(seeds)),
    }
    if "latent" not in best:  # a recipe of classifiers
        content["evaluation"] = {"turned": False, "angles": False}
    path = folder / "confirm.toml"
    atomic_files.write_text(path, tomli_w.dumps(content))
    print(f"keras-gcnn train {path}")


def _read(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns the recipe of the best settings that a search found, and the search."""
    try:
        best = tomllib.loads((folder / "best.toml").read_text(encoding="utf-8"))
        search = atomic_files.read_json(
            folder / "search.json",
            lambda content: isinstance(content["search"]["arguments"], dict) and content["title"],
            "Search anew.",
        )
    except (OSError, ValueError) as error:
        raise typer.BadParameter(
            f"{folder} is not the folder of a finished search ({error}). Give one such as "
            "runs/tune-NAME; if its search is not finished, run `keras-gcnn tune` again first."
        ) from None
    return best, search


if __name__ == "__main__":
    typer.run(main)
