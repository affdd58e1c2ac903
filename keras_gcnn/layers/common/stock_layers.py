"""Rules for the layers of Keras: which break the equivariance of a map, and what to use instead."""

from __future__ import annotations

import math
from typing import Any

import keras

from keras_gcnn.groups import window_problem
from keras_gcnn.layers.common import stock_normalizations
from keras_gcnn.layers.common.map_type import MapType, Problem
from keras_gcnn.layers.common.pointwise import joint_axes
from keras_gcnn.layers.common.stock_rule import Rule, instead, maximum_of_fields
from keras_gcnn.types import Shape


def _mixes(met: MapType) -> str:
    return f"mixes the channels of {met} without regard to how they rotate"


def _convolution(on_group: str, on_fields: str = "SteerableConv2D") -> Rule:
    def rule(op: Any, shape: Shape, axis: int, met: MapType) -> Problem | None:
        if not met.ordinary:
            fix = instead(met, on_group, on_fields)
            if on_group == "GConv2D" and not met.steerable:
                fix += ", or LiftingConv2D on images"
            return _mixes(met), fix
        size = getattr(op, "kernel_size", (1,))
        if met.symmetry.order == 1 or max(size) == 1:
            return None
        # A depthwise convolution on a group reads maps.
        on_images = on_group in ("GConv2D", "GDepthwiseConv2D")
        lifting = "LiftingConv2D" if on_images else on_group
        return (
            "has a kernel that does not rotate with the image",
            instead(met, lifting, on_fields),
        )

    return rule


def _dense(op: Any, shape: Shape, axis: int, met: MapType) -> Problem | None:
    if met.ordinary:
        return None
    if met.steerable:
        fix = "put InvariantMap or NormPooling before it"
    else:
        fix = (
            f"put GGlobalPooling(group={met.symmetry.name!r}) before it, or use "
            f"GConv2D(units, 1, group={met.symmetry.name!r}) on maps"
        )
    return _mixes(met), fix


def _prelu(op: Any, shape: Shape, axis: int, met: MapType) -> Problem | None:
    if met.steerable and not met.ordinary:
        return _activation(op, shape, axis, met)
    axis %= len(shape)
    shared = {at % len(shape) for at in op.shared_axes or ()}
    separate = {at for at in range(1, len(shape)) if at not in shared and shape[at] != 1}
    positions = [at for at in range(1, len(shape)) if at != axis]
    fix = f"use PReLU(shared_axes={positions})"
    if not met.ordinary:
        fix = f"use GPReLU(..., group={met.symmetry.name!r})"
        if axis in separate:
            return f"has a slope for every channel of {met} by itself", fix
    if met.symmetry.order > 1 and separate - {axis}:
        return "has a slope for every position", fix
    return None


def _along(axes: Any, shape: Shape, axis: int, met: MapType) -> Problem | None:
    """Returns the problem of a layer that takes the values along some axes together."""
    rank = len(shape)
    axes = (axes,) if isinstance(axes, int) else tuple(axes)
    taken = {at % rank for at in axes}
    positions = set(range(1, rank)) - {axis % rank}
    if not met.symmetry.swaps_axes or taken & positions in (set(), positions):
        return None
    named = axes[0] if len(axes) == 1 else axes
    return f"acts along axis {named}, along which positions lie", f"use axis={axis}"


def _unit_vectors(op: Any, shape: Shape, axis: int, met: MapType) -> Problem | None:
    return _along(op.axis, shape, axis, met)


def _upsampling(op: Any, shape: Shape, axis: int, met: MapType) -> Problem | None:
    if not met.symmetry.swaps_axes or len(set(op.size)) == 1:
        return None
    return f"enlarges rows and columns by different factors, {op.size}", "use one factor for both"


def _softmax(op: Any, shape: Shape, axis: int, met: MapType) -> Problem | None:
    return _activation(op, shape, axis, met) or _along(op.axis, shape, axis, met)


def _activation(op: Any, shape: Shape, axis: int, met: MapType) -> Problem | None:
    activation = getattr(op, "activation", None)
    if problem := _along(joint_axes(activation), shape, axis, met):
        return problem[0], f"use the layer Softmax(axis={axis})"
    linear = getattr(activation, "__name__", "") == "linear"
    if met.ordinary or not met.steerable or linear:
        return None
    return (
        f"acts on every channel of {met} by itself",
        "use FourierActivation, NormActivation or GatedActivation",
    )


def _rescaling(op: Any, shape: Shape, axis: int, met: MapType) -> Problem | None:
    numbers = all(isinstance(value, int | float) for value in (op.scale, op.offset))
    if met.ordinary or (numbers and not (met.steerable and op.offset)):
        return None
    return f"treats the channels of {met} differently", "use one scale and no offset"


def _sizes(op: Any, shape: Shape, axis: int) -> Shape:
    """Returns rows and columns."""
    last = getattr(op, "data_format", "channels_last" if axis == -1 else "") == "channels_last"
    return shape[1:3] if last else shape[2:4]


def _pooling(on_fields: bool) -> Rule:
    def rule(op: Any, shape: Shape, axis: int, met: MapType) -> Problem | None:
        if met.steerable and not met.ordinary and not on_fields:
            return maximum_of_fields(met)
        window, strides, sizes = op.pool_size, op.strides, _sizes(op, shape, axis)
        problem = window_problem(met.symmetry, sizes, window, strides, op.padding)
        if problem is None or (None in sizes and "unknown" in problem):
            return None
        exact = "GMaxPooling2D" if type(op).__name__.startswith("Max") else "GAveragePooling2D"
        fix = f"use {exact}, which is exact at every size"
        return f"visits other places when the image is rotated: {problem}", fix

    return rule


def _global_maximum(op: Any, shape: Shape, axis: int, met: MapType) -> Problem | None:
    if met.ordinary or not met.steerable:
        return None
    return f"takes maxima of the channels of {met}", "put InvariantMap or NormPooling before it"


def _border(name: str) -> Rule:
    def rule(op: Any, shape: Shape, axis: int, met: MapType) -> Problem | None:
        rows, columns = pairs = tuple(map(tuple, getattr(op, name)))
        uneven = any(
            pair[0] != pair[1] and reverses
            for pair, reverses in zip(pairs, met.symmetry.reverses_axis, strict=True)
        )
        if not uneven and (rows == columns or not met.symmetry.swaps_axes):
            return None
        return (
            f"has {name}={pairs}, which does not rotate with the image",
            "use the same number on all sides",
        )

    return rule


def _flattening(op: Any, shape: Shape, axis: int, met: MapType) -> Problem | None:
    if met.ordinary or position_count(shape, axis) == 1:
        return None
    before = "InvariantMap or NormPooling"
    if not met.steerable:
        before = f"GPooling or GGlobalPooling(group={met.symmetry.name!r})"
    return f"puts positions and channels of {met} along one axis", f"put {before} before it"


def stock_name(op: keras.Operation) -> str:
    """Returns the name under which these tables have an operation; "" for a class of a user.

    The layer `Average` merges maps. The operation of `keras.ops.average`, whose class has the same
    name, takes means along axes, as `Mean` does.
    """
    cls = type(op)
    if not cls.__module__.startswith("keras."):
        return ""
    is_mean = cls.__name__ == "Average" and not isinstance(op, keras.Layer)
    return "Mean" if is_mean else cls.__name__


def position_count(shape: Shape, axis: int) -> int | None:
    """Returns how many positions a map has; None if unknown."""
    sizes = [size for at, size in enumerate(shape) if at not in (0, axis % len(shape))]
    known = [size for size in sizes if size is not None]
    return math.prod(known) if len(known) == len(sizes) else None


# Layers that make other channels.
MIXING: dict[str, Rule] = {
    **dict.fromkeys(("Conv1D", "Conv2D", "Conv3D"), _convolution("GConv2D")),
    **dict.fromkeys(
        ("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose"),
        _convolution("GConv2DTranspose", "SteerableConv2DTranspose"),
    ),
    **dict.fromkeys(
        ("DepthwiseConv1D", "DepthwiseConv2D"),
        _convolution("GDepthwiseConv2D"),
    ),
    **dict.fromkeys(
        ("SeparableConv1D", "SeparableConv2D"),
        _convolution("GSeparableConv2D"),
    ),
    "Dense": _dense,
    "EinsumDense": _dense,
    "Flatten": _flattening,
    "Reshape": _flattening,
}

# Layers that keep the channels, once the problem is fixed.
KEEPING: dict[str, Rule] = {
    "AveragePooling2D": _pooling(on_fields=True),
    "BatchNormalization": stock_normalizations.batch_normalization,
    "Cropping2D": _border("cropping"),
    "GlobalMaxPooling2D": _global_maximum,
    "GroupNormalization": stock_normalizations.group_normalization,
    "LayerNormalization": stock_normalizations.layer_normalization,
    "MaxPooling2D": _pooling(on_fields=False),
    "Normalization": stock_normalizations.normalization_by_data,
    "PReLU": _prelu,
    "RMSNormalization": stock_normalizations.rms_normalization,
    "Rescaling": _rescaling,
    "Softmax": _softmax,
    "UnitNormalization": _unit_vectors,
    "UpSampling2D": _upsampling,
    "ZeroPadding2D": _border("padding"),
    # Layers, and operations of `keras.ops`, that act on every number by itself.
    **dict.fromkeys(
        [
            "Activation",
            "ReLU",
            "LeakyReLU",
            "ELU",
            "Relu",
            "Relu6",
            "Sigmoid",
            "Softplus",
            "Softsign",
            "Silu",
            "LogSigmoid",
            "LeakyRelu",
            "HardSigmoid",
            "HardSilu",
            "Elu",
            "Selu",
            "Gelu",
            "Celu",
            "HardTanh",
            "Tanh",
            "Absolute",
            "Abs",
            "Exp",
            "Square",
            "Sqrt",
            "Clip",
        ],
        _activation,
    ),
}

# Layers that treat all channels and positions alike. Random layers are among them: they are
# equivariant on average.
HARMLESS = frozenset(
    [
        "ActivityRegularization",
        "AlphaDropout",
        "Cast",
        "Dropout",
        "GaussianDropout",
        "GaussianNoise",
        "GlobalAveragePooling2D",
        "Identity",
        "Masking",
        "Negative",
        "SpatialDropout2D",
    ]
)

MERGING = frozenset(
    [
        "Add",
        "Average",
        "Divide",
        "Maximum",
        "Minimum",
        "Multiply",
        "Subtract",
        "TrueDivide",
        "Where",
    ]
)
# Those that add one number to all channels if one of the maps has one channel, or is a constant.
ADDING = frozenset(["Add", "Average", "Subtract"])
# Those that take every channel by itself: fields have no maximum.
COMPARING = frozenset(["Maximum", "Minimum"])
# Those that do not make a map of fields from two such maps.
NOT_OF_FIELDS = frozenset(["Divide", "Maximum", "Minimum", "Multiply", "TrueDivide"])
