"""Finds recipes by name or path, reads them as TOML, and checks them key by key."""

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
from keras_gcnn.training.recipes.data_table import REPLACED
from keras_gcnn.training.recipes.table import Table

_MOST_PROBLEMS = 30  # that a message names
_Schema = TypeVar("_Schema", bound=Table)


def folder(installed: str, checkout: str) -> Path:
    """Returns where recipes are: inside an installed package, or beside it in a checkout."""
    package = Path(str(files("keras_gcnn")))
    inside = package / installed
    return inside if inside.is_dir() else package.parent / checkout


def names(where: Path) -> tuple[str, ...]:
    """Returns the names of the recipes in a folder."""
    return tuple(sorted(path.stem for path in where.glob("*.toml")))


def find(recipe: str | Path, where: Path) -> Path:
    """Returns the path of a recipe, given its name or path.

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
        except OSError:  # no file system takes such a name
            pass
    close = difflib.get_close_matches(str(recipe), names(where), n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    given = _short(repr(str(recipe)))
    raise ValueError(
        f"There is no recipe {given}.{hint} Give the path of a TOML file or one of: "
        f"{', '.join(names(where))}."
    )


def read(path: Path, overrides: dict[str, Any]) -> dict[str, Any]:
    """Returns the content of a TOML file.

    Args:
        path: of the file.
        overrides: values to use instead of those in the file, by dotted key with two underscores
            for the dot; None keeps the value of the file. The name of a data set replaces the keys
            of a folder of images, and a folder the name.

    Raises:
        ValueError: if the file is no TOML, is too large, or is nested too deep.
    """
    try:
        text = user_files.read_text(path, user_files.MOST_TOML)
        user_files.check_toml_depth(text)
        content = tomllib.loads(text)
    except ValueError as error:  # wrong TOML or UTF-8, or a number with thousands of digits
        raise ValueError(f"{path} is no TOML file: {error}") from None
    _leave_out_replaced(content.get("data"), overrides)
    for key, value in overrides.items():
        if value is not None:
            *tables, last = key.split("__")
            table = content
            for name in tables:
                table = table.setdefault(name, {}) if isinstance(table, dict) else table
            if isinstance(table, dict):  # `check` reports what should be a table and is not
                table[last] = value
    return content


def _leave_out_replaced(data: Any, overrides: dict[str, Any]) -> None:
    """Removes keys from `[data]` that stand for another data set than the overrides name."""
    for key, replaced in REPLACED.items():
        if overrides.get(f"data__{key}") is not None and isinstance(data, dict):
            for name in replaced:
                data.pop(name, None)


def check(
    schema: type[_Schema],
    content: dict[str, Any],
    path: Path,
    context: dict[str, Any] | None = None,
) -> _Schema:
    """Makes a recipe of the content of a file.

    Args:
        schema: of the recipe.
        content: from `read`.
        path: of the file, for messages.
        context: passed to the validators of the recipe.

    Returns:
        The recipe.

    Raises:
        ValueError: if keys are wrong or unknown; the message names every such key.
    """
    try:
        return schema.model_validate(content, context=context)
    except ValidationError as error:
        raise ValueError(_explain(error, schema, path)) from None


def _short(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:200]}..."


def _as_written(value: Any) -> str:
    """Returns a value as it would be written in a TOML file."""
    if isinstance(value, float):
        return repr(value)
    try:
        return _short(json.dumps(value, ensure_ascii=False, default=str))
    except ValueError:  # Python refuses to write thousands of digits
        return "a number with thousands of digits"


def _table_at(schema: type[Table], keys: tuple[str | int, ...]) -> type[Table]:
    """Returns the schema of the table to which keys lead."""
    for key in keys:
        if isinstance(key, str):
            annotation = schema.model_fields[key].annotation
            # A table, an optional table, or a list of tables.
            types = (annotation, *typing.get_args(annotation))
            schema = next(
                candidate
                for candidate in types
                if isinstance(candidate, type) and issubclass(candidate, Table)
            )
    return schema


def _explain(error: ValidationError, schema: type[Table], path: Path) -> str:
    """Returns a message with a line for every wrong key."""
    lines = []
    errors = error.errors()
    for problem in errors:
        place = problem["loc"]
        if problem["type"] == "too_short" and any(
            len(other["loc"]) > len(place) and other["loc"][: len(place)] == place
            for other in errors
        ):
            continue  # pydantic does not count the wrong items, which are reported anyway
        key = ".".join(str(part) for part in place) or "the recipe"
        if problem["type"] == "extra_forbidden":
            allowed = _table_at(schema, place[:-1]).model_fields
            lines.append(f"{key}: unknown key; allowed are {', '.join(allowed)}")
        else:
            message = problem["msg"].removeprefix("Value error, ")
            message = message.replace("tuple", "list").replace("Tuple", "List")
            # A missing key and the recipe as a whole have no value to show.
            has_value = problem["type"] != "missing" and place
            given = f" (given: {_as_written(problem['input'])})" if has_value else ""
            lines.append(f"{key}: {message}{given}")
    if len(lines) > _MOST_PROBLEMS:
        lines = [*lines[:_MOST_PROBLEMS], f"and {len(lines) - _MOST_PROBLEMS:,} more"]
    return f"{path} is no valid recipe:\n  " + "\n  ".join(lines)
