"""How convolutions become stock layers: kernels are expanded, borders filled by operations."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from keras_gcnn import layers
from keras_gcnn.groups.borders import FROM_MAP
from keras_gcnn.layers.common.stock_convolution import Conv2D, Conv2DTranspose, InferenceConv2D
from keras_gcnn.rewriting.plain.stock_translator import StockTranslator
from keras_gcnn.rewriting.rule_book import RuleBook
from keras_gcnn.types import Tensor

plain_convolution_rules = RuleBook()


@plain_convolution_rules.rule(
    layers.LiftingConv2D,
    layers.GConv2D,
    layers.GConv2DTranspose,
    layers.SteerableConv2D,
    layers.SteerableConv2DTranspose,
    Conv2D,
    Conv2DTranspose,
    InferenceConv2D,
    takes_change=True,
)
def convolution(translator: StockTranslator, inputs: Tensor) -> Tensor:
    """Adds the stock convolution with the expanded kernel."""
    layer = translator.layer
    kernel = layer.expanded_kernel()
    layer_class, axis, options = keras.layers.Conv2D, -1, _window(layer)
    inputs = _padded(layer, inputs)
    if hasattr(layer, "output_padding"):
        layer_class, axis = keras.layers.Conv2DTranspose, -2
        options["output_padding"] = layer.output_padding
    outputs = translator.add_linear(
        layer_class,
        inputs,
        kernel.shape[axis],
        layer.kernel_size,
        **options,
        kernel=kernel,
        bias=layer.expanded_bias(),
        channels=(axis,),
    )
    if isinstance(layer, layers.GConv2D | layers.SteerableConv2D):
        # For `for_inference`, whose layers compute fewer products of equivariant kernels.
        outputs._keras_history.operation.channels_were = layer.map_in, layer.map_out
    return outputs


@plain_convolution_rules.rule(layers.GSeparableConv2D, takes_change=True)
def separable(translator: StockTranslator, inputs: Tensor) -> Tensor:
    """Adds a pointwise and a depthwise convolution for the variant gc, else a full convolution."""
    layer = translator.layer
    if not layer.has_two_steps:
        return convolution(translator, inputs)
    pointwise, depthwise = layer.expanded_parts()
    mixed = translator.add(
        keras.layers.Conv2D,
        inputs,
        pointwise.shape[3],
        1,
        use_bias=False,
        data_format=layer.data_format,
        part="pointwise",
        weights=[pointwise],
    )
    return translator.add_linear(
        keras.layers.DepthwiseConv2D,
        _padded(layer, mixed),
        layer.kernel_size,
        **_window(layer),
        kernel=depthwise,
        bias=layer.expanded_bias(),
        channels=(-2, -1),
    )


@plain_convolution_rules.rule(layers.GDepthwiseConv2D, takes_change=True)
def depthwise(translator: StockTranslator, inputs: Tensor) -> Tensor:
    """Adds a depthwise convolution; with several filters for a field also a permutation."""
    layer, options = translator.layer, _window(translator.layer)
    inputs = _padded(layer, inputs)
    options["depth_multiplier"] = multiplier = layer.depth_multiplier
    kernel, bias = layer.expanded_kernel(), layer.expanded_bias()
    if multiplier == 1 or layer.group.order == 1:
        return translator.add_linear(
            keras.layers.DepthwiseConv2D,
            inputs,
            layer.kernel_size,
            **options,
            kernel=kernel,
            bias=bias,
            channels=(-2, -1),
        )
    activation = options.pop("activation")
    maps = translator.add(
        keras.layers.DepthwiseConv2D,
        inputs,
        layer.kernel_size,
        **options,
        use_bias=False,
        part="orientations",
        weights=[kernel],
    )
    channels = kernel.shape[2] * multiplier
    order = np.arange(channels).reshape(-1, layer.group.order, multiplier).swapaxes(1, 2)
    return translator.add_linear(
        keras.layers.Conv2D,
        maps,
        channels,
        1,
        data_format=layer.data_format,
        activation=activation,
        kernel=np.eye(channels)[:, order.reshape(-1)][None, None],
        bias=bias,
    )


def _window(layer: keras.Layer) -> dict[str, Any]:
    window = {
        "strides": layer.strides,
        "padding": getattr(layer, "padding_left", layer.padding),
        "data_format": layer.data_format,
        "dilation_rate": layer.dilation_rate,
        "activation": getattr(layer, "activation", None),
    }
    groups = getattr(layer, "groups", 1)
    return window if groups == 1 else {**window, "groups": groups}


def _padded(layer: keras.Layer, inputs: Tensor) -> Tensor:
    """Adds to the borders what no stock layer adds, by operations of Keras."""
    if layer.padding not in FROM_MAP:
        return inputs
    if max(layer.strides) > 1 and None in layer.sizes(inputs.shape):
        raise ValueError(
            f"{type(layer).__name__} {layer.name!r} with padding={layer.padding!r} and strides "
            "adds at the borders as much as the size of its input asks for, and that size is open "
            f"(shape {tuple(inputs.shape)}). State the size of the images, e.g. "
            "keras.Input((64, 64, 3)), or use strides=1 followed by a pooling."
        )
    return layer.pad(inputs)
