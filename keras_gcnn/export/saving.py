"""Networks as files that need nothing of this library."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from keras_gcnn import __version__
from keras_gcnn.export import failures, formats
from keras_gcnn.export.checks import (
    check_classes,
    check_model,
    check_path,
    check_scale,
    check_tolerance,
    inputs_of,
)
from keras_gcnn.export.samples import samples_of
from keras_gcnn.full_disk import explain_full_disk
from keras_gcnn.rewriting.plain import to_plain

# Where a network makes this many times less of a change in the last bit of its input than the file
# differs by, it is rounding that differs: directions found from small vectors are such outputs.
_ROUNDINGS = 10


def save(
    model: keras.Model,
    path: str | os.PathLike,
    format: str | None = None,
    *,
    classes: Sequence[str] | None = None,
    scale: float | None = None,
    tolerance: float | None = None,
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
    the network's on random images. An older file at `path` is replaced, and so is a folder if it is
    a SavedModel.

    Args:
        model: functional or sequential model, or an autoencoder of `zoo.vae`.
        path: of the file, or of the folder for `"saved_model"`.
        format: one of the above; default by the ending of `path`: `.keras` (as it is), `.onnx`, or
            none for a SavedModel.
        classes: names of the classes, in the order of the outputs; kept in the file's metadata.
        scale: float by which inputs are multiplied first, e.g. 1/255 for pixels of 8 bits; not for
            `"keras"`, which is the model as it is.
        tolerance: largest difference to accept, relative to the largest output; default 1e-5, in
            half precision 1e-2 (float16) and 1e-1 (bfloat16), which is what these round to. More
            is accepted of a network that itself makes so much of the last bit of its input.

    Returns:
        The path.

    Raises:
        ValueError: for an unknown format or ending, a folder that is something else, names that are
            not as many as the outputs, several inputs, a model that cannot be said in stock
            layers, or a file that computes something else.
        TypeError: if `model` is no Keras model.
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
    tolerance: float | None = None,
) -> tuple[Path, float]:
    """Does what `save` does, and tells how far the file's outputs are from the network's."""
    check_model(model)
    path, format = check_path(path, format)
    kind = formats.FORMATS[format]
    scale = check_scale(scale, format, model)
    tolerance = check_tolerance(tolerance, model)
    metadata = {"network": model.name, "written by": f"keras_gcnn {__version__}"}
    if classes is not None:
        metadata["classes"] = check_classes(classes, model)
    order = None
    written = model
    if format != "keras":
        plain = to_plain(model, flatten=format != "plain_keras", scale=scale)
        names = formats.names_of_outputs(plain)
        order = sorted(range(len(names)), key=names.__getitem__)  # as a dict of them is read
        # In Keras a lone output is called by nobody, and stays the tensor it is.
        lone = format == "plain_keras" and len(names) == 1 and not isinstance(plain.output, dict)
        written = plain if lone else formats.named(plain, names)
    samples = samples_of(model)
    expected = _outputs(model, samples, scale, order)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=path.parent) as folder:
        temporary = Path(folder, path.name)
        try:
            with explain_full_disk(path):
                found = kind.write(written, temporary, samples, metadata)
        except (ImportError, OSError):
            raise
        except Exception as error:  # of a converter, which may fail in any way
            shape = tuple(inputs_of(model)[0].shape)
            message = failures.explain(error, model.name, format, shape)
            raise ValueError(f"{path} was not written: {message}") from error
        worst = _difference(expected, found)
        # Looked at only where it matters, as it takes time.
        allowed = tolerance
        if worst > tolerance:
            nudged = _outputs(model, [_nudge(x) for x in samples], scale, order)
            allowed = max(tolerance, _ROUNDINGS * _difference(expected, nudged))
        if not worst <= allowed:
            raise ValueError(
                f"{path} was not written: the file's outputs differ from those of {model.name!r} "
                f"by {worst:.2g} of the largest, allowed are {allowed:.2g}. Is there NaN in its "
                "weights? Half precision rounds otherwise in every runtime: give a tolerance, or "
                "load its weights into a float32 network."
            )
        if path.is_dir() and not path.is_symlink():
            shutil.move(path, Path(folder, "older"))
        temporary.replace(path)
    return path, worst


def _outputs(
    model: keras.Model,
    samples: list[np.ndarray],
    scale: float | None,
    order: list[int] | None,
) -> formats.Outputs:
    """What the network makes of the samples, its outputs in the order of the file's."""
    found = formats.run_model(model, [x if scale is None else x * scale for x in samples])
    return found if order is None else [[outputs[one] for one in order] for outputs in found]


def _nudge(sample: np.ndarray) -> np.ndarray:
    """The same images but for the last bit of every pixel; integers stay."""
    if sample.dtype.kind != "f":
        return sample
    up = np.random.default_rng(0).random(sample.shape) < 0.5
    return np.nextafter(sample, np.where(up, 2, -1).astype(sample.dtype))


def _difference(expected, found) -> float:
    """The largest difference of outputs, relative to the largest of the same output, or NaN."""
    pairs = [
        pair
        for wanted, outputs in zip(expected, found, strict=True)
        for pair in zip(wanted, outputs, strict=True)
    ]
    if any(one.shape != other.shape for one, other in pairs):
        return float("inf")
    # By NumPy, whose maximum is NaN if anything is.
    worst = [
        np.abs(one - other).max() / np.maximum(np.abs(one).max(), 1e-30)
        for one, other in ((a.astype("float64"), b.astype("float64")) for a, b in pairs)
    ]
    return float(np.max(worst))
