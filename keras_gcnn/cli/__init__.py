"""The `keras-gcnn` command.

Keras is imported only inside the commands: its backend is fixed at import, so `--backend` has to be
read first, and `--help` should not wait for it.
"""

from __future__ import annotations

import io
import os
import sys

from rich.console import Console
from rich.text import Text

from keras_gcnn.cli import experiments, folders, models  # noqa: F401 (they add their commands)
from keras_gcnn.cli.app import app


def main() -> None:
    """Entry point: user errors become one line and exit status 2."""
    for stream in (sys.stdout, sys.stderr):
        # Names of files may hold bytes that are no text, and terminals lack characters.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except (ValueError, OSError, ImportError, FloatingPointError) as error:
        if os.environ.get("KERAS_GCNN_TRACEBACK"):
            raise
        message = Text.assemble(("Error:", "red"), f" {error}")  # the error may hold brackets
        Console(stderr=True).print(message, soft_wrap=True)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
