"""How steerable layers become stock layers: constant matrices over channels and over positions."""

from __future__ import annotations

import keras
import numpy as np

from keras_gcnn import layers
from keras_gcnn.groups.blocks import Block
from keras_gcnn.groups.field_functions import sampling_matrix
from keras_gcnn.groups.field_restriction import group_basis
from keras_gcnn.layers.common.size_dependent import map_sizes
from keras_gcnn.layers.steerable.base import (
    field_of_channel,
    scalar_channels,
    vector_channels,
)
from keras_gcnn.layers.steerable.positions import (
    blurring_matrix,
    blurring_window,
    disc,
    windows_inside,
)
from keras_gcnn.rewriting.plain.stock_translator import StockTranslator
from keras_gcnn.rewriting.rule_book import RuleBook
from keras_gcnn.types import Activation, Tensor

plain_steerable_rules = RuleBook()


@plain_steerable_rules.rule(layers.FourierActivation)
def fourier_activation(translator: StockTranslator, inputs: Tensor) -> Tensor:
    """Samples every field, applies the activation, and transforms back."""
    blocks = translator.layer.fields.blocks
    if len(blocks) == 1:
        return _activate(translator, inputs, blocks[0], "")
    ends = np.cumsum([block.channels for block in blocks])
    outputs = []
    for number, (block, end) in enumerate(zip(blocks, ends, strict=True)):
        selection = np.eye(ends[-1])[:, end - block.channels : end]
        part = translator.mix(inputs, selection, f"block{number}")
        outputs.append(_activate(translator, part, block, f"block{number}_"))
    return translator.add(keras.layers.Concatenate, outputs, axis=translator.layer.channel_axis)


def _activate(translator: StockTranslator, inputs: Tensor, block: Block, prefix: str) -> Tensor:
    layer = translator.layer
    open_size = None in inputs.shape[1:]
    last = inputs if open_size else translator.channels_to_end(inputs, f"{prefix}last")
    shape = tuple(last.shape[1:])
    to_samples = sampling_matrix(block, layer.samples)
    to_field = to_samples.T * (block.size / len(to_samples))

    def dense(x: Tensor, matrix: np.ndarray, part: str, activation: Activation = None) -> Tensor:
        return translator.add(
            keras.layers.Dense,
            x,
            matrix.shape[0],
            activation=activation,
            use_bias=False,
            part=prefix + part,
            weights=[matrix.T],
        )

    if open_size:  # no reshape could restore the map, so the fields get an axis of their own
        x = keras.ops.stack(translator.split_by_remainder(inputs, block.size), axis=-1)
    else:
        x = translator.add(keras.layers.Reshape, last, (-1, block.size), part=f"{prefix}fields")
    x = dense(x, to_samples, "samples", layer.activation)
    x = dense(x, to_field, "frequencies")
    if open_size:
        parts = [x[..., number] for number in range(block.size)]
        axis, part = layer.channel_axis, f"{prefix}joined"
        x = translator.add(keras.layers.Concatenate, parts, axis=axis, part=part)
        order = np.arange(block.channels).reshape(block.field_count, block.size).T.reshape(-1)
        matrix = np.eye(block.channels)[order]
        return translator.mix(x, matrix, f"{prefix}maps" if prefix else "")
    permuted = translator.channels_first and len(shape) > 1
    part = f"{prefix}maps" if prefix or permuted else ""
    x = translator.add(keras.layers.Reshape, x, shape, part=part)
    return translator.channels_back(x, f"{prefix}first" if prefix else "")


def _lengths(translator: StockTranslator, inputs: Tensor, epsilon: float) -> Tensor:
    """`sqrt(a^2 + b^2 + epsilon)` of every vector."""
    pairs = vector_channels(translator.layer.fields)
    squares = translator.add(keras.layers.Multiply, [inputs, inputs], part="squares")
    sums = translator.mix(squares, pairs.T, "sums", bias=np.full(len(pairs), epsilon))
    return keras.ops.sqrt(sums)


@plain_steerable_rules.rule(layers.NormActivation)
def norm_activation(translator: StockTranslator, inputs: Tensor) -> Tensor:
    """Scales pairs by the activation of their lengths and activates frequency 0 by itself."""
    layer, terms = translator.layer, []
    if layer.scalar_bias is not None:
        scalars, bias = scalar_channels(layer.fields), _array(layer.scalar_bias)
        values = translator.mix(inputs, scalars.T, "scalars", bias, layer.activation)
        terms.append(translator.mix(values, scalars, "scalars_back"))
    if layer.pair_bias is not None:
        pairs, bias = vector_channels(layer.fields), _array(layer.pair_bias)
        lengths = _lengths(translator, inputs, layer.epsilon)
        raised = translator.mix(lengths, np.eye(len(pairs)), "raised", bias, layer.activation)
        scales = translator.mix(raised / lengths, pairs, "scales")
        part = "pairs" if terms else ""
        terms.append(translator.add(keras.layers.Multiply, [inputs, scales], part=part))
    return translator.add(keras.layers.Add, terms) if len(terms) > 1 else terms[0]


@plain_steerable_rules.rule(layers.GatedActivation)
def gated_activation(translator: StockTranslator, inputs: Tensor) -> Tensor:
    """Multiplies pairs by the gate that their field's frequency 0 gives."""
    layer = translator.layer
    scalars = scalar_channels(layer.fields)
    gated = field_of_channel(layer.fields) - scalars
    values = translator.mix(inputs, scalars.T, "scalars", activation=layer.activation)
    gates = translator.mix(inputs, scalars.T, "gates", activation=layer.gate)
    factors = translator.mix(gates, gated, "opened")
    pairs = translator.add(keras.layers.Multiply, [inputs, factors], part="pairs")
    activated = translator.mix(values, scalars, "scalars_back")
    return translator.add(keras.layers.Add, [activated, pairs])


@plain_steerable_rules.rule(layers.NormPooling)
def norm_pooling(translator: StockTranslator, inputs: Tensor) -> Tensor:
    """Returns frequency 0 and the lengths of the pairs."""
    layer, outputs = translator.layer, []
    if layer.fields.scalars:
        outputs.append(translator.mix(inputs, scalar_channels(layer.fields).T, "scalars"))
    if not layer.fields.is_trivial:
        outputs.append(_lengths(translator, inputs, layer.epsilon))
    if len(outputs) == 1:
        return outputs[0]
    return translator.add(keras.layers.Concatenate, outputs, axis=layer.channel_axis)


@plain_steerable_rules.rule(layers.SteerablePooling)
def value_pooling(translator: StockTranslator, inputs: Tensor) -> Tensor:
    """Takes the maximum of all samples, or the mean, which is a matrix."""
    layer, outputs = translator.layer, []
    blocks = layer.fields.blocks
    starts = np.cumsum([0, *(block.channels for block in blocks)])
    for number, block in enumerate(blocks):
        of_field = layer.to_values(number)
        samples = of_field.shape[1]
        matrix = np.zeros((starts[-1], block.field_count * samples))
        matrix[starts[number] : starts[number + 1]] = _for_each_field(of_field, block.field_count)
        part = f"block{number}_" if len(blocks) > 1 else ""
        if layer.mode == "mean":
            means = matrix.reshape(len(matrix), block.field_count, samples).mean(axis=2)
            outputs.append(translator.mix(inputs, means, f"{part}mean" if part else ""))
            continue
        values = translator.mix(inputs, matrix, f"{part}samples")
        parts = translator.split_by_remainder(values, samples)
        name = f"{part}max" if part else ""
        outputs.append(translator.add(keras.layers.Maximum, parts, part=name))
    if len(outputs) == 1:
        return outputs[0]
    return translator.add(keras.layers.Concatenate, outputs, axis=layer.channel_axis)


@plain_steerable_rules.rule(layers.SteerableRestriction)
def restriction(translator: StockTranslator, inputs: Tensor) -> Tensor:
    """Adds a pointwise convolution with the matrix of the restriction."""
    return translator.mix(inputs, translator.layer.matrix)


@plain_steerable_rules.rule(layers.ToFields)
def to_fields(translator: StockTranslator, inputs: Tensor) -> Tensor:
    """Adds a pointwise convolution with the change of basis."""
    layer = translator.layer
    matrix = _for_each_field(group_basis(layer.group), layer.fields_out.count)
    return translator.mix(inputs, matrix)


@plain_steerable_rules.rule(layers.ToGroupMaps)
def to_group_maps(translator: StockTranslator, inputs: Tensor) -> Tensor:
    """Adds a pointwise convolution with the change of basis."""
    layer = translator.layer
    matrix = _for_each_field(group_basis(layer.group).T, layer.fields.count)
    return translator.mix(inputs, matrix)


def _for_each_field(matrix: np.ndarray, count: int) -> np.ndarray:
    """Returns the matrix that multiplies each of the fields, side by side, by a matrix."""
    return np.kron(np.eye(count), matrix)


@plain_steerable_rules.rule(layers.InvariantMap, takes_change=True)
def invariant_map(translator: StockTranslator, inputs: Tensor) -> Tensor:
    """Adds a pointwise convolution that reads frequency 0 only."""
    layer = translator.layer
    matrix = scalar_channels(layer.fields).T @ _array(layer.kernel)
    bias = None if layer.bias is None else _array(layer.bias)
    if translator.change is not None:
        matrix, bias = translator.change.weights(matrix, bias)
    return translator.mix(inputs, matrix, bias=bias, activation=layer.activation)


@plain_steerable_rules.rule(layers.SteerableAveragePooling2D)
def blurred_pooling(translator: StockTranslator, inputs: Tensor) -> Tensor:
    """Blurs by the method that is faster where the network will run; both run everywhere."""
    rows, columns = map_sizes(inputs.shape, translator.layer.channel_axis)
    if rows is None or columns is None:
        return translator.name_output(translator.layer.blur_open_size(inputs))
    blur = _blur_by_filter if translator.filters else _blur_by_matrices
    return blur(translator, inputs, (rows, columns))


def _blur_by_matrices(
    translator: StockTranslator, inputs: Tensor, sizes: tuple[int, int]
) -> Tensor:
    """Multiplies by one matrix over the rows and one over the columns."""
    layer = translator.layer
    rows, columns = (blurring_matrix(size, layer.strides, layer.sigma) for size in sizes)
    channels = inputs.shape[layer.channel_axis]
    equations = ("bhwc,hr->brwc", "bhwc,wr->bhrc")
    if translator.channels_first:
        equations = ("bchw,hr->bcrw", "bchw,wr->bchr")

    def blur(x: Tensor, axis: int, matrix: np.ndarray, size: tuple[int, int], part: str) -> Tensor:
        shape = (channels, *size) if translator.channels_first else (*size, channels)
        weights = [matrix.T]
        return translator.add(
            keras.layers.EinsumDense, x, equations[axis], shape, part=part, weights=weights
        )

    x = blur(inputs, 0, rows, (len(rows), sizes[1]), "rows")
    return blur(x, 1, columns, (len(rows), len(columns)), "")


def _blur_by_filter(translator: StockTranslator, inputs: Tensor, sizes: tuple[int, int]) -> Tensor:
    """Applies one filter in all windows, and rescales what windows at the border sum up."""
    layer = translator.layer
    channels = inputs.shape[layer.channel_axis]
    windows = [blurring_window(size, layer.strides, layer.sigma) for size in sizes]
    filters, starts = zip(*windows, strict=True)
    options = {"data_format": layer.data_format}
    # Windows lie symmetrically, so "same" pads what they need. What they leave out is cropped.
    cropping = tuple(max(0, start) for start in starts)
    x = inputs
    if any(cropping):
        x = translator.add(keras.layers.Cropping2D, x, cropping, part="cropping", **options)
    kernel = np.multiply.outer(*filters)
    x = translator.add(
        keras.layers.DepthwiseConv2D,
        x,
        kernel.shape,
        strides=layer.strides,
        padding="same",
        use_bias=False,
        part="blur",
        weights=[np.repeat(kernel[:, :, None, None], channels, axis=2)],
        **options,
    )
    sums = [windows_inside(size, layer.strides, layer.sigma).sum(axis=1) for size in sizes]
    return _multiply(translator, x, 1 / np.multiply.outer(*sums))


@plain_steerable_rules.rule(layers.DiscMask)
def disc_mask(translator: StockTranslator, inputs: Tensor) -> Tensor:
    """Multiplies by a constant map; for an unknown size, by a map that is computed for it."""
    sizes = map_sizes(inputs.shape, translator.layer.channel_axis)
    if None in sizes:
        return translator.name_output(translator.layer.mask_open_size(inputs))
    mask = disc(*sizes, translator.layer.margin)
    return _multiply(translator, inputs, mask)


def _multiply(translator: StockTranslator, inputs: Tensor, factors: np.ndarray) -> Tensor:
    """Multiplies by a constant map of shape (rows, columns)."""
    factors = factors[None] if translator.channels_first else factors[:, :, None]
    return translator.add(keras.layers.Rescaling, inputs, factors.tolist())


def _array(variable: keras.Variable) -> np.ndarray:
    return keras.ops.convert_to_numpy(variable)
