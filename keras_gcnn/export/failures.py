"""Explains why a converter or a runtime did not take a network."""

from __future__ import annotations

import re

from keras_gcnn.backend.ops import name as backend_name

# How converters and runtimes name an operation that they do not have.
_NAMED = (
    r"No Op registered for (\w+)",
    r"OpType: (\w+)",
    r"[Oo]perator '?((?:\w+::)\w+)'?",
    r"operator (\w+)[^.]* (?:is not supported|unsupported)",
    r"Tensorflow op \[[^\]]*: (\w+)\] is not supported",
    r"Could not find an implementation for (\w+)",
)


class ConversionError(Exception):
    """What a converter in a second process could not do, in its words.

    Args:
        message: what it raised.
        backend: name of the backend of that process.
    """

    def __init__(self, message: str, backend: str):
        super().__init__(message)
        self.backend = backend


def explain(
    error: Exception, network: str, format: str, input_shape: tuple[int | None, ...]
) -> str:
    """Sentences on what cannot be converted, why, and what may be done.

    Args:
        error: what the converter or runtime raised.
        network: name of the network.
        format: of the file.
        input_shape: of the network, with None for what is open.
    """
    text = str(error).strip()
    first = next(iter(text.splitlines()), "") or type(error).__name__
    backend = getattr(error, "backend", backend_name())
    failed = f"{network!r} cannot be converted to {format} on {backend}"
    operation = next((found[1] for one in _NAMED if (found := re.search(one, text))), None)
    if operation is not None:
        return (
            f"{failed}, because the converter does not know the operation {operation} ({first}). "
            "Replace the layer or activation that computes it; other formats and backends may know "
            "it."
        )
    if None in input_shape[1:]:
        return (
            f"{failed} ({first}). Its images may have any size, {input_shape}, which may be the "
            "reason: state the size in keras.Input. Other formats and backends may take it."
        )
    return f"{failed} ({first}). Other formats and backends may take it."
