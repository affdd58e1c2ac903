"""Measures whether a layer or a model commutes with a group."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_gcnn.analysis.calling import check_target, name_of
from keras_gcnn.analysis.commuting import compute_both_sides, find_group
from keras_gcnn.analysis.precision import tolerance_of
from keras_gcnn.arguments import check_count, check_from_zero, check_integer
from keras_gcnn.groups.fields import Fields
from keras_gcnn.model_graph import shape_built_for
from keras_gcnn.types import GroupLike, Shape


def _find_inputs(
    target: Callable,
    inputs: np.ndarray | None,
    input_shape: Shape | None,
    batch_size: int,
    seed: int,
) -> np.ndarray:
    batch_size, seed = check_count("batch_size", batch_size), check_integer("seed", seed)
    if inputs is not None:
        return np.asarray(inputs)
    check_target(target)
    if input_shape is None and isinstance(target, keras.Model) and target.built:
        known = getattr(target, "inputs", None) or []  # subclassed models have none
        if len(known) > 1:
            raise ValueError(
                f"{target.name} has several inputs. Measure a function of the input that rotates, "
                "e.g. lambda images: model([images, metadata])."
            )
        input_shape = tuple(known[0].shape[1:]) if known else shape_built_for(target)
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
        input_shape: shape of one input, without the batch; default that of the model. For
            a subclassed model it is the shape with which the model was built.
        input_type: `"trivial"` (images: values move but do not change), `"regular"` (channels
            `c * |G| + g`, which permute too), `"vectors"` (pairs of channels, x to the right and y
            up), or the `Fields` of a steerable map. Default the `Fields` of a steerable layer,
            `"regular"` for layers that expect it, such as `GConv2D`, and `"trivial"` otherwise.
        output_type: the same for the output; default the `Fields` of a steerable layer, or those
            in which a model ends, else `"trivial"` or `"regular"`, whichever fits better. An output
            of shape `(batch, features)` is invariant if it is `"trivial"`. `"invariant"` is an
            array of any axes that does not change at all; it is tried by itself for three axes,
            such as `(batch, boxes, numbers)`, which may also be maps of one channel.
        data_format: `"channels_last"` or `"channels_first"`; default the data format of the layer,
            or of the first layer of a model or `torch.nn.Module` that has one, or Keras's.
        training: bool, whether to call with `training=True`, for a Keras layer or model. Other
            targets choose that themselves.
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
            inputs or outputs, the output is zero everywhere, or `training` is given for a function
            or a `torch.nn.Module`.

    Example:

    >>> from keras_gcnn import analysis, layers
    >>> errors = analysis.equivariance_error(layers.GConv2D(4, 3, "p4"), input_shape=(9, 9, 8))
    >>> max(errors.values()) < 1e-6
    True
    """
    sides = compute_both_sides(
        target,
        find_group(target, group),
        _find_inputs(target, inputs, input_shape, batch_size, seed),
        input_type=input_type,
        output_type=output_type,
        data_format=data_format,
        training=training,
        seed=seed,
    )
    return sides.best_type()[1]


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
        tolerance: largest accepted relative error; default 1e-10 in float64, 1e-5 in float32, 2e-2
            in float16 and 1e-1 in bfloat16. Of a model the coarsest precision counts in which a
            layer of it computes.
        **kwargs: arguments of `equivariance_error`, such as `input_shape`.

    Raises:
        AssertionError: if the largest error exceeds the tolerance; the message names the element.
        ValueError: as `equivariance_error`.

    Example:

    >>> from keras_gcnn import analysis, zoo
    >>> analysis.assert_equivariant(zoo.lenet("p4"), "p4")
    """
    if tolerance is not None:
        tolerance = check_from_zero("tolerance", tolerance, example=1e-5)
    errors = equivariance_error(target, group, **kwargs)
    if tolerance is None:
        tolerance = tolerance_of(target)
    worst = max(errors, key=lambda name: (np.isnan(errors[name]), errors[name]))
    if np.isnan(errors[worst]):
        raise AssertionError(
            f"The output of {name_of(target)} holds NaN or infinity, which shows nothing. "
            "Look for them in the weights and the inputs."
        )
    if not errors[worst] <= tolerance:
        raise AssertionError(
            f"{name_of(target)} does not commute with element {worst!r} of "
            f"{find_group(target, group).name}: relative error {errors[worst]:.2g}, allowed "
            f"{tolerance:.2g}. For a model, keras_gcnn.analysis.audit names the layers that break "
            "equivariance."
        )
