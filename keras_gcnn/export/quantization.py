"""ONNX files whose convolutions compute with 8 bits, calibrated on images."""

from __future__ import annotations

import json
import logging
import math
import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_gcnn.export import formats
from keras_gcnn.export.checks import inputs_of
from keras_gcnn.quiet import without_warnings

# A matrix with fewer numbers is a change of basis or a small head, whose values in 8 bits would
# cost exactness and save nothing.
_FEWEST_NUMBERS = 4096
_BATCH = 32  # images that are calibrated at a time
_AGREEMENT = 0.97  # of the answers, below which the user is warned


def check_calibration(
    quantize: str | None, calibration: Any, format: str, model: keras.Model
) -> np.ndarray | None:
    """Returns the images to calibrate on, or None if nothing is quantized.

    Raises:
        ValueError: unless both arguments are given, for ONNX, and the images fit the model.
    """
    if quantize is None and calibration is None:
        return None
    if quantize is None:
        raise ValueError('calibration is for quantize="int8". Give both, or leave both out.')
    if quantize != "int8":
        raise ValueError(
            f'quantize={quantize!r} is unknown. Give quantize="int8" and calibration=images, or '
            "leave both out."
        )
    if format != "onnx":
        raise ValueError(f'quantize="int8" is for format="onnx", not {format!r}.')
    (entry,) = inputs_of(model)
    if calibration is None:
        raise ValueError(
            'quantize="int8" needs calibration, an array of images as the file will get them, '
            f"of shape (images, {', '.join(str(size) for size in entry.shape[1:])}). A hundred "
            "from the training set are enough."
        )
    return _as_inputs(calibration, entry, model.name)


def _as_inputs(calibration: Any, entry: Any, name: str) -> np.ndarray:
    """Returns images as an array that fits an input of a model."""
    try:
        images = np.asarray(calibration)
    except (TypeError, ValueError, RuntimeError) as error:  # lists of several sizes, tensors
        raise ValueError(
            f"calibration cannot be made an array: {error} Give a NumPy array of images."
        ) from error
    if images.dtype.kind not in "biuf":
        raise ValueError(
            f"calibration is of type {type(calibration).__name__}, which holds no numbers. Give an "
            "array of images."
        )
    fits = images.ndim == len(entry.shape) and all(
        known in (None, size) for known, size in zip(entry.shape[1:], images.shape[1:], strict=True)
    )
    if not fits or not len(images):
        raise ValueError(
            f"calibration has the shape {images.shape}, and the images of {name!r} "
            f"{tuple(entry.shape)}. Give one or more of them in one array."
        )
    dtype = keras.backend.standardize_dtype(entry.dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        inputs = images.astype(dtype)
    if not np.isfinite(images).all() or not np.isfinite(inputs).all():
        raise ValueError(f"calibration has values that are not finite numbers of {dtype}.")
    if inputs.dtype.kind in "iu" and (inputs != images).any():
        raise ValueError(
            f"{name!r} takes whole numbers, {dtype}, and calibration has others, from "
            f"{images.min():.4g} to {images.max():.4g}. Give images as the file will get them."
        )
    return inputs


def write_int8(
    source: Path, target: Path, images: np.ndarray, data_format: str | None = None
) -> dict[str, Any]:
    """Writes an ONNX file whose convolutions and large matrices have 8 bits.

    Weights have a scale for each channel of the output; maps have one scale, which covers what the
    images have. Activations and changes of basis keep their numbers of 32 bits.

    Args:
        source: an ONNX file of 32 bits.
        target: the file to write.
        images: to calibrate on.
        data_format: of maps among the outputs.

    Returns:
        The file's metadata: the number of images, and the share of equal answers or the difference.
    """
    import onnx
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    prepared = target.with_suffix(".prepared.onnx")
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)  # of advice about the preparation that is made here
    try:
        with without_warnings():
            quant_pre_process(source, prepared, skip_symbolic_shape=True)
            graph = onnx.load(prepared)
            quantize_static(
                graph,
                target,
                _Batches(graph.graph.input[0].name, images),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=["Conv", "ConvTranspose", "Gemm", "MatMul"],
                nodes_to_exclude=_left_out(graph.graph),
                per_channel=True,
                activation_type=QuantType.QInt8,
                weight_type=QuantType.QInt8,
                # A rotation may change signs, so a range from -a to a holds rotated maps too.
                extra_options={"ActivationSymmetric": True},
            )
    finally:
        logging.disable(disabled)
        prepared.unlink(missing_ok=True)
    written = onnx.load(target)
    expected, found = (_outputs_of(each, images) for each in (source, target))
    differences = _compared(expected, found, data_format)
    kept = {"images": len(images), **differences}
    del written.metadata_props[:]
    written.metadata_props.extend(onnx.load(source, load_external_data=False).metadata_props)
    written.metadata_props.add(key="int8", value=json.dumps(kept))
    onnx.save(written, target)
    return kept


def check_int8(path: Path, written: Path) -> None:
    """Raises a `ValueError` if nothing in a file has 8 bits."""
    import onnx

    if all(node.op_type != "DequantizeLinear" for node in onnx.load(written).graph.node):
        raise ValueError(
            f"{path} was not written: the network has no convolution and no large matrix to "
            "compute with 8 bits. Leave quantize and calibration out."
        )


def warn_if_different(path: Path, kept: dict[str, Any]) -> None:
    """Warns if too few answers on the images are those of the file before."""
    if kept.get("agreement", 1.0) < _AGREEMENT:
        warnings.warn(
            f"{path} gives the same answer as the network for {100 * kept['agreement']:.1f} % of "
            f"the {kept['images']} images of calibration only. Give more of them, such as the "
            "network was trained on.",
            stacklevel=4,
        )


def _left_out(graph: Any) -> list[str]:
    """Names what keeps its 32 bits; nodes without a name get one.

    These are products with a small constant matrix, and the halves of separable filters: rounding
    between a pass over the rows and one over the columns would not commute with rotations.
    """
    shapes = {each.name: tuple(each.dims) for each in graph.initializer}
    names = []
    for number, node in enumerate(graph.node):
        node.name = node.name or f"node_{number}"
        weights = [shapes[name] for name in node.input if name in shapes]
        largest = max(map(math.prod, weights), default=0)
        if node.op_type in ("Gemm", "MatMul"):
            kept = largest < _FEWEST_NUMBERS
        else:
            kept = any(len(shape) == 4 and shape[2] != shape[3] for shape in weights)
        if kept:
            names.append(node.name)
    return names


class _Batches:
    """The images as ONNX Runtime asks for them: a dict a batch, then None."""

    def __init__(self, name: str, images: np.ndarray) -> None:
        self._batches = ({name: batch} for batch in _split(images))

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._batches, None)


def _split(images: np.ndarray) -> list[np.ndarray]:
    return [images[start : start + _BATCH] for start in range(0, len(images), _BATCH)]


def _outputs_of(path: Path, images: np.ndarray) -> list[np.ndarray]:
    """The outputs of a file for all images, in the order of the file."""
    batches = formats.run_onnx(path, _split(images))
    return [np.concatenate(parts) for parts in zip(*batches, strict=True)]


def _compared(
    expected: list[np.ndarray], found: list[np.ndarray], data_format: str | None
) -> dict[str, float]:
    """The share of equal answers of a single output of scores, and the largest difference."""
    pairs = [*zip(expected, found, strict=True)]
    worst = max(np.abs(a - b).max() / max(np.abs(a).max(), 1e-30) for a, b in pairs)
    kept = {"difference": float(worst)}
    (scores, others), *more = pairs
    axis = 1 if data_format == "channels_first" else -1
    if not more and scores.ndim > 1 and scores.shape[axis] > 1:
        kept["agreement"] = float((scores.argmax(axis) == others.argmax(axis)).mean())
    return kept
