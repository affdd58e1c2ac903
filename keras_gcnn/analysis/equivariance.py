"""Measures whether a layer or a model commutes with a group."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np

from keras_gcnn import groups
from keras_gcnn.analysis.audit.channel_types import (
    RANKS,
    TYPES,
    field_of,
    move_each,
    relative_error,
)
from keras_gcnn.backend.stateless import without_trace
from keras_gcnn.groups.fields import Fields
from keras_gcnn.model_graph import fitting_group, largest_group, own_group, told_data_format

_TOLERANCES = {"float64": 1e-10, "float32": 1e-5, "float16": 2e-2, "bfloat16": 1e-1}


def _function_of(target: Callable, training: bool) -> Callable[[np.ndarray], np.ndarray]:
    """A layer, model or function as one from an array to an array, without a trace in its state."""
    call = without_trace(target) if isinstance(target, keras.Layer) else None
    is_module = call is None and hasattr(target, "named_modules")

    def evaluate(inputs: np.ndarray) -> np.ndarray:
        if is_module:
            inputs = keras.ops.convert_to_tensor(inputs)
        outputs = call(inputs, training=training) if call else target(inputs)
        if isinstance(outputs, (list, tuple, dict)):
            raise ValueError(
                f"{getattr(target, 'name', target)} has several outputs. Measure them one by one, "
                "e.g. with keras.Model(model.inputs, model.outputs[0])."
            )
        return keras.ops.convert_to_numpy(outputs)

    return evaluate


def _find_group(target, group) -> groups.Group:
    if group is None:
        group = largest_group(target) if isinstance(target, keras.Model) else own_group(target)
    if group is None:
        raise ValueError(
            f"{type(target).__name__} does not say which group it belongs to. Give it, e.g. "
            'group="p4".'
        )
    return groups.get(group)


def _find_inputs(target, inputs, input_shape, batch_size, seed) -> np.ndarray:
    if inputs is not None:
        return np.asarray(inputs)
    if input_shape is None and isinstance(target, keras.Model) and target.built:
        if len(target.inputs) > 1:
            raise ValueError(
                f"{target.name} has several inputs. Measure a function of the one that turns, e.g. "
                "lambda images: model([images, metadata])."
            )
        input_shape = target.input_shape[1:]
    if input_shape is None or None in input_shape:
        raise ValueError(
            "The shape of the input is not known. Give input_shape, without the batch, e.g. "
            "input_shape=(28, 28, 8), or inputs."
        )
    drawn = np.random.default_rng(seed).standard_normal((batch_size, *input_shape))
    return drawn.astype(getattr(target, "compute_dtype", None) or keras.config.floatx())


def equivariance_error(
    target: Callable,
    group: str | groups.Group | None = None,
    *,
    inputs: np.ndarray | None = None,
    input_shape: tuple[int, ...] | None = None,
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
            which is called on tensors in the mode of training that it is in. A layer that is not
            built yet is built by the call. Its state, such as moving statistics, is left as it was.
        group: str or `keras_gcnn.groups.Group`; default the layer's own, or the largest
            of a model's layers.
        inputs: batch to measure on; default `batch_size` draws from the standard normal.
        input_shape: shape of one input, without the batch; default that of the model.
        input_type: `"trivial"` (images: values move but do not change) or `"regular"` (channels
            `c * |G| + g`, which permute too), or the `Fields` of a steerable map. Default the
            layer's own `Fields`, or `"regular"` for layers that expect it, such as `GConv2D`, and
            `"trivial"` for everything else.
        output_type: likewise for the output; default the layer's own `Fields` if it is a steerable
            one, else whichever of trivial and regular fits better. An output
            of shape `(batch, features)` is invariant if it is `"trivial"`.
        data_format: `"channels_last"` or `"channels_first"`; default that of the layer, or of the
            first layer of a model or `torch.nn.Module` that has one, or Keras's.
        training: bool, whether to call with `training=True`.
        batch_size: int, images to draw.
        seed: int, for the inputs and for the mixed turns.

    Returns:
        dict from the element's name (`"e"`, `"r"`, ... ) to the relative error. The entry
        `"mixed"` is for a batch whose images are turned each by its own element: no image may learn
        how the others are turned, for instance through batch statistics. It is left out where the
        turned images have different shapes. NaN everywhere if the output is not finite.

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
    told = data_format or told_data_format(target)
    data_format = told or keras.config.image_data_format()
    if input_type is None:
        fibred = own_group(target) is not None and not getattr(target, "lifting", False)
        input_type = getattr(target, "fields_in", None) or ("regular" if fibred else "trivial")
    if output_type is None:
        output_type = getattr(target, "fields_out", None)
    for argument, value in (("input_type", input_type), ("output_type", output_type)):
        if value is not None and not isinstance(value, Fields) and value not in TYPES:
            raise ValueError(
                f"{argument}={value!r} is unknown. Choose one of {', '.join(TYPES)}, or give "
                "Fields."
            )
    field = field_of(input_type, group)
    x = _find_inputs(target, inputs, input_shape, batch_size, seed)
    _check_square(target, group, x, data_format)
    _check_rank("input", x)
    evaluate = _function_of(target, training)
    y = evaluate(x)
    _check_rank("output", y)
    if not y.any():
        raise ValueError(
            "The output is zero everywhere, of which nothing can be said. Give other inputs."
        )

    trials = {name: [g] * len(x) for g, name in enumerate(group.elements)}
    if fitting_group(group, x.shape, data_format) == group:
        drawn = np.random.default_rng(seed).integers(group.order, size=len(x))
        trials["mixed"] = drawn.tolist()
    elif training:
        raise ValueError(
            f"Images of shape {x.shape[1:]} that are turned differently do not fit into one batch. "
            "Use square images with training=True."
        )
    try:
        turned = {
            name: evaluate(move_each(field, x, group, elements, data_format))
            for name, elements in trials.items()
        }
    except (ValueError, RuntimeError) as error:
        if told:
            raise
        raise ValueError(
            f"{getattr(target, 'name', type(target).__name__)} takes inputs of shape {x.shape}, "
            f"but not when they are turned. They were read as {data_format}, since it does not "
            "tell where its channels are. Give data_format, 'channels_first' or 'channels_last'."
        ) from error
    fields = [field_of(kind, group) for kind in ((output_type,) if output_type else TYPES)]
    fields = [field for field in fields if field.fits(y.shape, data_format)]
    if not fields:
        raise ValueError(
            f"The output has shape {y.shape}, whose channels are no multiple of {group.order}: it "
            f'is not regular on {group.name}. Use output_type="trivial".'
        )
    if len(y) != len(x):
        return dict.fromkeys(trials, float("inf"))  # the images of the batch were mixed
    if not np.isfinite(y).all():
        return dict.fromkeys(trials, float("nan"))
    measured = [
        {
            name: relative_error(turned[name], move_each(out, y, group, elements, data_format))
            for name, elements in trials.items()
        }
        for out in fields
    ]
    return min(measured, key=lambda errors: max(errors.values()))


def _check_square(target, group: groups.Group, x: np.ndarray, data_format: str) -> None:
    """Raises a `ValueError` if turned images would not fit into a model of a fixed size."""
    shape = getattr(target, "input_shape", None) if isinstance(target, keras.Model) else None
    if not shape or None in shape[1:] or fitting_group(group, x.shape, data_format) == group:
        return
    raise ValueError(
        f"{target.name} takes images of shape {shape[1:]}, which do not fit into it any more when "
        f"{group.name} turns them. Use square images, or a group without quarter turns, e.g. 'pmm'."
    )


def _check_rank(what: str, array: np.ndarray) -> None:
    if array.ndim not in RANKS:
        raise ValueError(
            f"The {what} has shape {array.shape}. What turns has to be a batch of images, "
            "(batch, rows, columns, channels), or of features, (batch, channels)."
        )


def assert_equivariant(
    target: Callable,
    group: str | groups.Group | None = None,
    *,
    tolerance: float | None = None,
    **kwargs,
) -> None:
    """Raises an `AssertionError` unless a layer or model commutes with every element of a group.

    Args:
        target: a Keras layer or model, or a function from a batch to a batch.
        group: str or `keras_gcnn.groups.Group`; default the layer's own, or the largest
            of a model's layers.
        tolerance: largest relative error to accept; default 1e-10 in float64, 1e-5 in float32.
        **kwargs: arguments of `equivariance_error`, such as `input_shape`.

    Raises:
        AssertionError: if the largest error exceeds the tolerance; it names the element.
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
            f"The output of {getattr(target, 'name', target)} holds NaN or infinity, of which "
            "nothing can be said. Look for it in the weights and the inputs."
        )
    if not errors[worst] <= tolerance:
        raise AssertionError(
            f"{getattr(target, 'name', target)} does not commute with element {worst!r} of "
            f"{_find_group(target, group).name}: relative error {errors[worst]:.2g}, allowed "
            f"{tolerance:.2g}. For a model, keras_gcnn.analysis.audit names the layers that break "
            "equivariance."
        )
