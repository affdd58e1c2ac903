"""Makes a recipe that asks whether the best settings of a search are better than the defaults.

Beside the best network of every group it has the builder's own of as many parameters, with the same
optimizer, learning rate and weight decay, and every network is trained with three seeds.

    python tuning/confirm.py runs/tune-lenet_mnist
    keras-gcnn train runs/tune-lenet_mnist/confirm.toml
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated

import tomli_w
import typer

from keras_gcnn.training import atomic_files as files


def main(
    folder: Annotated[Path, typer.Argument(help="Folder of a search that is finished.")],
    seeds: Annotated[int, typer.Option(min=2, help="Trainings of each network.")] = 3,
) -> None:
    """Writes confirm.toml beside best.toml."""
    best = tomllib.loads((folder / "best.toml").read_text(encoding="utf-8"))
    search = files.read_json(folder / "search.json", lambda one: "search" in one, "Search anew.")
    budget = search["search"]["parameters"]
    models = []
    for model in best["models"]:
        own = {k: v for k, v in model["arguments"].items() if k in ("group", "dropout")}
        models.append(model)
        models.append(
            {
                **model,
                "name": f"{model['name']}-default",
                "arguments": {**search["search"]["arguments"], **own, "parameters": budget},
            }
        )
    content = {**best, "title": f"{search['title']}: found and default", "models": models}
    content |= {"seeds": list(range(seeds)), "evaluation": {"turned": False, "angles": False}}
    path = folder / "confirm.toml"
    files.write_text(path, tomli_w.dumps(content))
    print(f"keras-gcnn train {path}")


if __name__ == "__main__":
    typer.run(main)
