"""The weights of a network and the state of its optimizer, in one NumPy file.

Keras writes weights as HDF5, whose library crashes the process when the disk is full. These files
are made in memory and written at once.
"""

from __future__ import annotations

import io
from pathlib import Path

import keras
import numpy as np


def _variables(model: keras.Model) -> list[keras.Variable]:
    return [*model.weights, *model.optimizer.variables]


def save(model: keras.Model, path: Path) -> None:
    """Writes the weights of a compiled model and the variables of its optimizer, in their order.

    Raises:
        OSError: if there is no space.
    """
    arrays = [keras.ops.convert_to_numpy(variable) for variable in _variables(model)]
    # NumPy cannot store bfloat16; float32 holds all its values.
    arrays = [array.astype("float32") if array.dtype.kind == "V" else array for array in arrays]
    content = io.BytesIO()
    np.savez(content, *arrays)
    path.write_bytes(content.getbuffer())


def load(model: keras.Model, path: Path) -> None:
    """Loads what `save` wrote into a compiled model whose optimizer is built.

    Raises:
        EOFError, OSError, ValueError, zipfile.BadZipFile: if the file is missing or damaged, or
            belongs to another network.
    """
    variables = _variables(model)
    with np.load(path) as stored:
        arrays = [stored[name] for name in stored.files]
    shapes = [tuple(variable.shape) for variable in variables]
    if [array.shape for array in arrays] != shapes:
        raise ValueError(f"{path} holds arrays of other shapes than the network has.")
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)
