"""Steerable layers in layers of Keras: constant matrices over channels and over positions."""

from __future__ import annotations

import keras
import numpy as np

from keras_gcnn import layers
from keras_gcnn.backend.ops import has_fast_filters
from keras_gcnn.groups.fields import Block
from keras_gcnn.layers.common.base import map_sizes
from keras_gcnn.layers.steerable.activations import sampling_matrix
from keras_gcnn.layers.steerable.base import (
    field_of_channel,
    pair_channels,
    scalar_channels,
)
from keras_gcnn.layers.steerable.positions import (
    blurring_matrix,
    blurring_window,
    disc,
    windows_inside,
)
from keras_gcnn.rewriting.translator import Writer, rule


@rule(layers.FourierActivation)
def fourier_activation(writer: Writer, inputs):
    """To samples of every field, the activation, and back."""
    blocks = writer.layer.fields.blocks
    if len(blocks) == 1:
        return _activate(writer, inputs, blocks[0], "")
    ends = np.cumsum([block.channels for block in blocks])
    found = []
    for number, (block, end) in enumerate(zip(blocks, ends, strict=True)):
        own = np.eye(ends[-1])[:, end - block.channels : end]
        part = writer.mix(inputs, own, f"block{number}")
        found.append(_activate(writer, part, block, f"block{number}_"))
    return writer.add(keras.layers.Concatenate, found, axis=writer.layer.channel_axis)


def _activate(writer: Writer, inputs, block: Block, prefix: str):
    layer = writer.layer
    open_size = None in inputs.shape[1:]
    last = inputs if open_size else writer.channels_last(inputs, f"{prefix}last")
    shape = tuple(last.shape[1:])
    to_samples = sampling_matrix(block, layer.samples)
    to_field = to_samples.T * (block.size / layer.samples)

    def dense(x, matrix: np.ndarray, part: str, activation=None):
        return writer.add(
            keras.layers.Dense,
            x,
            matrix.shape[0],
            activation=activation,
            use_bias=False,
            part=prefix + part,
            weights=[matrix.T],
        )

    if open_size:  # no reshape brings it back, so the fields get an axis of their own
        x = keras.ops.stack(writer.every(inputs, block.size), axis=-1)
    else:
        x = writer.add(keras.layers.Reshape, last, (-1, block.size), part=f"{prefix}fields")
    x = dense(x, to_samples, "samples", layer.activation)
    x = dense(x, to_field, "frequencies")
    if open_size:
        parts = [x[..., number] for number in range(block.size)]
        axis, part = layer.channel_axis, f"{prefix}joined"
        x = writer.add(keras.layers.Concatenate, parts, axis=axis, part=part)
        order = np.arange(block.channels).reshape(block.fields, block.size).T.reshape(-1)
        return writer.mix(x, np.eye(block.channels)[order], f"{prefix}maps" if prefix else "")
    turned = writer.first and len(shape) > 1
    x = writer.add(keras.layers.Reshape, x, shape, part=f"{prefix}maps" if prefix or turned else "")
    return writer.channels_back(x, f"{prefix}first" if prefix else "")


def _lengths(writer: Writer, inputs, epsilon: float):
    """`sqrt(a^2 + b^2 + epsilon)` of every pair of channels."""
    pairs = pair_channels(writer.layer.fields)
    squares = writer.add(keras.layers.Multiply, [inputs, inputs], part="squares")
    sums = writer.mix(squares, pairs.T, "sums", bias=np.full(len(pairs), epsilon))
    return keras.ops.sqrt(sums)


@rule(layers.NormActivation)
def norm_activation(writer: Writer, inputs):
    """Pairs times what the activation makes of their lengths, and frequency 0 by itself."""
    layer, found = writer.layer, []
    if layer.scalar_bias is not None:
        scalars, bias = scalar_channels(layer.fields), _array(layer.scalar_bias)
        values = writer.mix(inputs, scalars.T, "scalars", bias, layer.activation)
        found.append(writer.mix(values, scalars, "scalars_back"))
    if layer.pair_bias is not None:
        pairs, bias = pair_channels(layer.fields), _array(layer.pair_bias)
        lengths = _lengths(writer, inputs, layer.epsilon)
        raised = writer.mix(lengths, np.eye(len(pairs)), "raised", bias, layer.activation)
        scales = writer.mix(raised / lengths, pairs, "scales")
        part = "pairs" if found else ""
        found.append(writer.add(keras.layers.Multiply, [inputs, scales], part=part))
    return writer.add(keras.layers.Add, found) if len(found) > 1 else found[0]


@rule(layers.GatedActivation)
def gated_activation(writer: Writer, inputs):
    """Pairs times the gate of their field's frequency 0."""
    layer = writer.layer
    scalars = scalar_channels(layer.fields)
    gated = field_of_channel(layer.fields) - scalars
    values = writer.mix(inputs, scalars.T, "scalars", activation=layer.activation)
    gates = writer.mix(inputs, scalars.T, "gates", activation=layer.gate)
    opened = writer.mix(gates, gated, "opened")
    pairs = writer.add(keras.layers.Multiply, [inputs, opened], part="pairs")
    kept = writer.mix(values, scalars, "scalars_back")
    return writer.add(keras.layers.Add, [kept, pairs])


@rule(layers.NormPooling)
def norm_pooling(writer: Writer, inputs):
    """Frequency 0 and the lengths of the pairs."""
    layer, found = writer.layer, []
    if 0 in layer.fields.frequencies:
        found.append(writer.mix(inputs, scalar_channels(layer.fields).T, "scalars"))
    if layer.fields.frequencies[-1] > 0:
        found.append(_lengths(writer, inputs, layer.epsilon))
    if len(found) == 1:
        return found[0]
    return writer.add(keras.layers.Concatenate, found, axis=layer.channel_axis)


@rule(layers.InvariantMap)
def invariant_map(writer: Writer, inputs):
    """A pointwise convolution that reads frequency 0 only."""
    layer = writer.layer
    matrix = scalar_channels(layer.fields).T @ _array(layer.kernel)
    bias = None if layer.bias is None else _array(layer.bias)
    if writer.change is not None:
        matrix, bias = writer.change.weights(matrix, bias)
    return writer.mix(inputs, matrix, bias=bias, activation=layer.activation)


@rule(layers.SteerableAveragePooling2D)
def blurred_pooling(writer: Writer, inputs):
    """In the form that is faster on the backend in use; every backend computes either."""
    sizes = map_sizes(inputs.shape, writer.layer.channel_axis)
    if None in sizes:
        return writer.named(writer.layer.blur_open_size(inputs))
    if has_fast_filters():
        return _blur_by_filter(writer, inputs, sizes)
    return _blur_by_matrices(writer, inputs, sizes)


def _blur_by_matrices(writer: Writer, inputs, sizes):
    """A matrix over the rows and one over the columns."""
    layer = writer.layer
    rows, columns = (blurring_matrix(size, layer.strides, layer.sigma) for size in sizes)
    channels = inputs.shape[layer.channel_axis]
    equations = ("bhwc,hr->brwc", "bhwc,wr->bhrc")
    if writer.first:
        equations = ("bchw,hr->bcrw", "bchw,wr->bchr")

    def mixed(x, axis: int, matrix: np.ndarray, shape: tuple[int, int], part: str):
        shape = (channels, *shape) if writer.first else (*shape, channels)
        kind = keras.layers.EinsumDense
        return writer.add(kind, x, equations[axis], shape, part=part, weights=[matrix.T])

    x = mixed(inputs, 0, rows, (len(rows), sizes[1]), "rows")
    return mixed(x, 1, columns, (len(rows), len(columns)), "")


def _blur_by_filter(writer: Writer, inputs, sizes):
    """One filter for all windows and channels, and what windows at the border miss of it."""
    layer = writer.layer
    channels = inputs.shape[layer.channel_axis]
    windows = [blurring_window(size, layer.strides, layer.sigma) for size in sizes]
    filters, starts = zip(*windows, strict=True)
    form = {"data_format": layer.data_format}
    # Windows lie symmetrically, so that "same" adds what they need; what they leave out is cut off.
    cropping = tuple(max(0, start) for start in starts)
    x = inputs
    if any(cropping):
        x = writer.add(keras.layers.Cropping2D, x, cropping, part="cropping", **form)
    kernel = np.multiply.outer(*filters)
    x = writer.add(
        keras.layers.DepthwiseConv2D,
        x,
        kernel.shape,
        strides=layer.strides,
        padding="same",
        use_bias=False,
        part="blur",
        weights=[np.repeat(kernel[:, :, None, None], channels, axis=2)],
        **form,
    )
    sums = [windows_inside(size, layer.strides, layer.sigma).sum(axis=1) for size in sizes]
    return _times(writer, x, 1 / np.multiply.outer(*sums))


@rule(layers.DiscMask)
def disc_mask(writer: Writer, inputs):
    """A product with a constant map, or with one that is made for the size."""
    sizes = map_sizes(inputs.shape, writer.layer.channel_axis)
    if None in sizes:
        return writer.named(writer.layer.mask_open_size(inputs))
    mask = disc(*sizes, writer.layer.margin)
    return _times(writer, inputs, mask)


def _times(writer: Writer, inputs, factors: np.ndarray):
    """A product with a constant map."""
    factors = factors[None] if writer.first else factors[:, :, None]
    return writer.add(keras.layers.Rescaling, inputs, factors.tolist())


def _array(variable) -> np.ndarray:
    return keras.ops.convert_to_numpy(variable)
