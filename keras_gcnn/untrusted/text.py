"""Parses JSON after bounding the memory that its values take."""

from __future__ import annotations

import json
import re
from typing import Any

_ALWAYS_ALLOWED = 300_000  # values; the largest networks of keras.applications have some 80,000
_BYTES_PER_VALUE = 8  # bytes of the file for each further value, as in a list of words
_DEEPEST = 200
# Strings match too, so that brackets inside them do not count.
_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', re.DOTALL)


def parse_json(content: bytes, stored: int | None = None) -> Any:
    """Parses JSON unless its values would take much more memory than its file.

    Args:
        content: the text in UTF-8.
        stored: int, bytes of the text in its file if it is compressed there.

    Raises:
        ValueError: if it is no JSON, or has too many values or too deep a nesting.
    """
    most = _ALWAYS_ALLOWED + (len(content) if stored is None else stored) // _BYTES_PER_VALUE
    # Every value except the first follows one of these signs.
    values = sum(map(content.count, (b"[", b"{", b",", b":")))
    if values > most:
        raise ValueError(f"its JSON has {values} values; {most} are allowed for its size")
    text = content.decode("utf-8")
    depth = deepest = 0
    for match in _BRACKETS.finditer(text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(match[0], 0)
        deepest = max(deepest, depth)
    if deepest > _DEEPEST:
        raise ValueError(f"its JSON is nested {deepest} deep; {_DEEPEST} is allowed")
    return json.loads(text)
