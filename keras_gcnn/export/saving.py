"""Writes networks to files for serving, and compares each file with its network."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_gcnn import __version__
from keras_gcnn.export import failures, formats, onnx_kernels
from keras_gcnn.export.checks import (
    check_classes,
    check_model,
    check_path,
    check_scale,
    check_tolerance,
    inputs_of,
)
from keras_gcnn.export.metadata import activation_of
from keras_gcnn.export.quantization import (
    check_calibration,
    check_int8,
    warn_if_different,
    write_int8,
)
from keras_gcnn.export.samples import samples_of
from keras_gcnn.full_disk import explain_full_disk
from keras_gcnn.model_graph import all_layers, first_data_format
from keras_gcnn.rewriting.engine import rewrite
from keras_gcnn.rewriting.plain import PlainBook, to_plain

# The file may differ by this many times what a change in the last bit of the input changes. Some
# outputs amplify rounding that much, such as directions of short vectors.
_ROUNDINGS = 10


def save(
    model: keras.Model,
    path: str | os.PathLike,
    format: str | None = None,
    *,
    classes: Sequence[str] | None = None,
    scale: float | None = None,
    tolerance: float | None = None,
    quantize: str | None = None,
    calibration: Any = None,
) -> Path:
    """Writes a network to a file for serving, and checks that both compute the same.

    - `"keras"`: a file `.keras` with this library's layers, for Keras and this library.
    - `"plain_keras"`: a file `.keras` with stock layers only, for Keras.
    - `"saved_model"`: a folder, for TensorFlow and TensorFlow Serving.
    - `"onnx"`: a file `.onnx`, for ONNX Runtime and others.

    The last three are written from `to_plain(model)`: they include preprocessing layers, and omit
    layers that act in training only. Batches may have any size from 1. An ONNX file has the trained
    weights and the nodes that lay them out as kernels, once, when the file is loaded; so it is
    about as large as the weights. If the backend in use cannot write a format, a second process
    with TensorFlow does, which has to be installed.

    Before the file gets its name, its own runtime loads it, and its outputs are compared with the
    network's on random images. An older file at `path` is replaced, and so is a folder that is a
    SavedModel.

    Args:
        model: functional or sequential model, or an autoencoder of `zoo.vae`.
        path: path of the file, or of the folder for `"saved_model"`.
        format: one of the above; by default chosen by the suffix of `path`: `.keras` is `"keras"`,
            `.onnx` is `"onnx"`, and no suffix is `"saved_model"`.
        classes: names of the classes, in the order of the outputs; written to the file's metadata.
            A map of one score takes those of background and foreground.
        scale: float by which inputs are multiplied first, e.g. 1/255 for pixels of 8 bits. Not for
            `"keras"`, which holds the model unchanged.
        tolerance: largest accepted difference, relative to the largest output; default 1e-5, or for
            the rounding of half precision 1e-2 (float16) and 1e-1 (bfloat16). A larger difference
            is accepted if a change in the last bit of the input changes the network's own outputs
            about as much.
        quantize: `"int8"` for an ONNX file that computes its convolutions with 8 bits, which is
            faster on most processors. Activations keep their 32 bits. The file has the kernels laid
            out, each number in a byte.
        calibration: array of images, as the file will get them, by which the ranges of 8 bits are
            chosen; a hundred from the training set are enough. The comparison above is then that of
            the file of 32 bits, and a warning says if the one of 8 bits gives other answers on more
            than 3 % of these images. The file's metadata `"int8"` has the share.

    Returns:
        The path.

    Raises:
        ValueError: for an unknown format or suffix, a folder that is no SavedModel, a number of
            class names other than that of the outputs, several inputs, a model that cannot be
            translated to stock layers, or a file whose outputs differ.
        TypeError: if `model` is no Keras model.
        ImportError: if the format needs a package that is not installed; the message names it.

    Example:

    >>> import keras_gcnn
    >>> network = keras_gcnn.zoo.lenet("p4", widths=(2, 3))
    >>> path = keras_gcnn.export.save(network, "lenet.keras", "plain_keras")  # doctest: +SKIP
    """
    path, _ = save_and_compare(
        model,
        path,
        format,
        classes,
        scale,
        tolerance,
        quantize=quantize,
        calibration=calibration,
    )
    return path


def save_and_compare(
    model: keras.Model,
    path: str | os.PathLike,
    format: str | None = None,
    classes: Sequence[str] | None = None,
    scale: float | None = None,
    tolerance: float | None = None,
    images: Mapping[str, Any] | None = None,
    target: str | None = None,
    quantize: str | None = None,
    calibration: Any = None,
) -> tuple[Path, float]:
    """Writes a file as `save` does; also returns how much its outputs differ from the network's.

    The difference is that of the file of 32 bits.

    Args:
        model: as in `save`, and so are all others but `images` and `target`.
        path: see `save`.
        format: see `save`.
        classes: see `save`.
        scale: see `save`.
        tolerance: see `save`.
        images: how images are prepared, for the file's metadata.
        target: `"labels"` or `"number"` if the model predicts these, for the file's metadata.
        quantize: see `save`.
        calibration: see `save`.
    """
    check_model(model)
    path, format = check_path(path, format)
    calibration = check_calibration(quantize, calibration, format, model)
    scale = check_scale(scale, format, model)
    tolerance = check_tolerance(tolerance, model)
    metadata: dict[str, Any] = {"network": model.name, "written by": f"keras_gcnn {__version__}"}
    if scale is not None:
        metadata["scale"] = scale
    if images is not None:
        metadata["images"] = dict(images)
    if target is not None:
        metadata["target"] = target
    if (activation := activation_of(model)) is not None:
        metadata["activation"] = activation
    if classes is not None:
        metadata["classes"] = check_classes(classes, model)
    order: list[int] | None = None
    written = model
    if format != "keras":
        if format == "plain_keras":
            plain = to_plain(model, scale=scale)
        else:  # for the runtimes of ONNX and TensorFlow, on which filters are faster
            plain = rewrite(model, PlainBook(filters=True), flatten=True, scale=scale)
        names = formats.names_of_outputs(plain)
        order = sorted(range(len(names)), key=names.__getitem__)  # the order of a dict's values
        # A Keras model returns a single output as a tensor, without a name.
        is_single = (
            format == "plain_keras" and len(names) == 1 and not isinstance(plain.output, dict)
        )
        written = plain if is_single else formats.named(plain, names)
    samples = samples_of(model, scale)
    expected = _outputs(model, samples, scale, order)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=path.parent) as folder:
        temporary = Path(folder, path.name)
        with _explained(path, format, model):
            outputs = formats.FORMATS[format].write(written, temporary, samples, metadata)
            if format == "onnx" and onnx_kernels.compact(temporary, model):
                outputs = formats.run_onnx(temporary, samples)
        worst = _difference(expected, outputs)
        allowed = tolerance
        if worst > tolerance:
            nudged = _outputs(model, [_nudge(x) for x in samples], scale, order)
            allowed = max(tolerance, _ROUNDINGS * _difference(expected, nudged))
        if not worst <= allowed:
            raise ValueError(
                f"{path} was not written: the file's outputs differ from those of {model.name!r} "
                f"by {worst:.2g} of the largest; allowed is {allowed:.2g}. Look for NaN in the "
                "weights. In half precision each runtime rounds differently: give a tolerance, or "
                "load the weights into a float32 network."
            )
        if calibration is not None:
            quantized = temporary.with_suffix(".int8.onnx")
            with _explained(path, format, model):
                kept = write_int8(temporary, quantized, calibration, first_data_format(model))
            check_int8(path, quantized)
            warn_if_different(path, kept)
            temporary = quantized
        if path.is_dir() and not path.is_symlink():
            shutil.move(path, Path(folder, "older"))
        temporary.replace(path)
    return path, worst


@contextmanager
def _explained(path: Path, format: str, model: keras.Model) -> Iterator[None]:
    """Explains the errors of converters and of a full disk."""
    try:
        with explain_full_disk(path):
            yield
    except (ImportError, OSError):
        raise
    except Exception as error:  # a converter may raise anything
        shape = tuple(inputs_of(model)[0].shape)
        dtypes = {layer.compute_dtype for layer in all_layers(model)}
        message = failures.explain(error, model.name, format, shape, dtypes)
        raise ValueError(f"{path} was not written: {message}") from error


def _outputs(
    model: keras.Model,
    samples: list[np.ndarray],
    scale: float | None,
    order: list[int] | None,
) -> formats.Outputs:
    """Returns the network's outputs for the samples, in the order of the file's outputs."""
    rows = formats.run_model(model, [x if scale is None else x * scale for x in samples])
    return rows if order is None else [[outputs[index] for index in order] for outputs in rows]


def _nudge(sample: np.ndarray) -> np.ndarray:
    """Returns the images with the last bit of each pixel changed; integers stay."""
    if sample.dtype.kind != "f":
        return sample
    up = np.random.default_rng(0).random(sample.shape) < 0.5
    return np.nextafter(sample, np.where(up, np.inf, -np.inf).astype(sample.dtype))


def _difference(expected: formats.Outputs, outputs: formats.Outputs) -> float:
    """Largest difference of outputs relative to the largest value of the same output, or NaN."""
    pairs = [
        (a.astype("float64"), b.astype("float64"))
        for expected_row, row in zip(expected, outputs, strict=True)
        for a, b in zip(expected_row, row, strict=True)
    ]
    if any(a.shape != b.shape for a, b in pairs):
        return float("inf")
    # NumPy's maximum is NaN if any value is.
    worst = [np.abs(a - b).max() / np.maximum(np.abs(a).max(), 1e-30) for a, b in pairs]
    return float(np.max(worst))
