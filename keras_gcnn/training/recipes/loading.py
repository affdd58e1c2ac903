"""Recipes as files: found by name or path, read as TOML, checked key by key."""

from __future__ import annotations

import difflib
import json
import os
import tomllib
import typing
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from keras_gcnn.training import user_files
from keras_gcnn.training.recipes.tables import Table

_MOST_PROBLEMS = 30  # that a message names
_Kind = TypeVar("_Kind", bound=Table)


def folder(installed: str, checkout: str) -> Path:
    """Where recipes are: inside an installed package, or beside the package in a checkout."""
    package = Path(str(files("keras_gcnn")))
    inside = package / installed
    return inside if inside.is_dir() else package.parent / checkout


def names(where: Path) -> tuple[str, ...]:
    """Names of the recipes in a folder."""
    return tuple(sorted(path.stem for path in where.glob("*.toml")))


def find(recipe: str | Path, where: Path) -> Path:
    """Path of a recipe, given by its name or path.

    Raises:
        TypeError: if it is neither a string nor a path.
        ValueError: if there is neither a recipe of that name nor such a file.
    """
    if not isinstance(recipe, str | os.PathLike):
        raise TypeError(
            f"recipe={recipe!r} has to be the name of a recipe or the path of a TOML file."
        )
    for path in (where / f"{recipe}.toml", Path(recipe)):
        try:
            if path.is_file():
                return path
        except OSError:  # a name that no file system takes
            pass
    close = difflib.get_close_matches(str(recipe), names(where), n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    given = _short(repr(str(recipe)))
    raise ValueError(
        f"There is no recipe {given}.{hint} Give the path of a TOML file or one of: "
        f"{', '.join(names(where))}."
    )


def read(path: Path, overrides: dict[str, Any]) -> dict[str, Any]:
    """Content of a TOML file.

    Args:
        path: of the file.
        overrides: values to use instead of the file's, by dotted key with two underscores for the
            dot; None leaves the file's.

    Raises:
        ValueError: if the file is no TOML, is too large, or is nested too deep.
    """
    try:
        text = user_files.read_text(path, user_files.MOST_TOML)
        user_files.check_toml_depth(text)
        content = tomllib.loads(text)
    except ValueError as error:  # of TOML, of UTF-8, or of a number with thousands of digits
        raise ValueError(f"{path} is no TOML file: {error}") from None
    for key, value in overrides.items():
        if value is not None:
            *tables, last = key.split("__")
            table = content
            for name in tables:
                table = table.setdefault(name, {}) if isinstance(table, dict) else table
            if isinstance(table, dict):  # what is not is reported when it is checked
                table[last] = value
    return content


def check(
    kind: type[_Kind], content: dict[str, Any], path: Path, context: dict[str, Any] | None = None
) -> _Kind:
    """Makes a recipe of what was read.

    Args:
        kind: of recipe.
        content: from `read`.
        path: of the file, for messages.
        context: for the checks of the recipe.

    Raises:
        ValueError: if keys are wrong or unknown; the message names every such key.
    """
    try:
        return kind.model_validate(content, context=context)
    except ValidationError as error:
        raise ValueError(_explain(error, kind, path)) from None


def _short(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:200]}..."


def _as_written(value: Any) -> str:
    """A value as it stands in a TOML file."""
    if isinstance(value, float):
        return repr(value)
    try:
        return _short(json.dumps(value, ensure_ascii=False, default=str))
    except ValueError:  # Python refuses to write thousands of digits
        return "a number with thousands of digits"


def _table_at(kind: type[Table], keys: tuple[str | int, ...]) -> type[Table]:
    """The table of a recipe in which an unknown key stands."""
    for key in keys:
        if isinstance(key, str):
            annotation = kind.model_fields[key].annotation
            # A table itself, one that may be missing, or a list of tables.
            kinds = (annotation, *typing.get_args(annotation))
            kind = next(one for one in kinds if isinstance(one, type) and issubclass(one, Table))
    return kind


def _explain(error: ValidationError, kind: type[Table], path: Path) -> str:
    lines = []
    errors = error.errors()
    for one in errors:
        if one["type"] == "too_short" and any(
            len(other["loc"]) > len(one["loc"]) and other["loc"][: len(one["loc"])] == one["loc"]
            for other in errors
        ):
            continue  # pydantic does not count the wrong items, which are reported anyway
        key = ".".join(str(part) for part in one["loc"]) or "the recipe"
        if one["type"] == "extra_forbidden":
            allowed = _table_at(kind, one["loc"][:-1]).model_fields
            lines.append(f"{key}: unknown key; allowed are {', '.join(allowed)}")
        else:
            message = one["msg"].removeprefix("Value error, ")
            message = message.replace("tuple", "list").replace("Tuple", "List")
            # A key that is missing, and the recipe itself, were not given as one value.
            given = one["type"] != "missing" and one["loc"]
            lines.append(
                f"{key}: {message}" + (f" (given: {_as_written(one['input'])})" if given else "")
            )
    if len(lines) > _MOST_PROBLEMS:
        lines = [*lines[:_MOST_PROBLEMS], f"and {len(lines) - _MOST_PROBLEMS:,} more"]
    return f"{path} is no valid recipe:\n  " + "\n  ".join(lines)
