"""Reads a CSV file that names images and their labels."""

from __future__ import annotations

import csv
import io
import unicodedata
from dataclasses import dataclass
from pathlib import Path

_FILE_COLUMNS = ("file", "filename", "file_name", "path", "image", "image_path")
_LABEL_COLUMNS = ("label", "labels", "class", "target", "category")
_SPLIT_COLUMNS = ("split",)
_MOST_BYTES = 2**28
_SHOWN = 3  # of many names


@dataclass(frozen=True)
class Table:
    """A CSV file and the names of its columns.

    Args:
        path: of the file, absolute or from the folder of images.
        file_column: with the names of the images, from the folder; None for `file`, `filename`,
            `path` or `image`, whichever there is.
        label_column: None for `label`, `class`, `target` or `category`.
        group_column: images of one group stay in one split; None for no groups.
        split_column: with `train`, `validation` or `test`; None for `split`, if there is one.
    """

    path: Path
    file_column: str | None = None
    label_column: str | None = None
    group_column: str | None = None
    split_column: str | None = None


@dataclass(frozen=True)
class Row:
    """An image in a table; see `Sample`."""

    path: Path
    target: str
    split: str
    group: str


def read_table(folder: Path, table: Table) -> list[Row]:
    """Reads the rows of a table.

    Raises:
        ValueError: if the file cannot be read, or columns, files or labels are missing.
    """
    path = folder / table.path  # an absolute path stays as it is
    names, rows = _read(path)
    file = _choose(path, names, table.file_column, _FILE_COLUMNS, "the files")
    label = _choose(path, names, table.label_column, _LABEL_COLUMNS, "the labels")
    group = table.group_column and _choose(path, names, table.group_column, (), "the groups")
    split = table.split_column or _find(names, _SPLIT_COLUMNS)
    split = split and _choose(path, names, split, (), "the splits")
    found = [
        Row(
            _locate(folder, row[file]),
            row[label],
            row[split] if split else "",
            row[group] if group else "",
        )
        for row in rows
    ]
    _check(path, found, bool(group))
    return found


def _locate(folder: Path, name: str) -> Path:
    """Returns the path that a table names, also if another system or program wrote the name."""
    path = folder / name
    if path.is_file():
        return path
    for spelling in (name.strip(), name.strip().replace("\\", "/")):
        for form in ("NFC", "NFD"):  # an accent is one character or two
            other = folder / unicodedata.normalize(form, spelling)
            if other.is_file():
                return other
    return path


def _read(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ValueError(f"{path} is larger than {_MOST_BYTES:,} bytes; that is no table.")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path} is no text in UTF-8. Save it as CSV in UTF-8.") from None
    head = text.partition("\n")[0]
    delimiter = max(",;\t", key=head.count)
    try:
        reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        names = [name.strip() for name in reader.fieldnames or ()]
        reader.fieldnames = names
        rows = list(reader)
    except csv.Error as error:
        raise ValueError(f"{path} is no CSV file: {error}.") from None
    # Spreadsheets leave rows of empty cells at the end.
    numbered = [(number, row) for number, row in enumerate(rows, 2) if _has_content(row)]
    for number, row in numbered:
        if None in row or None in row.values():
            raise ValueError(
                f"{path}, row {number} has another number of cells than the head has columns."
            )
    if not numbered:
        raise ValueError(f"{path} has no rows below its head.")
    return names, [row for _, row in numbered]


def _has_content(row: dict[str, str]) -> bool:
    return any("".join(cell or ()).strip() for cell in row.values())  # those too many are a list


def _choose(
    path: Path, names: list[str], wanted: str | None, usual: tuple[str, ...], what: str
) -> str:
    """Returns the name of a column, which there has to be."""
    name = _find(names, usual) if wanted is None else wanted
    if name in names:
        if names.count(name) > 1:
            raise ValueError(
                f"{path} has {names.count(name)} columns {name!r}, and it is not clear which has "
                f"{what}. Rename or remove the others."
            )
        return name
    given = f"{wanted!r}" if wanted else " or ".join(usual)
    raise ValueError(
        f"{path} has no column {given} for {what}. It has {', '.join(names)}. Name the right one."
    )


def _find(names: list[str], usual: tuple[str, ...]) -> str | None:
    """Returns the first of the usual names that a column has, in upper or lower case."""
    by_lower = {name.lower(): name for name in names}
    return next((by_lower[name] for name in usual if name in by_lower), None)


def _check(path: Path, rows: list[Row], grouped: bool) -> None:
    problems = {
        "have no label": [row for row in rows if not row.target.strip()],
        "have no group": [row for row in rows if grouped and not row.group.strip()],
        "name files that do not exist": [row for row in rows if not row.path.is_file()],
    }
    for problem, found in problems.items():
        if found:
            names = ", ".join(str(row.path.name) for row in found[:_SHOWN])
            more = ", ..." if len(found) > _SHOWN else ""
            raise ValueError(
                f"{path}: {len(found)} of {len(rows)} rows {problem}: {names}{more}. Files are "
                "looked for from the folder of images."
            )
    seen: set[Path] = set()
    for row in rows:
        if row.path in seen:
            raise ValueError(f"{path} names {row.path.name} twice. Leave one of the rows out.")
        seen.add(row.path)
