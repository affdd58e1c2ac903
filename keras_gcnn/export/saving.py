"""Networks as files that need nothing of this library."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from keras_gcnn.export import formats
from keras_gcnn.export.plain import to_plain
from keras_gcnn.layers.arguments import check_choice
from keras_gcnn.zoo.autoencoder import VariationalAutoencoder

_BATCHES = (1, 3)  # on which what was written is compared, so that a fixed batch is noticed
_SIZE = 32  # rows and columns of these images where the model leaves them open
_SUFFIXES = {".keras": "keras", ".onnx": "onnx", "": "saved_model"}


def save(
    model: keras.Model,
    path: str | os.PathLike,
    format: str | None = None,
    *,
    classes: Sequence[str] | None = None,
    scale: float | None = None,
    tolerance: float = 1e-5,
) -> Path:
    """Writes a network for serving, and makes sure that the file computes what the network does.

    | format | file | read by |
    |---|---|---|
    | `"keras"` | `.keras`, with this library's layers | Keras and this library |
    | `"plain_keras"` | `.keras`, stock layers only | Keras |
    | `"saved_model"` | a folder | TensorFlow, TensorFlow Serving |
    | `"onnx"` | `.onnx` | ONNX Runtime and others |

    The last three are written from `to_plain(model)`: preprocessing layers are inside, what happens
    in training only is not. Batches may have any size. What the backend in use cannot write is
    written by a second process with TensorFlow, which has to be installed for it.

    Before the file gets its name it is loaded by its own runtime, and its outputs are compared with
    the network's on random images. An older file at `path` is replaced.

    Args:
        model: functional or sequential model, or an autoencoder of `zoo.vae`.
        path: of the file, or of the folder for `"saved_model"`.
        format: one of the above; default by the ending of `path`: `.keras` (as it is), `.onnx`, or
            none for a SavedModel.
        classes: names of the classes, in the order of the outputs; kept in the file's metadata.
        scale: float by which inputs are multiplied first, e.g. 1/255 for pixels of 8 bits; not for
            `"keras"`, which is the model as it is.
        tolerance: largest difference to accept, relative to the largest output.

    Returns:
        The path.

    Raises:
        ValueError: for an unknown format or ending, names that are not as many as the outputs, a
            model that cannot be said in stock layers, or a file that computes something else.
        ImportError: if the format needs a package that is not installed; it says which.

    Example:

    >>> import keras_gcnn
    >>> network = keras_gcnn.zoo.lenet("p4", widths=(2, 3))
    >>> path = keras_gcnn.export.save(network, "lenet.keras", "plain_keras")  # doctest: +SKIP
    """
    return save_and_compare(model, path, format, classes, scale, tolerance)[0]


def save_and_compare(
    model: keras.Model,
    path: str | os.PathLike,
    format: str | None = None,
    classes: Sequence[str] | None = None,
    scale: float | None = None,
    tolerance: float = 1e-5,
) -> tuple[Path, float]:
    """Does what `save` does, and tells how far the file's outputs are from the network's."""
    path = Path(path).expanduser()
    format = check_choice("format", format or _format_of(path), tuple(formats.FORMATS))
    kind = formats.FORMATS[format]
    if (kind.suffix or path.suffix) and path.suffix != kind.suffix:
        raise ValueError(
            f"path={str(path)!r} has to end in {kind.suffix!r} for format={format!r}."
            if kind.suffix
            else f"path={str(path)!r} has to be a folder, without an ending, for a SavedModel."
        )
    metadata = _metadata(model, classes)
    if format == "keras":
        if scale is not None:
            raise ValueError(
                'scale is for the formats without this library\'s layers; with format="keras" put '
                "a keras.layers.Rescaling into the model."
            )
        written = model
    else:
        written = formats.named(to_plain(model, flatten=format != "plain_keras", scale=scale))
    samples = [_sample(model, batch) for batch in _BATCHES]
    expected = [_predict(model, x if scale is None else x * scale) for x in samples]
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=path.parent) as folder:
        temporary = Path(folder, path.name)
        found = kind.write(written, temporary, samples, metadata)
        worst = _difference(expected, found)
        if not worst <= tolerance:
            raise ValueError(
                f"{path} was not written: the file's outputs differ from those of {model.name!r} "
                f"by {worst:.2g} of the largest, allowed are {tolerance:.2g}."
            )
        if path.is_dir() and not path.is_symlink():
            shutil.move(path, Path(folder, "older"))
        temporary.replace(path)
    return path, worst


def _format_of(path: Path) -> str:
    if path.suffix not in _SUFFIXES:
        raise ValueError(
            f"path={str(path)!r} tells no format. Let it end in .keras or .onnx, or in nothing for "
            f"a SavedModel, or give format, one of {', '.join(formats.FORMATS)}."
        )
    return _SUFFIXES[path.suffix]


def _metadata(model: keras.Model, classes: Sequence[str] | None) -> dict:
    from keras_gcnn import __version__

    found = {"network": model.name, "written by": f"keras_gcnn {__version__}"}
    if classes is None:
        return found
    outputs = keras.tree.flatten(model.output_shape)
    names = [str(one) for one in classes]
    number = outputs[-1] if isinstance(model.output_shape, tuple) else None
    if isinstance(classes, str) or number != len(names):
        raise ValueError(
            f"classes has {len(names)} names, but the outputs of {model.name!r} have the shape "
            f"{model.output_shape}. Give one name for each of the last axis, as a list."
        )
    return {**found, "classes": names}


def _sample(model: keras.Model, batch: int) -> np.ndarray:
    """Random images, as large as the model takes them."""
    inputs = (model.encoder if isinstance(model, VariationalAutoencoder) else model).inputs
    if len(inputs) != 1:
        raise ValueError(
            f"{model.name!r} has {len(inputs)} inputs; only models of one are written."
        )
    shape = [size or _SIZE for size in inputs[0].shape[1:]]
    drawn = np.random.default_rng(batch).random((batch, *shape))
    return drawn.astype(keras.backend.standardize_dtype(inputs[0].dtype))


def _predict(model: keras.Model, inputs: np.ndarray) -> list[np.ndarray]:
    outputs = model(keras.ops.convert_to_tensor(inputs), training=False)
    return [keras.ops.convert_to_numpy(one) for one in keras.tree.flatten(outputs)]


def _difference(expected, found) -> float:
    """The largest difference of outputs, relative to the largest of the same output."""
    pairs = [
        pair
        for wanted, outputs in zip(expected, found, strict=True)
        for pair in zip(wanted, outputs, strict=True)
    ]
    if any(one.shape != other.shape for one, other in pairs):
        return float("inf")
    return max(
        float(np.abs(one - other).max() / max(np.abs(one).max(), 1e-30)) for one, other in pairs
    )
