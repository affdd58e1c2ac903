"""Bounds on files that users may have written, so that no file stops the program for long."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

MOST_TOML = 2**17  # bytes; the largest recipe of the library has 3,000
MOST_DATA = 2**26  # bytes of JSON or CSV; a history of 1,000 epochs has 300,000
_DEEPEST_TOML = 32  # levels; the recipes of the library have 4
_DEEPEST_DATA = 64

_TOML_TOKEN = re.compile(
    r"""
      "{3} (?:\\.|.)*? (?: "{3,5} | \Z )   # strings of several lines
    | '{3} .*? (?: '{3,5} | \Z )
    | " (?: \\. | [^"\\\n] )* "?           # strings of one line, which may lack their end
    | ' [^'\n]* '?
    | \# [^\n]*                            # comments
    | [\[\]{}.,\n]
    | [^"'\#\[\]{}.,\n]+
    """,
    re.VERBOSE | re.DOTALL,
)


def read_text(path: Path, most: int) -> str:
    """Returns the text of a file in UTF-8.

    Args:
        path: of the file.
        most: int, the largest number of bytes that is allowed.

    Raises:
        ValueError: if it has more bytes, or is not in UTF-8.
        OSError: if it cannot be read.
    """
    with path.open("rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise ValueError(f"it has more than {most:,} bytes, the most that is allowed")
    return content.decode("utf-8")


def check_toml_depth(text: str) -> None:
    """Checks how deep a TOML text is nested, before Python's recursive parser reads it.

    The parser's time for a dotted key grows with the square of its parts, and nested brackets
    exceed its recursion limit.

    Args:
        text: the TOML. Brackets and dots in its strings and comments do not count.

    Raises:
        ValueError: if it is nested too deep; the message names the line.
    """
    depth = line = 0
    dots = [0]  # number in the current key, at every level of brackets
    for match in _TOML_TOKEN.finditer(text):
        token = match[0]
        if token == ".":
            dots[-1] += 1
            depth += 1
        elif token in ("[", "{"):
            dots.append(0)
            depth += 1
        elif token in ("]", "}") and len(dots) > 1:
            depth -= dots.pop() + 1
        elif token in (",", "\n"):
            depth -= dots[-1]
            dots[-1] = 0
        if depth > _DEEPEST_TOML:
            raise ValueError(
                f"line {line + 1} nests brackets and dotted keys more than {_DEEPEST_TOML} deep, "
                "the most that is allowed"
            )
        line += token.count("\n")


def check_depth(content: Any) -> None:
    """Checks how deep lists and dicts are nested, without recursion.

    Raises:
        ValueError: if they are nested too deep.
    """
    level = [content]
    for _ in range(_DEEPEST_DATA):
        level = [
            item
            for container in level
            if isinstance(container, dict | list)
            for item in (container.values() if isinstance(container, dict) else container)
        ]
        if not level:
            return
    raise ValueError(f"it is nested more than {_DEEPEST_DATA} deep, the most that is allowed")
