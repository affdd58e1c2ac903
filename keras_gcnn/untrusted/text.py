"""JSON: its size in memory is bounded before it is parsed."""

from __future__ import annotations

import json
import re
from typing import Any

_ALWAYS_ALLOWED = 300_000  # values; the largest networks of keras.applications have some 80,000
_BYTES_OF_A_VALUE = 8  # of the file, beyond that: what a list of words takes
_DEEPEST = 200
# Strings are matched so that brackets in them do not count.
_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', re.DOTALL)


def parse_json(content: bytes, stored: int | None = None) -> Any:
    """Parses JSON, unless its values would take much more memory than the file takes.

    Args:
        content: the text, in UTF-8.
        stored: int, bytes that the text takes in its file, if it is packed there.

    Raises:
        ValueError: if it is no JSON, or has too many values or too deep a nesting.
    """
    most = _ALWAYS_ALLOWED + (len(content) if stored is None else stored) // _BYTES_OF_A_VALUE
    # Every value but the first follows one of these.
    values = sum(map(content.count, (b"[", b"{", b",", b":")))
    if values > most:
        raise ValueError(f"its JSON has {values} values; {most} are allowed for its size")
    text = content.decode("utf-8")
    depth = deepest = 0
    for found in _BRACKETS.finditer(text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(found[0], 0)
        deepest = max(deepest, depth)
    if deepest > _DEEPEST:
        raise ValueError(f"its JSON is nested {deepest} deep; {_DEEPEST} is allowed")
    return json.loads(text)
