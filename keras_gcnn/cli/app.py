"""What all commands share: the application, the console and the choice of the backend."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from keras_gcnn import __version__
from keras_gcnn.training.backend import Backend

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_show_locals=False,
    help="Train, search, measure, convert, export and use group-equivariant networks.",
)
# Recipes and paths may hold brackets and colons, which rich would take for markup.
console = Console(markup=False, emoji=False)
BackendOption = Annotated[
    Backend | None,
    typer.Option(help="Keras backend; default KERAS_BACKEND, else Keras's configuration."),
]


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
