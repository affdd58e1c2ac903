"""The `keras-gcnn` command.

Keras is imported inside the commands only: its backend is fixed at import, so `--backend` has to be
read before, and `--help` should not wait for it.
"""

from __future__ import annotations

import json
import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from keras_gcnn import __version__
from keras_gcnn.training.recipe import Backend, load_recipe, recipe_names

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_show_locals=False,
    help="Train and evaluate group-equivariant networks from recipes.",
)
console = Console()
_BACKENDS = ("tensorflow", "jax", "torch")

BackendOption = Annotated[
    Backend | None,
    typer.Option(help="Keras backend; default KERAS_BACKEND, else Keras's configuration."),
]
DataDirOption = Annotated[
    Path | None,
    typer.Option(help="Folder of prepared TensorFlow Datasets; default TFDS_DATA_DIR."),
]


def _configured_backend() -> str:
    """The backend of Keras's configuration file."""
    folder = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras"))
    try:
        return json.loads((folder / "keras.json").read_text(encoding="utf-8"))["backend"]
    except (OSError, ValueError, KeyError):
        return "tensorflow"


def choose_backend(wanted: str | None) -> str:
    """Fixes Keras's backend for this process, before Keras is imported.

    Args:
        wanted: the backend asked for; None for the environment's, the configuration's, or whichever
            is installed.

    Returns:
        The backend.

    Raises:
        ValueError: if it is not installed, or Keras already runs on another.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's start-up notes
    backend = wanted or os.environ.get("KERAS_BACKEND")
    if backend is None:
        preferred = (_configured_backend(), *_BACKENDS)
        backend = next((one for one in preferred if find_spec(one)), preferred[0])
    if not find_spec(backend):
        raise ValueError(
            f"The backend {backend!r} is not installed. Install it with `pip install {backend}`, "
            f"or choose another with --backend."
        )
    os.environ["KERAS_BACKEND"] = backend
    import keras

    if keras.backend.backend() != backend:
        raise ValueError(
            f"Keras already runs on {keras.backend.backend()!r} in this process. Start a new one "
            f"for {backend!r}."
        )
    return backend


def _show_version(wanted: bool) -> None:
    if wanted:
        console.print(__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    pass


@app.command()
def train(
    recipe: Annotated[str, typer.Argument(help="Name of a recipe (see `recipes`) or a TOML file.")],
    data: Annotated[str | None, typer.Option(help="Data set instead of the recipe's.")] = None,
    backend: BackendOption = None,
    epochs: Annotated[int | None, typer.Option(help="Most epochs per network.")] = None,
    subset: Annotated[int | None, typer.Option(help="Most training images.")] = None,
    run_dir: Annotated[
        Path | None, typer.Option(help="Folder of the run; default runs/ and the options' names.")
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Remove an earlier run in the folder.")
    ] = False,
    data_dir: DataDirOption = None,
) -> None:
    """Train the networks of a recipe and print their table.

    Run it again to go on after an interruption. The folder gets the models, their history,
    TensorBoard logs, the table as JSON and Markdown, and a picture of accuracy by angle.
    """
    loaded = load_recipe(
        recipe, data__name=data, training__epochs=epochs, data__subset=subset, backend=backend
    )
    asked = loaded.backend or os.environ.get("KERAS_BACKEND")
    chosen = choose_backend(loaded.backend)
    if run_dir is None:
        parts = [Path(recipe).stem, data and data.replace("/", "-"), asked and chosen]
        run_dir = Path("runs") / "-".join(part for part in parts if part)
    from keras_gcnn.training.run import train as run

    console.print(f"{loaded.title}; data {loaded.data.name}, backend {chosen}")
    run(loaded, run_dir, fresh=fresh, data_dir=data_dir, console=console)


@app.command()
def evaluate(
    model: Annotated[Path, typer.Argument(help="A saved model, MODEL.keras.")],
    data: Annotated[str, typer.Option(help="Data set to test on.")] = "digits",
    backend: BackendOption = None,
    picture: Annotated[
        Path | None, typer.Option(help="Write a picture of accuracy by angle here.")
    ] = None,
    test_subset: Annotated[int | None, typer.Option(help="Most test images.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the random angles.")] = 0,
    data_dir: DataDirOption = None,
) -> None:
    """Print the error of a saved model on upright, turned and mirrored test images."""
    choose_backend(backend)
    from keras_gcnn.training.evaluation import evaluate_file

    evaluate_file(
        model,
        data,
        picture=picture,
        test_subset=test_subset,
        seed=seed,
        data_dir=data_dir,
        console=console,
    )


@app.command()
def recipes() -> None:
    """List the recipes that come with the library."""
    table = Table("recipe", "what it trains", "data", "networks")
    for name in recipe_names():
        recipe = load_recipe(name)
        networks = ", ".join(model.name for model in recipe.models)
        table.add_row(name, recipe.title, recipe.data.name, networks)
    console.print(table)


def main() -> None:
    """Entry point: user errors become one line and exit status 2."""
    try:
        app()
    except (ValueError, FileNotFoundError, ImportError, FloatingPointError) as error:
        if os.environ.get("KERAS_GCNN_TRACEBACK"):
            raise
        Console(stderr=True).print(f"[red]Error:[/red] {error}", highlight=False, soft_wrap=True)
        sys.exit(2)
    except KeyboardInterrupt:
        Console(stderr=True).print("Interrupted. Run the same command again to go on.")
        sys.exit(130)
