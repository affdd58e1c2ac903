"""The commands that train, search and measure networks."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table

from keras_gcnn.cli.app import BackendOption, app, console
from keras_gcnn.training.backend import choose_backend
from keras_gcnn.training.recipes.schema import load_recipe, recipe_names
from keras_gcnn.tuning.recipe import load_search, search_names

_FOLDER = "A folder that has the name of a data set is given as ./NAME."
DataDirOption = Annotated[
    Path | None,
    typer.Option(
        help="Folder of prepared TensorFlow Datasets; default TFDS_DATA_DIR, else the one that "
        "TensorFlow Datasets chooses."
    ),
]


@contextmanager
def _resumable() -> Iterator[None]:
    """Ends the command on Ctrl-C with a hint that it can be run again."""
    try:
        yield
    except KeyboardInterrupt:
        Console(stderr=True).print("Interrupted. Run the same command again to go on.")
        raise typer.Exit(130) from None


def _data_overrides(data: str | None) -> dict[str, str | None]:
    """Returns what `--data` changes in a recipe: the name of a data set, or a folder."""
    if data is None:
        return {}
    from keras_gcnn.data import names

    # A name wins over a folder, so that what a command means depends on no working directory.
    if data in names():
        return {"data__name": data}
    looks_like_path = data.startswith((".", "~")) or Path(data).is_absolute()
    if looks_like_path or Path(data).is_dir():
        return {"data__folder": str(Path(os.path.expanduser(data)))}
    raise ValueError(
        f"--data {data} is neither a data set nor a folder. Give the path of a folder of "
        f"images or one of: {', '.join(names())}."
    )


def _run_name(recipe: Path) -> str:
    """Returns the name of a recipe, with that of its search if it lies in the folder of one.

    All searches call their recipe `best.toml`.
    """
    folder = Path(os.path.abspath(recipe)).parent
    if recipe.is_file() and (folder / "search.json").is_file():
        return f"{folder.name}-{recipe.stem}"
    return recipe.stem


@app.command()
def train(
    recipe: Annotated[
        str,
        typer.Argument(help="Name of a recipe, which `keras-gcnn recipes` lists, or a TOML file."),
    ],
    data: Annotated[
        str | None,
        typer.Option(help=f"Data set, or folder of images, instead of the recipe's. {_FOLDER}"),
    ] = None,
    backend: BackendOption = None,
    epochs: Annotated[
        int | None, typer.Option(help="Most epochs per network; default the recipe's.")
    ] = None,
    subset: Annotated[
        int | None, typer.Option(help="Most training images; default the recipe's, else all.")
    ] = None,
    test_subset: Annotated[
        int | None, typer.Option(help="Most test images; default the recipe's, else all.")
    ] = None,
    networks: Annotated[
        list[str] | None,
        typer.Option(
            help="Train only this network of the recipe; give the option several times for "
            "several. The others can be trained later into the same folder."
        ),
    ] = None,
    seed: Annotated[
        list[int] | None,
        typer.Option(
            help="Train only with this seed; give the option several times for several. The "
            "others can be trained later into the same folder."
        ),
    ] = None,
    run_dir: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the run; default runs/RECIPE[-DATA][-BACKEND], and runs/SEARCH-best "
            "for best.toml of a search."
        ),
    ] = None,
    fresh: Annotated[
        bool,
        typer.Option("--fresh", help="Remove an earlier run in the folder, with all networks."),
    ] = False,
    devices: Annotated[
        int, typer.Option(help="GPUs over which each batch is split; JAX and TensorFlow.")
    ] = 1,
    data_dir: DataDirOption = None,
) -> None:
    """Train the networks of a recipe and print their table.

    Run it again to go on after an interruption, or with more networks or seeds in the recipe. The
    folder gets the models, their history, TensorBoard logs, the table as JSON and Markdown, and
    plots.
    """
    loaded = load_recipe(
        recipe,
        **_data_overrides(data),
        training__epochs=epochs,
        data__subset=subset,
        data__test_subset=test_subset,
        backend=backend,
    )
    chosen = choose_backend(loaded.backend)
    if run_dir is None:
        is_folder = loaded.data.folder is not None
        name = loaded.data.title if is_folder else data and data.replace("/", "-")
        parts = [_run_name(Path(recipe)), data and name, backend]
        run_dir = Path("runs") / "-".join(part for part in parts if part)
    from keras_gcnn.training.runs.run import train as run

    console.print(f"{loaded.title}; data {loaded.data.title}, backend {chosen}")
    with _resumable():
        run(
            loaded,
            run_dir,
            networks=networks or None,  # without the option, typer may pass an empty list
            seeds=seed or None,
            fresh=fresh,
            data_dir=data_dir,
            console=console,
            devices=devices,
        )


@app.command()
def tune(
    recipe: Annotated[
        str,
        typer.Argument(help="Name of a search, which `keras-gcnn recipes` lists, or a TOML file."),
    ],
    trials: Annotated[int | None, typer.Option(help="Most trials; default the recipe's.")] = None,
    epochs: Annotated[
        int | None, typer.Option(help="Most epochs per trial; default the recipe's.")
    ] = None,
    subset: Annotated[
        int | None, typer.Option(help="Most training images; default the recipe's, else all.")
    ] = None,
    workers: Annotated[
        int,
        typer.Option(
            help="Number of processes that train trials at the same time. With 1, this process "
            "trains them itself."
        ),
    ] = 1,
    run_dir: Annotated[
        Path | None, typer.Option(help="Folder of the search; default runs/tune-RECIPE[-BACKEND].")
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Remove an earlier search in the folder.")
    ] = False,
    backend: BackendOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Search for the best settings of a network.

    Every trial costs the same: as many parameters, or as many multiply-adds, as the recipe says.

    Run it again to go on after an interruption. The folder gets a leaderboard, TensorBoard logs, a
    plot of error against cost, and best.toml, a recipe for `train`.
    """
    loaded = load_search(
        recipe,
        search__trials=trials,
        training__epochs=epochs,
        data__subset=subset,
        backend=backend,
    )
    chosen = choose_backend(loaded.backend)
    if run_dir is None:
        run_dir = Path("runs") / "-".join(filter(None, ["tune", Path(recipe).stem, backend]))
    from keras_gcnn.tuning import search, search_with_workers

    with _resumable():
        if workers != 1:
            # Chief and workers get this command without --workers and --fresh.
            options = {
                "--trials": trials,
                "--epochs": epochs,
                "--subset": subset,
                "--run-dir": run_dir,
                "--backend": chosen,
                "--data-dir": data_dir,
            }
            command = [sys.executable, "-m", "keras_gcnn", "tune", recipe]
            for option, value in options.items():
                if value is not None:
                    command += [option, str(value)]
            status = search_with_workers(
                loaded, run_dir, command, workers, fresh=fresh, data_dir=data_dir, console=console
            )
            raise typer.Exit(status)
        console.print(f"{loaded.title}; data {loaded.data.title}, backend {chosen}")
        search(loaded, run_dir, fresh=fresh, data_dir=data_dir, console=console)


@app.command()
def evaluate(
    model: Annotated[Path, typer.Argument(help="A saved model, MODEL.keras.")],
    data: Annotated[
        str, typer.Option(help=f"Data set to test on, or a folder of images. {_FOLDER}")
    ] = "digits",
    output: Annotated[
        Path | None,
        typer.Option(
            help="Folder for results and plots, which are written only if it is given; only if "
            "--data is a folder."
        ),
    ] = None,
    table: Annotated[
        str | None,
        typer.Option(
            help="CSV file of files and labels, its path from the folder; only if --data is a "
            "folder. Default: the only one in a folder without folders of classes."
        ),
    ] = None,
    backend: BackendOption = None,
    picture: Annotated[
        Path | None,
        typer.Option(
            help="Write a plot of accuracy by angle here, such as angles.png; only if --data is a "
            "data set with a name."
        ),
    ] = None,
    test_subset: Annotated[int | None, typer.Option(help="Most test images; default all.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the random angles.")] = 0,
    data_dir: DataDirOption = None,
) -> None:
    """Print the error of a saved model on upright, rotated and mirrored test images.

    Of a folder of images also the area under the curve and the calibration error, and with
    --output plots of both, of the confusion and of the surest errors.
    """
    choose_backend(backend)
    folder = _data_overrides(data).get("data__folder")
    # An option that would do nothing is refused.
    of_folders = {"--output": output, "--table": table}
    of_names = {"--picture": picture, "--test-subset": test_subset, "--data-dir": data_dir}
    lost = [option for option, value in (of_names if folder else of_folders).items() if value]
    if lost:
        raise ValueError(
            f"{', '.join(lost)}: only for "
            + ("data sets with a name, and " if folder else "a folder of images, and ")
            + f"--data {data} is {'a folder' if folder else 'none'}. Leave it out."
        )
    if folder is not None:
        from keras_gcnn.training.tasks.folder_evaluation import evaluate_folder

        evaluate_folder(model, folder, output=output, table=table, seed=seed, console=console)
        return
    from keras_gcnn.training.tasks.evaluation import evaluate_file

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
    """List the recipes and searches that come with the library."""
    trainings = [(name, load_recipe(name)) for name in recipe_names()]
    searches = [(name, load_search(name)) for name in search_names()]
    _print_names(
        ("recipe", "what it trains", "data", "networks"),
        [
            (name, recipe.title, recipe.data.title, ", ".join(each.name for each in recipe.models))
            for name, recipe in trainings
        ],
    )
    _print_names(
        ("search", "what it searches", "data", "builder"),
        [
            (name, recipe.title, recipe.data.title, recipe.search.builder)
            for name, recipe in searches
        ],
    )


def _print_names(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    # Names of recipes never wrap, so that they can be copied; on a narrow terminal the rest does.
    others = (Column(head, overflow="fold") for head in heads[1:])
    table = Table(Column(heads[0], no_wrap=True), *others)
    for row in rows:
        table.add_row(*row)
    console.print(table)
