"""How many multiply-adds a layer takes for one image.

A multiply-add is a product that is added to a sum. Counted are those of the layers below, in one
forward pass at inference, padding included; `positions` are rows times columns:

| layer | multiply-adds |
|---|---|
| convolution | positions of the output * kernel rows * kernel columns * c_in / groups * c_out |
| transposed convolution | positions of the input * kernel rows * kernel columns * c_in * c_out |
| depthwise convolution | positions of the output * kernel rows * kernel columns * c_out |
| separable convolution | its depthwise convolution, then 1x1 at the positions of the output |
| dense | positions * c_in * units |
| einsum dense | the product of the sizes of all its axes, but the batch |
| attention of several heads | its four projections, the scores, and the weighted sum |
| convolution on a group, steerable convolution | those of the stock convolution with the expanded kernel: c_in and c_out count all channels |
| `GSeparableConv2D` of variant "gc" | 1x1 at the positions of the input, then its depthwise convolution |
| `FourierActivation` | positions * 2 * values of a field * channels, for its two constant matrices |
| `SteerablePooling` | positions * values of a field * channels |
| `ToFields`, `ToGroupMaps` | positions * orientations * channels |
| `SteerableRestriction` | positions * channels * channels, for its constant matrix |
| `SteerableAveragePooling2D` | its constant matrix over the rows, then that over the columns |

To expand a kernel takes operations too, once per batch and none after `to_plain`; they are not
counted. Normalisation, pooling, activations, sums and products of maps, random layers, look-ups,
and matrices of zeros and ones, by which steerable layers choose channels, count zero. The number is
that of the formula: a backend may take fewer (Winograd's convolution) or, such as JAX on a CPU for
variant "gc", convolve with the expanded kernel instead.
"""  # noqa: E501

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import keras

from keras_gcnn.layers.common import stock_convolution
from keras_gcnn.layers.common.image_normalization import ImageNormalization
from keras_gcnn.layers.common.shared_normalization import SharedBatchNormalization
from keras_gcnn.layers.common.size_dependent import map_sizes
from keras_gcnn.layers.common.transposed_window import TransposedWindow
from keras_gcnn.layers.group.convolution import FullConvolution
from keras_gcnn.layers.group.depthwise import GDepthwiseConv2D
from keras_gcnn.layers.group.per_field import GLayerScale, GPReLU
from keras_gcnn.layers.group.separable import GSeparableConv2D
from keras_gcnn.layers.latent.von_mises_fisher import VonMisesFisherHead
from keras_gcnn.layers.steerable.activations import FourierActivation, NormActivation
from keras_gcnn.layers.steerable.convolution import SteerableConv2D
from keras_gcnn.layers.steerable.invariants import InvariantMap, SteerablePooling
from keras_gcnn.layers.steerable.positions import SteerableAveragePooling2D
from keras_gcnn.layers.steerable.restriction import SteerableRestriction, ToFields, ToGroupMaps
from keras_gcnn.layers.steerable.samples import sampling_products
from keras_gcnn.types import Shape

# Takes a layer, the shapes of its inputs, and the shape of its output.
_Formula = Callable[[Any, Sequence[Any], Any], int | None]


def multiply_adds_of(
    layer: keras.Operation, input_shape: Shape | Sequence[Shape], output_shape: Shape
) -> int | None:
    """Returns the multiply-adds of one call of a layer or operation for one image.

    Args:
        layer: a layer of Keras or of this library, a wrapper around one, or an operation of
            `keras.ops`; models are not looked into, which `keras_gcnn.model_cost` does.
        input_shape: shape of the input with the batch, or a list of them for several inputs, in the
            order in which the layer's `call` names them, and without masks.
        output_shape: shape of the output, or of the first output, with the batch.

    Returns:
        The number, by the formulas of this module; 0 for a layer without weights that is not among
        them; None if the layer has weights and nothing is known of what it does with them.

    Raises:
        ValueError: if a size that the formula needs is unknown.

    Example:

    >>> import keras
    >>> layer = keras.layers.Conv2D(16, 3)
    >>> multiply_adds_of(layer, (None, 32, 32, 3), (None, 30, 30, 16))  # 30 * 30 * 9 * 3 * 16
    388800
    """
    formula = _formula_of(layer)
    several = bool(input_shape) and isinstance(input_shape[0], Sequence)
    shapes: Sequence[Any] = input_shape if several else [input_shape]  # type: ignore[assignment]
    if formula is None:
        return _without_formula(layer, shapes)
    if any(size is None for shape in (*shapes, output_shape) for size in shape[1:]):
        raise ValueError(
            f"{type(layer).__name__} {layer.name!r} has an input of shape {input_shape} and an "
            f"output of shape {output_shape}. Its multiply-adds depend on sizes that are unknown "
            "there; give shapes of known sizes."
        )
    return formula(layer, shapes, output_shape)


def _formula_of(layer: keras.Operation) -> _Formula | None:
    """Returns the formula of the layer's class, or of the class from which it has its `call`."""
    for base in type(layer).__mro__:
        if base in _FORMULAS:
            return _FORMULAS[base]
        if "call" in vars(base):  # may compute something else than its parents
            return None
    return None


def _without_formula(layer: keras.Operation, shapes: Sequence[Any]) -> int | None:
    multiplies = type(layer).__name__ in _MULTIPLYING_OPERATIONS
    if type(layer) is keras.layers.Lambda:
        multiplies = _may_multiply(layer, shapes)
    return None if multiplies or getattr(layer, "weights", None) else 0


def _may_multiply(layer: keras.layers.Lambda, shapes: Sequence[Any]) -> bool:
    """Whether the function of a `Lambda` has operations that are not counted, or is unreadable."""
    inputs = [keras.Input(batch_shape=shape) for shape in shapes]
    try:
        outputs = layer.function(inputs if len(inputs) > 1 else inputs[0], **layer.arguments)
        operations = keras.Function(inputs, outputs).operations
    except Exception:  # it computes with a backend's own functions
        return True
    return any(type(one).__name__ in _MULTIPLYING_OPERATIONS for one in operations)


def _positions(layer: Any, shape: Sequence[int]) -> int:
    """Returns the number of positions of a map, of any number of axes."""
    return math.prod(shape[2:] if layer.data_format == "channels_first" else shape[1:-1])


def _channels(layer: Any, shape: Sequence[int]) -> int:
    return shape[1] if layer.data_format == "channels_first" else shape[-1]


def _convolution(layer: Any, inputs: Sequence[Any], output: Any) -> int:
    channels = _channels(layer, inputs[0]) // getattr(layer, "groups", 1) * _channels(layer, output)
    return _positions(layer, output) * math.prod(layer.kernel_size) * channels


def _transposed(layer: Any, inputs: Sequence[Any], output: Any) -> int:
    channels = _channels(layer, inputs[0]) * _channels(layer, output)
    return _positions(layer, inputs[0]) * math.prod(layer.kernel_size) * channels


def _depthwise(layer: Any, inputs: Sequence[Any], output: Any) -> int:
    return _positions(layer, output) * math.prod(layer.kernel_size) * _channels(layer, output)


def _separable(layer: Any, inputs: Sequence[Any], output: Any) -> int:
    channels = _channels(layer, inputs[0]) * layer.depth_multiplier
    each = math.prod(layer.kernel_size) + _channels(layer, output)
    return _positions(layer, output) * channels * each


def _group_separable(layer: GSeparableConv2D, inputs: Sequence[Any], output: Any) -> int:
    if not layer.has_two_steps:
        return _convolution(layer, inputs, output)
    channels = _channels(layer, inputs[0]) * _channels(layer, output)
    return _positions(layer, inputs[0]) * channels + _depthwise(layer, inputs, output)


def _dense(layer: Any, inputs: Sequence[Any], output: Any) -> int:
    return math.prod(inputs[0][1:]) * layer.units


def _einsum_dense(layer: Any, inputs: Sequence[Any], output: Any) -> int:
    left, right = layer.equation.replace(" ", "").split("->")
    sizes: dict[str, int] = {}
    batch = ""
    for axes, shape in ((right, output), (left.split(",")[0], inputs[0])):
        hidden = "0123456789"[: len(shape) - len(axes.replace("...", ""))]
        names = axes.replace("...", hidden)
        sizes.update(zip(names, shape, strict=True))
        batch = names[0]
    del sizes[batch]
    return math.prod(sizes.values())


def _attention(layer: Any, inputs: Sequence[Any], output: Any) -> int | None:
    query, value, key = inputs[0], inputs[min(1, len(inputs) - 1)], inputs[-1]
    if len(query) != 3:  # only some of the positions may attend to each other
        return None
    tokens, others, width = query[1], value[1], layer.num_heads * layer.key_dim
    value_width = layer.num_heads * (getattr(layer, "value_dim", None) or layer.key_dim)
    projections = tokens * (query[2] * width + value_width * output[2])
    projections += others * (key[2] * width + value[2] * value_width)
    return projections + tokens * others * (width + value_width)


def _time_distributed(layer: Any, inputs: Sequence[Any], output: Any) -> int | None:
    shapes = [(shape[0], *shape[2:]) for shape in (inputs[0], output)]
    each = multiply_adds_of(layer.layer, *shapes)
    return None if each is None else inputs[0][1] * each


def _of_the_layer_inside(layer: Any, inputs: Sequence[Any], output: Any) -> int | None:
    return multiply_adds_of(layer.layer, inputs, output)


def _head(layer: VonMisesFisherHead, inputs: Sequence[Any], output: Any) -> int:
    return math.prod(inputs[0][1:]) * sum(dense.units for dense in layer.dense_layers)


def _pointwise(layer: Any, inputs: Sequence[Any], output: Any) -> int:
    return math.prod(inputs[0][1:]) * _channels(layer, output)


def _fourier(layer: FourierActivation, inputs: Sequence[Any], output: Any) -> int:
    return 2 * _to_values(layer, inputs, output)


def _to_values(
    layer: FourierActivation | SteerablePooling, inputs: Sequence[Any], output: Any
) -> int:
    return _positions(layer, inputs[0]) * sampling_products(layer.fields, layer.samples)


def _change_of_basis(layer: ToFields | ToGroupMaps, inputs: Sequence[Any], output: Any) -> int:
    return math.prod(output[1:]) * layer.group.order


def _blur(layer: SteerableAveragePooling2D, inputs: Sequence[Any], output: Any) -> int:
    rows, columns = map(int, map_sizes(inputs[0], layer.channel_axis))  # type: ignore[arg-type]
    new_rows, new_columns = map(int, map_sizes(output, layer.channel_axis))  # type: ignore[arg-type]
    each = new_rows * rows * columns + new_columns * columns * new_rows
    return each * _channels(layer, output)


def _zero(layer: Any, inputs: Sequence[Any], output: Any) -> int:
    return 0


_KERAS: dict[str, _Formula] = {
    **dict.fromkeys(("Conv1D", "Conv2D", "Conv3D"), _convolution),
    **dict.fromkeys(("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose"), _transposed),
    **dict.fromkeys(("DepthwiseConv1D", "DepthwiseConv2D"), _depthwise),
    **dict.fromkeys(("SeparableConv1D", "SeparableConv2D"), _separable),
    "Dense": _dense,
    "EinsumDense": _einsum_dense,
    "MultiHeadAttention": _attention,
    "TimeDistributed": _time_distributed,
    "SpectralNormalization": _of_the_layer_inside,
    **dict.fromkeys(
        (
            "BatchNormalization",
            "Embedding",
            "GroupNormalization",
            "LayerNormalization",
            "Normalization",
            "PReLU",
            "RMSNormalization",
        ),
        _zero,
    ),
}
# A subclass takes the formula of the first of its bases that is here, unless it has a `call`.
_FORMULAS: dict[type, _Formula] = {
    **{getattr(keras.layers, name): formula for name, formula in _KERAS.items()},
    stock_convolution.Conv2D: _convolution,
    stock_convolution.Conv2DTranspose: _transposed,
    FullConvolution: _convolution,
    SteerableConv2D: _convolution,
    TransposedWindow: _transposed,
    GDepthwiseConv2D: _depthwise,
    GSeparableConv2D: _group_separable,
    VonMisesFisherHead: _head,
    InvariantMap: _pointwise,
    FourierActivation: _fourier,
    SteerablePooling: _to_values,
    SteerableRestriction: _pointwise,
    ToFields: _change_of_basis,
    ToGroupMaps: _change_of_basis,
    SteerableAveragePooling2D: _blur,
    SharedBatchNormalization: _zero,
    ImageNormalization: _zero,
    GLayerScale: _zero,
    GPReLU: _zero,
    NormActivation: _zero,
}
# Operations and layers that multiply maps with each other, which are not counted.
_MULTIPLYING_OPERATIONS = {
    "AdditiveAttention",
    "Attention",
    "Conv",
    "ConvTranspose",
    "DepthwiseConv",
    "Dot",
    "DotProductAttention",
    "Einsum",
    "Matmul",
    "SeparableConv",
    "Tensordot",
}
