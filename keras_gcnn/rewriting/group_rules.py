"""Layers on a group in layers of Keras: their kernels laid out, their channels pooled."""

from __future__ import annotations

import keras
import numpy as np

from keras_gcnn import layers
from keras_gcnn.distributions.direction import NONE
from keras_gcnn.layers.common.stock_convolution import Conv2D, Conv2DTranspose, InferenceConv2D
from keras_gcnn.layers.common.stock_in_graphs import BatchNormalization, Rescaling
from keras_gcnn.rewriting.translator import Writer, rule

_POOLING = {
    "max": (keras.layers.GlobalMaxPooling2D, keras.layers.GlobalMaxPooling1D),
    "mean": (keras.layers.GlobalAveragePooling2D, keras.layers.GlobalAveragePooling1D),
}


@rule(
    layers.LiftingConv2D,
    layers.GConv2D,
    layers.GConv2DTranspose,
    layers.SteerableConv2D,
    layers.SteerableConv2DTranspose,
    Conv2D,
    Conv2DTranspose,
    InferenceConv2D,
)
def convolution(writer: Writer, inputs):
    """The stock convolution with the expanded kernel."""
    layer = writer.layer
    kernel = layer.expanded_kernel()
    kind, axis, more = keras.layers.Conv2D, -1, {}
    if hasattr(layer, "output_padding"):
        kind, axis = keras.layers.Conv2DTranspose, -2
        more = {"output_padding": layer.output_padding}
    return writer.linear(
        kind,
        inputs,
        kernel.shape[axis],
        layer.kernel_size,
        **_window(layer),
        **more,
        kernel=kernel,
        bias=layer.expanded_bias(),
        channels=(axis,),
    )


@rule(Rescaling)
def rescaling(writer: Writer, inputs):
    """The stock layer."""
    return writer.add(keras.layers.Rescaling, inputs, writer.layer.scale, writer.layer.offset)


@rule(layers.GSeparableConv2D)
def separable(writer: Writer, inputs):
    """Of the variant gc a pointwise convolution and one per channel; else like a full one."""
    layer = writer.layer
    if layer.variant != "gc" or layer.kernel_size == (1, 1) or len(set(layer.strides)) > 1:
        return convolution(writer, inputs)
    pointwise, depthwise = layer.expanded_parts()
    mixed = writer.add(
        keras.layers.Conv2D,
        inputs,
        pointwise.shape[3],
        1,
        use_bias=False,
        data_format=layer.data_format,
        part="pointwise",
        weights=[pointwise],
    )
    return writer.linear(
        keras.layers.DepthwiseConv2D,
        mixed,
        layer.kernel_size,
        **_window(layer),
        kernel=depthwise,
        bias=layer.expanded_bias(),
        channels=(-2, -1),
    )


def _window(layer) -> dict:
    return {
        "strides": layer.strides,
        "padding": layer.padding,
        "data_format": layer.data_format,
        "dilation_rate": layer.dilation_rate,
        "activation": getattr(layer, "activation", None),
    }


@rule(layers.GBatchNormalization, BatchNormalization, layers.SteerableBatchNormalization)
def normalization(writer: Writer, inputs):
    """The stock layer with every statistic once per channel."""
    layer = writer.layer
    found = layer.expanded_statistics()
    return writer.add(
        keras.layers.BatchNormalization,
        inputs,
        layer.axis,
        layer.momentum,
        layer.epsilon,
        center="beta" in found,
        scale="gamma" in found,
        weights=[
            found[name]
            for name in ("gamma", "beta", "moving_mean", "moving_variance")
            if name in found
        ],
    )


@rule(layers.GMaxPooling2D, layers.GAveragePooling2D)
def spatial_pooling(writer: Writer, inputs):
    """The stock layer with the window that fits the size, or several that fit any size."""
    layer = writer.layer
    maximum = isinstance(layer, layers.GMaxPooling2D)
    kind = keras.layers.MaxPooling2D if maximum else keras.layers.AveragePooling2D
    window = layer.window(inputs.shape)
    if window is not None:
        return writer.add(kind, inputs, window, layer.strides, layer.padding, layer.data_format)

    def pool(maps, window: tuple[int, int]):
        return writer.add(kind, maps, window, window, data_format=layer.data_format, part="window")

    return writer.named(layer.pool_open_size(inputs, pool))


@rule(layers.GGlobalPooling)
def global_pooling(writer: Writer, inputs):
    """Positions first, then orientations."""
    layer = writer.layer
    positions, orientations = _POOLING[layer.mode]
    fields = inputs.shape[layer.channel_axis] // layer.group.order
    form = {"data_format": layer.data_format}
    if layer.group.order == 1:
        return writer.add(positions, inputs, keepdims=layer.keepdims, **form)
    x = writer.add(positions, inputs, part="positions", **form)
    x = writer.add(keras.layers.Reshape, x, (fields, layer.group.order), part="orientations")
    if not layer.keepdims:
        return writer.add(orientations, x, data_format="channels_first")
    x = writer.add(orientations, x, data_format="channels_first", part="fields")
    shape = (fields, 1, 1) if writer.first else (1, 1, fields)
    return writer.add(keras.layers.Reshape, x, shape)


@rule(layers.GPooling)
def pooling(writer: Writer, inputs):
    """Orientations brought to the end and pooled; their mean is a product with a matrix.

    Of maps of an unknown size, which cannot be reshaped, the maps of the orientations are compared.
    """
    layer, order = writer.layer, writer.layer.group.order
    if order == 1:
        return inputs
    if layer.mode == "mean":
        fields = inputs.shape[layer.channel_axis] // order
        return writer.mix(inputs, np.repeat(np.eye(fields), order, axis=0) / order)
    if None in inputs.shape[1:]:
        return writer.add(keras.layers.Maximum, writer.every(inputs, order))
    last = writer.channels_last(inputs, "last")
    *positions, channels = last.shape[1:]
    numbers = int(np.prod(positions)) * (channels // order)
    x = writer.add(keras.layers.Reshape, last, (numbers, order), part="orientations")
    x = writer.add(_POOLING["max"][1], x, data_format="channels_first", part="largest")
    part = "maps" if writer.first and positions else ""
    x = writer.add(keras.layers.Reshape, x, (*positions, channels // order), part=part)
    return writer.channels_back(x) if part else x


@rule(layers.Restriction)
def restriction(writer: Writer, inputs):
    """A permutation of the channels, as a matrix of zeros and ones."""
    layer, order = writer.layer, writer.layer.group.order
    if layer.order == tuple(range(order)):
        return inputs
    fields = inputs.shape[layer.channel_axis] // order
    read = np.eye(order)[:, list(layer.order)]
    return writer.mix(inputs, np.kron(np.eye(fields), read))


@rule(layers.GOrientation)
def orientation(writer: Writer, inputs):
    """The mean over positions, and the sum of the orientations' directions."""
    layer, order = writer.layer, writer.layer.group.order
    fields = inputs.shape[layer.channel_axis] // order
    x = writer.add(
        keras.layers.GlobalAveragePooling2D, inputs, data_format=layer.data_format, part="positions"
    )
    x = writer.add(keras.layers.Reshape, x, (fields, order), part="orientations")
    return writer.add(keras.layers.Dense, x, 2, use_bias=False, weights=[layer.directions])


@rule(layers.UnitDirection)
def direction(writer: Writer, inputs):
    """The stock layer, which differs in its gradients alone."""
    return writer.add(keras.layers.UnitNormalization, inputs, axis=-1)


@rule(layers.GDropout, layers.SteerableDropout, layers.KLToUniform)
def nothing(writer: Writer, inputs):
    """What happens in training only."""
    return inputs


@rule(layers.VonMisesFisherSampling, layers.GaussianSampling)
def sampling(writer: Writer, inputs):
    """The mean."""
    layer = writer.layer
    if layer.at_inference != "mean" or layer.samples is not None:
        raise ValueError(
            f"{type(layer).__name__} {layer.name!r} draws at inference, which no stock layer does. "
            'Use at_inference="mean" and samples=None, or export the model up to this layer.'
        )
    return inputs[0]


@rule(layers.VonMisesFisherHead)
def von_mises_fisher_head(writer: Writer, inputs):
    """Two dense layers, the one scaled to length one, the other to positive numbers."""
    layer = writer.layer
    direction, concentration = layer.dense_layers
    # As the layers start and are regularised matters in training only.
    form = {"kernel_initializer": "glorot_uniform", "kernel_regularizer": None}
    mu = writer.like(direction, inputs, "direction", **form)
    # Zeros become the first axis, as in the layer.
    squares = keras.ops.sum(keras.ops.square(mu), -1, keepdims=True)
    missing = keras.ops.cast(keras.ops.less(squares, NONE), mu.dtype)
    axis = {"use_bias": False, "weights": [np.eye(1, layer.dim)], "part": "first_axis"}
    mu = mu + writer.add(keras.layers.Dense, missing, layer.dim, **axis)
    mu = writer.add(keras.layers.UnitNormalization, mu, axis=-1)
    kappa = writer.like(concentration, inputs, "concentration", activation="softplus", **form)
    return mu, writer.add(keras.layers.Rescaling, kappa, 1.0, layer.least, part="least")
