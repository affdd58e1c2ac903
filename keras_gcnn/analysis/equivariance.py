"""Measures whether a layer or a model commutes with a group."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_gcnn import groups
from keras_gcnn.analysis.auditing.channel_types import (
    RANKS,
    TYPES,
    ChannelType,
    channel_type_of,
    move_each,
    relative_error,
)
from keras_gcnn.backend.stateless import without_trace
from keras_gcnn.groups.fields import Fields
from keras_gcnn.model_graph import first_data_format, fitting_group, group_of, largest_group
from keras_gcnn.types import GroupLike, Shape

_TOLERANCES = {"float64": 1e-10, "float32": 1e-5, "float16": 2e-2, "bfloat16": 1e-1}


def _function_of(target: Callable, training: bool) -> Callable[[np.ndarray], np.ndarray]:
    """Returns a function of arrays that calls the target and leaves its state unchanged."""
    call = without_trace(target) if isinstance(target, keras.Layer) else None
    is_module = call is None and hasattr(target, "named_modules")

    def evaluate(inputs: np.ndarray) -> np.ndarray:
        if is_module:
            inputs = keras.ops.convert_to_tensor(inputs)
        outputs = call(inputs, training=training) if call else target(inputs)
        if isinstance(outputs, (list, tuple, dict)):
            raise ValueError(
                f"{_name_of(target)} has several outputs. Measure them one by one, "
                "e.g. with keras.Model(model.inputs, model.outputs[0])."
            )
        return keras.ops.convert_to_numpy(outputs)

    return evaluate


def _name_of(target: Callable) -> str:
    return str(getattr(target, "name", target))


def _find_group(target: Callable, group: GroupLike | None) -> groups.Group:
    if group is None:
        group = largest_group(target) if isinstance(target, keras.Model) else group_of(target)
    if group is None:
        raise ValueError(
            f'{type(target).__name__} does not belong to a group. Give one, e.g. group="p4".'
        )
    return groups.get(group)


def _find_inputs(
    target: Callable,
    inputs: np.ndarray | None,
    input_shape: Shape | None,
    batch_size: int,
    seed: int,
) -> np.ndarray:
    if inputs is not None:
        return np.asarray(inputs)
    if input_shape is None and isinstance(target, keras.Model) and target.built:
        if len(target.inputs) > 1:
            raise ValueError(
                f"{target.name} has several inputs. Measure a function of the input that rotates, "
                "e.g. lambda images: model([images, metadata])."
            )
        input_shape = target.input_shape[1:]
    if input_shape is None or None in input_shape:
        raise ValueError(
            "The shape of the input is not known. Give input_shape, without the batch, e.g. "
            "input_shape=(28, 28, 8), or inputs."
        )
    shape: tuple[Any, ...] = (batch_size, *input_shape)
    drawn = np.random.default_rng(seed).standard_normal(shape)
    return drawn.astype(getattr(target, "compute_dtype", None) or keras.config.floatx())


def equivariance_error(
    target: Callable,
    group: GroupLike | None = None,
    *,
    inputs: np.ndarray | None = None,
    input_shape: Shape | None = None,
    input_type: str | Fields | None = None,
    output_type: str | Fields | None = None,
    data_format: str | None = None,
    training: bool = False,
    batch_size: int = 4,
    seed: int = 0,
) -> dict[str, float]:
    """Measures `max |f(g x) - g f(x)| / max |f(x)|` for every element g of a group.

    Args:
        target: a Keras layer or model, a function from a batch to a batch, or a `torch.nn.Module`,
            which is called on tensors in its current training mode. A layer that is not built yet
            is built by the call. Its state, such as moving statistics, does not change.
        group: str or `keras_gcnn.groups.Group`; default the group of the layer, or the largest
            group of a model's layers.
        inputs: batch to measure on; default `batch_size` draws from the standard normal.
        input_shape: shape of one input, without the batch; default that of the model.
        input_type: `"trivial"` (images: values move but do not change), `"regular"` (channels
            `c * |G| + g`, which permute too), `"vectors"` (pairs of channels, x to the right and y
            up), or the `Fields` of a steerable map. Default the `Fields` of a steerable layer,
            `"regular"` for layers that expect it, such as `GConv2D`, and `"trivial"` otherwise.
        output_type: the same for the output; default the `Fields` of a steerable layer, else
            `"trivial"` or `"regular"`, whichever fits better. An output of shape
            `(batch, features)` is invariant if it is `"trivial"`.
        data_format: `"channels_last"` or `"channels_first"`; default the data format of the layer,
            or of the first layer of a model or `torch.nn.Module` that has one, or Keras's.
        training: bool, whether to call with `training=True`.
        batch_size: int, number of images to draw.
        seed: int, seed of the inputs and of the elements of the entry `"mixed"`.

    Returns:
        dict from the element's name (`"e"`, `"r"`, ... ) to the relative error. The entry
        `"mixed"` is for a batch in which each image has its own element: the output for one image
        must not depend on the elements of others, for instance through batch statistics. It is left
        out where the rotated images have different shapes. All entries are NaN if the output is not
        finite.

    Raises:
        ValueError: if the group or the shape is not known, a type is unknown, there are several
            inputs or outputs, or the output is zero everywhere.

    Example:

    >>> from keras_gcnn import analysis, layers
    >>> errors = analysis.equivariance_error(layers.GConv2D(4, 3, "p4"), input_shape=(9, 9, 8))
    >>> max(errors.values()) < 1e-6
    True
    """
    group = _find_group(target, group)
    known_format = data_format or first_data_format(target)
    data_format = known_format or keras.config.image_data_format()
    x = _find_inputs(target, inputs, input_shape, batch_size, seed)
    _check_square(target, group, x, data_format)
    _check_rank("input", x)
    evaluate = _function_of(target, training)
    y = evaluate(x)  # builds a layer, which may know the fields of its output only then
    _check_rank("output", y)
    input_type, output_type = _find_types(target, input_type, output_type)
    for name, channels, array in (("input", input_type, x), ("output", output_type, y)):
        if isinstance(channels, Fields):
            _check_fields(name, channels, group, array, data_format)
    if not y.any():
        raise ValueError("The output is zero everywhere, which shows nothing. Give other inputs.")
    trials = _trials(group, x, data_format, seed, training)
    channel_type = channel_type_of(input_type, group)
    try:
        moved_outputs = {
            name: evaluate(move_each(channel_type, x, group, elements, data_format))
            for name, elements in trials.items()
        }
    except (ValueError, RuntimeError) as error:
        if known_format:
            raise
        raise ValueError(
            f"{getattr(target, 'name', type(target).__name__)} accepts inputs of shape {x.shape}, "
            f"but not when they are rotated. They were read as {data_format}, since the target "
            "has no data format. Give data_format, 'channels_first' or 'channels_last'."
        ) from error
    candidates = _fitting_types(output_type, group, y, data_format)
    if len(y) != len(x):
        return dict.fromkeys(trials, float("inf"))  # the images of the batch were mixed
    if not np.isfinite(y).all():
        return dict.fromkeys(trials, float("nan"))
    errors_by_type = [
        {
            name: relative_error(
                moved_outputs[name], move_each(candidate, y, group, elements, data_format)
            )
            for name, elements in trials.items()
        }
        for candidate in candidates
    ]
    return min(errors_by_type, key=lambda errors: max(errors.values()))


def _find_types(
    target: Callable, input_type: str | Fields | None, output_type: str | Fields | None
) -> tuple[str | Fields, str | Fields | None]:
    """Returns the types of the channels, by default those of the layer."""
    if input_type is None:
        reads_fibres = group_of(target) is not None and not getattr(target, "lifting", False)
        layer_fields = getattr(target, "fields_in", None)
        input_type = layer_fields or ("regular" if reads_fibres else "trivial")
    if output_type is None:
        output_type = getattr(target, "fields_out", None)
    for argument, value in (("input_type", input_type), ("output_type", output_type)):
        names = (*TYPES, "vectors")
        if value is not None and not isinstance(value, Fields) and value not in names:
            raise ValueError(
                f"{argument}={value!r} is unknown. Choose one of {', '.join(names)}, or give "
                "Fields."
            )
    return input_type, output_type


def _check_fields(
    what: str, fields: Fields, group: groups.Group, array: np.ndarray, data_format: str
) -> None:
    """Raises a `ValueError` unless an array can be fields that know all elements of a group."""
    exact = fields.group.pixel_group
    if not (fields.is_trivial or exact.contains(group)):
        raise ValueError(
            f"The {what} is {fields!r}, and {group.name} is not in {fields.group}, their group. "
            f"Give group={exact.name!r}, its elements that move pixels to pixels."
        )
    if not channel_type_of(fields, group).fits(array.shape, data_format):
        raise ValueError(
            f"The {what} has shape {array.shape}, and {fields!r} have {fields.channels} channels. "
            f"Give other Fields as {what}_type, or leave it out."
        )


def _trials(
    group: groups.Group, x: np.ndarray, data_format: str, seed: int, training: bool
) -> dict[str, list[int]]:
    """Returns for each trial the elements that act on the images of the batch."""
    trials = {name: [g] * len(x) for g, name in enumerate(group.elements)}
    if fitting_group(group, x.shape, data_format) == group:
        drawn = np.random.default_rng(seed).integers(group.order, size=len(x))
        trials["mixed"] = drawn.tolist()
    elif training:
        raise ValueError(
            f"Images of shape {x.shape[1:]} that are rotated differently do not fit into one "
            "batch. Use square images with training=True."
        )
    return trials


def _fitting_types(
    output_type: str | Fields | None, group: groups.Group, y: np.ndarray, data_format: str
) -> list[ChannelType]:
    """Returns the given type of the output, or all types, as far as its shape allows them."""
    types = [channel_type_of(name, group) for name in ((output_type,) if output_type else TYPES)]
    types = [channel_type for channel_type in types if channel_type.fits(y.shape, data_format)]
    if not types:
        if output_type == "vectors":
            raise ValueError(
                f"The output has shape {y.shape}, whose channels are no pairs: it holds no "
                'vectors. Use output_type="trivial".'
            )
        raise ValueError(
            f"The output has shape {y.shape}, whose channels are no multiple of {group.order}: it "
            f'is not regular on {group.name}. Use output_type="trivial".'
        )
    return types


def _check_square(target: Callable, group: groups.Group, x: np.ndarray, data_format: str) -> None:
    """Raises a `ValueError` if rotated images would not fit into a model of a fixed size."""
    shape = getattr(target, "input_shape", None) if isinstance(target, keras.Model) else None
    if not shape or None in shape[1:] or fitting_group(group, x.shape, data_format) == group:
        return
    raise ValueError(
        f"{_name_of(target)} takes images of shape {shape[1:]}, which do not fit into it any more "
        f"when {group.name} rotates them. Use square images, or a group without quarter turns, "
        "e.g. 'pmm'."
    )


def _check_rank(what: str, array: np.ndarray) -> None:
    if array.ndim not in RANKS:
        raise ValueError(
            f"The {what} has shape {array.shape}. It has to be a batch of images, "
            "(batch, rows, columns, channels), or of features, (batch, channels)."
        )


def assert_equivariant(
    target: Callable,
    group: GroupLike | None = None,
    *,
    tolerance: float | None = None,
    **kwargs: Any,
) -> None:
    """Raises an `AssertionError` unless a layer or model commutes with every element of a group.

    Args:
        target: a Keras layer or model, or a function from a batch to a batch.
        group: str or `keras_gcnn.groups.Group`; default the group of the layer, or the largest
            group of a model's layers.
        tolerance: largest accepted relative error; default 1e-10 in float64, 1e-5 in float32.
        **kwargs: arguments of `equivariance_error`, such as `input_shape`.

    Raises:
        AssertionError: if the largest error exceeds the tolerance; the message names the element.
        ValueError: as `equivariance_error`.

    Example:

    >>> from keras_gcnn import analysis, zoo
    >>> analysis.assert_equivariant(zoo.lenet("p4"), "p4")
    """
    errors = equivariance_error(target, group, **kwargs)
    if tolerance is None:
        dtype = getattr(target, "compute_dtype", None) or keras.config.floatx()
        tolerance = _TOLERANCES.get(dtype, 1e-5)
    worst = max(errors, key=lambda name: (np.isnan(errors[name]), errors[name]))
    if np.isnan(errors[worst]):
        raise AssertionError(
            f"The output of {_name_of(target)} holds NaN or infinity, which shows nothing. "
            "Look for them in the weights and the inputs."
        )
    if not errors[worst] <= tolerance:
        raise AssertionError(
            f"{_name_of(target)} does not commute with element {worst!r} of "
            f"{_find_group(target, group).name}: relative error {errors[worst]:.2g}, allowed "
            f"{tolerance:.2g}. For a model, keras_gcnn.analysis.audit names the layers that break "
            "equivariance."
        )
