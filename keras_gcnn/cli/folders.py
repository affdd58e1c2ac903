"""The commands on folders of images."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from keras_gcnn.cli.app import app, console

Target = Literal["class", "labels", "number", "mask"]
TargetOption = Annotated[
    Target, typer.Option(help="What is learned: one class, several labels, a number, a mask.")
]
TableOption = Annotated[
    str | None,
    typer.Option(
        help="CSV file of files and labels, its path from the folder. Default: the only one in a "
        "folder without folders of classes."
    ),
]


@app.command("data")
def describe_data(
    folder: Annotated[Path, typer.Argument(help="Folder of images.")],
    target: TargetOption = "class",
    table: TableOption = None,
    sheet: Annotated[
        Path | None, typer.Option(help="Write a picture of some images here, PNG.")
    ] = None,
) -> None:
    """Describe a folder of images: classes, sizes, duplicates and damaged files."""
    if sheet is not None and sheet.suffix.lower() != ".png":
        raise ValueError(f"--sheet {sheet}: the sheet is a PNG file, whose name ends in .png.")
    survey = _survey(folder, target, table)
    console.print(str(survey), soft_wrap=True)
    if sheet is not None:
        from keras_gcnn.data.folders.contact_sheet import write_contact_sheet
        from keras_gcnn.training import atomic_files
        from keras_gcnn.training.predictions.files import check_written

        layout = survey.layout
        read = [sample.path for sample in layout.samples]
        read += [Path(sample.target) for sample in layout.samples if target == "mask"]
        read += [] if layout.table is None else [layout.table]
        check_written(sheet, read)
        atomic_files.write(sheet, lambda path: write_contact_sheet(survey, path))
        console.print(f"Written to {sheet}.")


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="Name of the recipe; NAME.toml is written.")],
    data: Annotated[Path, typer.Option(help="Folder of images.")],
    recipe: Annotated[
        str,
        typer.Option(
            help="Recipe to begin with: folder, any_angle (for images at any angle), or "
            "segmentation (for images with masks)."
        ),
    ] = "folder",
    table: TableOption = None,
) -> None:
    """Write a recipe for a folder of images, with its own size and classes, to be changed."""
    from keras_gcnn.training.recipes.new import write_recipe
    from keras_gcnn.training.recipes.schema import load_recipe

    path = Path(name if name.endswith(".toml") else f"{name}.toml")
    target = load_recipe(recipe).data.target
    chosen = write_recipe(path, _survey(data, target, table), recipe, table)
    console.print(f"{chosen}\nWritten to {path}. Train it: keras-gcnn train {path}", soft_wrap=True)


def _survey(folder: Path, target: str, table: str | None) -> Any:
    from keras_gcnn.data.folders.options import Folder
    from keras_gcnn.data.folders.survey import survey
    from keras_gcnn.training.progress import Bar

    # A shell replaces the ~ of --data ~/pets, and leaves that of --data=~/pets.
    home = Path(os.path.expanduser(folder))
    return survey(Folder(home, target=target, table=table), Bar(console))
