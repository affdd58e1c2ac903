"""Bounds on files that users give or may have changed, so that none stops the program for long."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

MOST_TOML = 2**17  # bytes; the library's largest recipe has 3,000
MOST_DATA = 2**26  # bytes of JSON or CSV; a history of 1,000 epochs has 300,000
_DEEPEST_TOML = 32  # levels; the library's recipes have 4
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
    """Text of a file in UTF-8.

    Args:
        path: of the file.
        most: int, number of bytes that it may have.

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
    """Checks how deep a TOML text is nested, before a parser that calls itself reads it.

    The time that Python's parser takes for a dotted key grows with the square of its parts, and of
    nested brackets it takes as many as Python takes calls within calls.

    Args:
        text: the TOML. Brackets and dots in its strings and comments do not count.

    Raises:
        ValueError: if it is nested too deep; the message has the line.
    """
    depth = line = 0
    dots = [0]  # of the key that is read, at every level of brackets
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
    """Checks how deep lists and dicts are nested, without calling itself.

    Raises:
        ValueError: if they are nested too deep.
    """
    level = [content]
    for _ in range(_DEEPEST_DATA):
        level = [
            item
            for one in level
            if isinstance(one, dict | list)
            for item in (one.values() if isinstance(one, dict) else one)
        ]
        if not level:
            return
    raise ValueError(f"it is nested more than {_DEEPEST_DATA} deep, the most that is allowed")
