"""Measures how exact a converted network is, with any number of inputs and outputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
import numpy as np

from keras_gcnn.analysis.auditing.channel_types import relative_error
from keras_gcnn.analysis.equivariance import equivariance_error
from keras_gcnn.backend.stateless import without_trace
from keras_gcnn.groups import Group
from keras_gcnn.model_graph import find_data_format, fitting_group
from keras_gcnn.rewriting.equivariant.roles import Role, with_sizes_of
from keras_gcnn.types import Shape

_OUTPUT_TYPES = {Role.INVARIANT: "invariant", Role.IMAGE: "trivial", Role.ON_GROUP: "regular"}
_BATCH = 2


def measure(
    model: keras.Model, group: Group, roles: Sequence[Role], input_shape: Shape | None, seed: int
) -> tuple[Group, dict[str, float], float]:
    """Measures a network on random images in [0, 1], or in 0, ..., 255 if it takes integers.

    Args:
        model: the network.
        group: its group.
        roles: how each of the outputs transforms.
        input_shape: shape of one image, whose rows and columns all images get; default that of
            each.
        seed: of the inputs.

    Returns:
        The largest subgroup that keeps the shape of the images; the largest relative error of all
        outputs by the names of its elements; the smallest relative difference of an output between
        two images.

    Raises:
        ValueError: if the sizes of the images are not known or differ, or an output is zero.
    """
    data_format = find_data_format(model)
    images, evaluate = _function_of(model, input_shape, seed, data_format)
    group = fitting_group(group, images.shape, data_format)
    worst: dict[str, float] = {}
    for at, role in enumerate(roles):
        errors = equivariance_error(
            lambda batch, at=at: evaluate(batch)[at],
            group,
            inputs=images,
            input_type="trivial",
            output_type=_OUTPUT_TYPES[role],
            data_format=data_format,
        )
        for name, error in errors.items():
            worst[name] = max(error, worst.get(name, 0.0))
    outputs = map(keras.ops.convert_to_numpy, evaluate(images))
    return group, worst, min(relative_error(each[:1], each[1:]) for each in outputs)


def _function_of(
    model: keras.Model, input_shape: Shape | None, seed: int, data_format: str
) -> tuple[np.ndarray, Callable[[np.ndarray], list]]:
    """Returns a batch and the network as a function of it; the channels are those of all images.

    Inputs that are no images are drawn once, since they stay when the images rotate.
    """
    rng = np.random.default_rng(seed)
    axis = 1 if data_format == "channels_first" else -1
    given = [_draw(tensor, input_shape, axis, rng) for tensor in model.inputs]
    are_images = [array.ndim == 4 for array in given]
    images = [array for array in given if array.ndim == 4]
    sizes = {array[:, :1].shape if axis == 1 else array[..., :1].shape for array in images}
    if len(sizes) != 1:
        raise ValueError("its inputs are images of several sizes")
    ends = np.cumsum([array.shape[axis] for array in images])[:-1]
    types = [array.dtype for array in images]
    call = without_trace(model)  # leaves its state unchanged

    def evaluate(batch: np.ndarray) -> list:
        parts = [
            part.astype(dtype)
            for part, dtype in zip(np.split(batch, ends, axis=axis), types, strict=True)
        ]
        inputs = [
            parts.pop(0) if is_image else array
            for array, is_image in zip(given, are_images, strict=True)
        ]
        packed = keras.tree.pack_sequence_as(model.input, inputs)
        return keras.tree.flatten(call(packed, training=False))

    return np.concatenate(images, axis=axis), evaluate


def _draw(
    tensor: keras.KerasTensor, input_shape: Shape | None, axis: int, rng: np.random.Generator
) -> np.ndarray:
    shape = tuple(tensor.shape[1:])
    if input_shape is not None and len(tensor.shape) == 4:
        shape = with_sizes_of(shape, input_shape, axis)
    if None in shape:
        raise ValueError(
            f"the shape {shape} of the input {tensor.name!r} is open. Call errors(input_shape)"
        )
    size = (_BATCH, *shape)
    dtype = keras.backend.standardize_dtype(tensor.dtype)
    if "int" in dtype:  # indices of other inputs have bounds that are not known
        return rng.integers(256 if len(size) == 4 else 2, size=size).astype(dtype)
    return rng.uniform(size=size).astype("float32" if dtype == "bfloat16" else dtype)
