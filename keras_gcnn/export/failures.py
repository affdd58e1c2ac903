"""Explains why a converter or a runtime refused a network."""

from __future__ import annotations

import re
from collections.abc import Collection

from keras_gcnn.backend.ops import name as backend_name

# Messages in which converters and runtimes name an operation that they do not support.
_UNSUPPORTED = (
    r"No Op registered for (\w+)",
    r"OpType: (\w+)",
    r"[Oo]perator '?((?:\w+::)\w+)'?",
    r"operator (\w+)[^.]* (?:is not supported|unsupported)",
    r"Tensorflow op \[[^\]]*: (\w+)\] is not supported",
    r"Could not find an implementation for (\w+)",
)


class ConversionError(Exception):
    """An error of a converter in a second process.

    Args:
        message: message of the converter's error.
        backend: name of the backend of that process.
    """

    def __init__(self, message: str, backend: str):
        super().__init__(message)
        self.backend = backend


def explain(
    error: Exception,
    network: str,
    format: str,
    input_shape: tuple[int | None, ...],
    dtypes: Collection[str] = (),
) -> str:
    """Returns sentences on what could not be converted, why, and what may help.

    Args:
        error: the error of the converter or runtime.
        network: name of the network.
        format: name of the format.
        input_shape: input shape of the network, with None for open sizes.
        dtypes: in which its layers compute.
    """
    text = str(error).strip()
    first = next(iter(text.splitlines()), "") or type(error).__name__
    backend = getattr(error, "backend", backend_name())
    failed = f"{network!r} cannot be converted to {format} on {backend}"
    if format == "onnx" and (rare := sorted({"bfloat16", "float64"} & {*dtypes})):
        return (
            f"{failed} ({first}). It computes in {rare[0]}, in which ONNX Runtime has no "
            "convolutions on a CPU. Build the same network under "
            'keras.config.set_dtype_policy("float32"), give it the weights by '
            "new.set_weights(old.get_weights()), and save that."
        )
    operation = next(
        (match[1] for pattern in _UNSUPPORTED if (match := re.search(pattern, text))), None
    )
    if operation is not None:
        return (
            f"{failed}, because the converter does not know the operation {operation} ({first}). "
            "Replace the layer or activation that computes it, or try another format or backend."
        )
    if None in input_shape[1:]:
        return (
            f"{failed} ({first}). The reason may be that its images may have any size, "
            f"{input_shape}: state the size in keras.Input, or try another format or backend."
        )
    return f"{failed} ({first}). Try another format or backend."
