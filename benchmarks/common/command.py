"""The command line of the benchmarks: options, environments, and the table that they print."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Annotated, Any, get_origin, get_type_hints

import typer

from benchmarks.common import report
from benchmarks.common.environments import BACKENDS, VARIANTS, Environment, devices

MARK = "measured"  # marks the place of the rows on pages that take some of them


def _writable(folder: Path) -> Path:
    """The folder, made if need be; ends the command before anything is measured if it cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise SystemExit(
            f"{folder} cannot be written into ({error.strerror}): name another folder."
        ) from None
    return folder


def _writable_if_given(folder: Path | None) -> Path | None:
    return folder and _writable(folder)


def _in_writable(path: Path | None) -> Path | None:
    return path and _writable(path.parent) / path.name


def _with_marks(page: Path | None) -> Path | None:
    """The page; ends the command if it lacks the marks between which rows are put."""
    if page:
        report.around(page, MARK)
    return _in_writable(page)


def page_option(text: str) -> typer.models.OptionInfo:
    """An option for a page with marks, between which rows are put."""
    return typer.Option(callback=_with_marks, help=text)


def choice_option(option: str, what: str, allowed: Iterable[str]) -> typer.models.OptionInfo:
    """A repeatable option with a fixed set of values, such as `--group p4 --group p4m`."""
    allowed = list(allowed)
    return typer.Option(
        option,
        callback=lambda names: chosen(what, names, allowed),
        help=f"Repeatable: {', '.join(allowed)}.",
    )


EVERY = [*BACKENDS, *VARIANTS]
Backends = Annotated[
    list[str], typer.Option("--backend", help=f"Backends to measure: {', '.join(EVERY)}.")
]
Devices = Annotated[
    list[str], typer.Option("--device", help="cpu, gpu or both; default all that there are.")
]
DataFormat = Annotated[str, typer.Option(help="channels_last or channels_first.")]
BatchSize = Annotated[int, typer.Option(min=1, help="Images per call.")]
Steps = Annotated[int, typer.Option(min=2, help="Timed calls of each.")]
Output = Annotated[
    Path | None, typer.Option(callback=_in_writable, help="JSON file to write the rows to.")
]
Folder = Annotated[Path, typer.Option(callback=_writable, help="Folder to write into.")]
FolderOrDocs = Annotated[
    Path | None,
    typer.Option(
        callback=_writable_if_given,
        help="Folder to write into; default docs, and nowhere if only a part is measured.",
    ),
]

FORMATS = ("channels_last", "channels_first")
Compare = Callable[..., Iterable[report.Row]]


def chosen(what: str, names: Iterable[str], allowed: Iterable[str]) -> list[str]:
    """The names without repeats; ends the command with the allowed names if one is not allowed."""
    names, allowed = list(dict.fromkeys(names)), list(allowed)
    for name in names:
        if name not in allowed:
            raise SystemExit(f"{name!r} is no {what}. Choose from {', '.join(allowed)}.")
    return names


def environments(
    backends: Iterable[str], wanted: Iterable[str], data_format: str
) -> list[Environment]:
    """Every backend on every wanted device; variants of backends on the CPU only."""
    backends = chosen("backend", backends, EVERY)
    chosen("data format", [data_format], FORMATS)
    available = devices()
    return [
        Environment(VARIANTS[name][0], device, data_format, variant=name)
        if name in VARIANTS
        else Environment(name, device, data_format)
        for device in chosen("device here", wanted, available) or available
        for name in backends
        if name in BACKENDS or device == "cpu"
    ]


def destination(folder: Path | None, whole: bool) -> Path | None:
    """The folder to write into: the one given, else docs if the whole page is measured.

    A part of the page would replace the whole, so without a folder it is only printed.
    """
    if folder is None and whole:
        folder = _writable(Path("docs"))
    part = "A part of the page is only printed; --folder has it written."
    print(f"Writes into {folder}." if folder else part)
    return folder


def rows(name: str, compare: Compare, where: Iterable[Environment]) -> Iterator[report.Row]:
    """The rows of a benchmark in every environment, labelled with both."""
    for environment in where:
        labels = {
            "benchmark": name,
            "backend": environment.name,
            "device": environment.device,
            "format": environment.data_format,
        }
        for row in compare(environment):
            yield {**labels, **row}


def show(name: str, compare: Compare, where: list[Environment], output: Path | None) -> None:
    """Prints the table of one benchmark, and writes it if a path is given."""
    header = report.describe(environment.backend for environment in where)
    print(header)
    table = report.Table()
    for row in rows(name, compare, where):
        table.add(row)
    table.write_json(output, header)


def command(
    name: str,
    compare: Compare,
    *,
    backends: Iterable[str] = tuple(BACKENDS),
    data_formats: bool = True,
    **defaults: Any,
) -> Callable[..., None]:
    """The command of one benchmark, for `typer.run`.

    Args:
        name: of the benchmark.
        compare: function from an environment to rows. Those of its arguments that are annotated
            with a `typer.Option` are options of the command; the help is what its docstring says
            after the colon.
        backends: measured by default.
        data_formats: whether there is an option `--data-format`.
        **defaults: of options, instead of those of `compare`.
    """
    hints = get_type_hints(compare, include_extras=True)
    options = {
        option: (hints[option], defaults.get(option, parameter.default))
        for option, parameter in signature(compare).parameters.items()
        if get_origin(hints[option]) is Annotated
    }
    shared: dict[str, tuple[Any, Any]] = {
        "backend": (Backends, tuple(backends)),
        "device": (Devices, ()),
        **({"data_format": (DataFormat, "channels_last")} if data_formats else {}),
        "output": (Output, None),
    }

    def main(backend, device, output, data_format="channels_last", **given) -> None:
        show(name, partial(compare, **given), environments(backend, device, data_format), output)

    # Typer reads the options from the signature and the annotations.
    main.__signature__ = Signature(
        [
            Parameter(option, Parameter.KEYWORD_ONLY, default=default, annotation=hint)
            for option, (hint, default) in {**shared, **options}.items()
        ]
    )
    main.__annotations__ = {option: hint for option, (hint, _) in {**shared, **options}.items()}
    main.__doc__ = f"Prints {compare.__doc__.partition(': ')[2]}"
    return main


def run(name: str, compare: Compare, **settings: Any) -> None:
    """Runs the command of one benchmark; the arguments are those of `command`."""
    typer.run(command(name, compare, **settings))
