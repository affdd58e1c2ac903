"""Names of the export formats, with the endings of their files.

This module does not import Keras, so that the command can list the formats before it does.
"""

from __future__ import annotations

from typing import NamedTuple


class FileFormat(NamedTuple):
    """How files of a format are named.

    Attributes:
        suffix: suffix of the file; empty for a folder.
        ending: what the command appends to the name of a model for the name of the file.
    """

    suffix: str
    ending: str


FILE_FORMATS = {
    "keras": FileFormat(".keras", "-keras.keras"),
    "plain_keras": FileFormat(".keras", "-plain.keras"),
    "saved_model": FileFormat("", "/1"),  # TensorFlow Serving reads numbered folders
    "onnx": FileFormat(".onnx", ".onnx"),
}
