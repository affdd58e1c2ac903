"""A progress bar for work on many files."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

_FEW = 500  # files that are read before anybody would look at a bar


class Bar:
    """Shows the progress of reading images."""

    def __init__(self, console: Console | None):
        self._console = console

    def __call__(self, items: Iterable, label: str, total: int) -> Iterable:
        if self._console is None or total < _FEW:
            yield from items
            return
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, TimeRemainingColumn(), console=self._console) as progress:
            yield from progress.track(items, total=total, description=label)
