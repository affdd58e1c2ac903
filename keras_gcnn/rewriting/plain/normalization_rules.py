"""How normalisations become stock layers: shared weights are repeated, averages are matrices."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from keras_gcnn import layers
from keras_gcnn.layers.common.stock_in_graphs import BatchNormalization
from keras_gcnn.layers.steerable.image_normalization import channel_groups
from keras_gcnn.rewriting.plain.stock_translator import StockTranslator
from keras_gcnn.rewriting.rule_book import RuleBook
from keras_gcnn.types import Tensor

plain_normalization_rules = RuleBook()

_POSITIONS = {
    3: keras.layers.GlobalAveragePooling1D,
    4: keras.layers.GlobalAveragePooling2D,
    5: keras.layers.GlobalAveragePooling3D,
}


@plain_normalization_rules.rule(
    layers.GBatchNormalization, BatchNormalization, layers.SteerableBatchNormalization
)
def batch_normalization(translator: StockTranslator, inputs: Tensor) -> Tensor:
    """Adds the stock layer with each statistic repeated for the channels that share it."""
    layer = translator.layer
    weights = layer.expanded_statistics()
    options = _options(weights, "gamma", "beta", "moving_mean", "moving_variance")
    return translator.add(
        keras.layers.BatchNormalization,
        inputs,
        layer.axis,
        layer.momentum,
        layer.epsilon,
        **options,
    )


def _options(weights: dict[str, np.ndarray], *names: str) -> dict[str, Any]:
    return {
        "center": "beta" in weights,
        "scale": "gamma" in weights,
        "weights": [weights[name] for name in names if name in weights],
    }


@plain_normalization_rules.rule(layers.GLayerNormalization)
def layer_normalization(translator: StockTranslator, inputs: Tensor) -> Tensor:
    """Adds the stock layer with repeated weights and the channels last.

    On PyTorch the stock layer takes the last axis whichever is given (keras 3.15).
    """
    layer = translator.layer
    options = _options(layer.expanded_weights(), "gamma", "beta")
    x = translator.channels_to_end(inputs, "last")
    options["part"] = "" if x is inputs else "normal"
    x = translator.add(keras.layers.LayerNormalization, x, -1, layer.epsilon, **options)
    return translator.channels_back(x)


@plain_normalization_rules.rule(layers.GGroupNormalization)
def group_normalization(translator: StockTranslator, inputs: Tensor) -> Tensor:
    """Adds the stock layer with as many channel groups: the channels of a field are neighbours."""
    layer = translator.layer
    options = _options(layer.expanded_weights(), "gamma", "beta")
    count = layer.group_count(inputs.shape)
    return translator.add(
        keras.layers.GroupNormalization, inputs, count, layer.axis, layer.epsilon, **options
    )


@plain_normalization_rules.rule(layers.GRMSNormalization)
def rms_normalization(translator: StockTranslator, inputs: Tensor) -> Tensor:
    """Adds the stock layer with the channels last, along which alone it can scale."""
    layer, channels = translator.layer, inputs.shape[translator.layer.axis]
    weights = layer.expanded_weights()
    x = translator.channels_to_end(inputs, "last")
    permuted, shifted = x is not inputs, "beta" in weights
    x = translator.add(
        keras.layers.RMSNormalization,
        x,
        -1,
        layer.epsilon,
        part="scaled" if permuted or shifted else "",
        weights=[weights.get("gamma", np.ones(channels))],
    )
    if shifted:
        shift = [np.eye(channels), weights["beta"]]
        part = "shifted" if permuted else ""
        x = translator.add(keras.layers.Dense, x, channels, weights=shift, part=part)
    return translator.channels_back(x)


@plain_normalization_rules.rule(
    layers.SteerableLayerNormalization, layers.SteerableGroupNormalization
)
def steerable_normalization(translator: StockTranslator, inputs: Tensor) -> Tensor:
    """Adds the stock layer on frequency 0 alone, else averages over channels as matrices."""
    layer = translator.layer
    over_positions = isinstance(layer, layers.SteerableGroupNormalization)
    if layer.fields.is_trivial:
        stock = group_normalization if over_positions else layer_normalization
        return stock(translator, inputs)
    centred = inputs
    if layer.fields.scalars:
        mean = _average(translator, inputs, over_positions, "mean", scalars_only=True)
        centred = translator.add(keras.layers.Subtract, [inputs, mean], part="centred")
    squares = translator.add(keras.layers.Multiply, [centred, centred], part="squares")
    spread = _average(translator, squares, over_positions, "spread", bias=layer.epsilon)
    return _scale_and_shift(translator, centred / keras.ops.sqrt(spread))


def _average(
    translator: StockTranslator,
    inputs: Tensor,
    over_positions: bool,
    part: str,
    scalars_only: bool = False,
    bias: float | None = None,
) -> Tensor:
    """Averages over the channel groups and, if asked to, over the positions."""
    layer, rank = translator.layer, len(inputs.shape)
    count = 1
    if over_positions:
        count = layer.group_count(inputs.shape)
        if rank > 2:
            inputs = translator.add(
                _POSITIONS[rank],
                inputs,
                data_format=translator.data_format,
                keepdims=True,
                part=f"{part}_positions",
            )
    share, members = channel_groups(layer.fields, count, scalars_only)
    biases = None if bias is None else np.full(layer.fields.channels, bias)
    return translator.mix(inputs, share.T @ members, part, biases)


def _scale_and_shift(translator: StockTranslator, inputs: Tensor) -> Tensor:
    """Multiplies every channel by its scale and adds its offset."""
    layer = translator.layer
    weights = layer.expanded_weights()
    if not weights:
        return translator.name_output(inputs)
    gamma = weights.get("gamma", np.ones(layer.fields.channels))
    beta = weights.get("beta")
    if len(inputs.shape) != 4:
        return translator.mix(inputs, np.diag(gamma), bias=beta)
    kernel = gamma[None, None, :, None]
    return translator.add(
        keras.layers.DepthwiseConv2D,
        inputs,
        1,
        data_format=translator.data_format,
        use_bias=beta is not None,
        weights=[kernel] if beta is None else [kernel, beta],
    )
