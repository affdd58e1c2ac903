"""How layers on a group become stock layers: channels are pooled and permuted."""

from __future__ import annotations

import keras
import numpy as np

from keras_gcnn import layers
from keras_gcnn.distributions.direction import smallest
from keras_gcnn.layers.common.multiple_sizes import MultipleSizes
from keras_gcnn.layers.common.stock_in_graphs import Rescaling
from keras_gcnn.rewriting.plain.stock_translator import StockTranslator
from keras_gcnn.rewriting.rule_book import RuleBook
from keras_gcnn.types import Tensor

plain_group_rules = RuleBook()

_POOLING = {
    "max": (keras.layers.GlobalMaxPooling2D, keras.layers.GlobalMaxPooling1D),
    "mean": (keras.layers.GlobalAveragePooling2D, keras.layers.GlobalAveragePooling1D),
}


@plain_group_rules.rule(Rescaling)
def rescaling(translator: StockTranslator, inputs: Tensor) -> Tensor:
    """Adds the stock layer."""
    layer = translator.layer
    return translator.add(keras.layers.Rescaling, inputs, layer.scale, layer.offset)


@plain_group_rules.rule(layers.GLayerScale)
def layer_scale(translator: StockTranslator, inputs: Tensor) -> Tensor:
    """Adds the stock layer that multiplies every channel by its factor."""
    factors = translator.layer.expanded_factors()
    if translator.channels_first and len(inputs.shape) > 2:
        factors = factors.reshape(-1, *[1] * (len(inputs.shape) - 2))
    return translator.add(keras.layers.Rescaling, inputs, factors.tolist())


@plain_group_rules.rule(layers.GPReLU)
def prelu(translator: StockTranslator, inputs: Tensor) -> Tensor:
    """Adds the stock layer with the slopes of the fields repeated, shared by the positions."""
    rank, axis = len(inputs.shape), translator.layer.channel_axis
    positions = [at for at in range(1, rank) if at != axis % rank]
    slopes = np.expand_dims(translator.layer.expanded_slopes(), [at - 1 for at in positions])
    return translator.add(
        keras.layers.PReLU, inputs, shared_axes=positions or None, weights=[slopes]
    )


@plain_group_rules.rule(layers.GMaxPooling2D, layers.GAveragePooling2D)
def spatial_pooling(translator: StockTranslator, inputs: Tensor) -> Tensor:
    """Adds the stock layer with the window that fits the size, or several that fit any size."""
    layer = translator.layer
    is_max = isinstance(layer, layers.GMaxPooling2D)
    layer_class = keras.layers.MaxPooling2D if is_max else keras.layers.AveragePooling2D
    options = {"data_format": layer.data_format}
    window = layer.window(inputs.shape)
    if window is not None:
        return translator.add(layer_class, inputs, window, layer.strides, layer.padding, **options)

    def pool(maps: Tensor, window: tuple[int, int]) -> Tensor:
        return translator.add(layer_class, maps, window, window, part="window", **options)

    return translator.name_output(layer.pool_open_size(inputs, pool))


@plain_group_rules.rule(layers.GGlobalPooling)
def global_pooling(translator: StockTranslator, inputs: Tensor) -> Tensor:
    """Pools positions first, then orientations."""
    layer = translator.layer
    pool_positions, pool_orientations = _POOLING[layer.mode]
    fields = inputs.shape[layer.channel_axis] // layer.group.order
    options = {"data_format": layer.data_format}
    if layer.group.order == 1:
        return translator.add(pool_positions, inputs, keepdims=layer.keepdims, **options)
    x = translator.add(pool_positions, inputs, part="positions", **options)
    x = translator.add(keras.layers.Reshape, x, (fields, layer.group.order), part="orientations")
    if not layer.keepdims:
        return translator.add(pool_orientations, x, data_format="channels_first")
    x = translator.add(pool_orientations, x, data_format="channels_first", part="fields")
    shape = (fields, 1, 1) if translator.channels_first else (1, 1, fields)
    return translator.add(keras.layers.Reshape, x, shape)


@plain_group_rules.rule(layers.GPooling)
def pooling(translator: StockTranslator, inputs: Tensor) -> Tensor:
    """Pools over an axis of orientations; their mean is a product with a matrix.

    A map of unknown size cannot be reshaped, so the maximum compares the maps of the orientations.
    """
    layer, order = translator.layer, translator.layer.group.order
    if order == 1:
        return inputs
    if layer.mode == "mean":
        fields = inputs.shape[layer.channel_axis] // order
        return translator.mix(inputs, np.repeat(np.eye(fields), order, axis=0) / order)
    if None in inputs.shape[1:]:
        return translator.add(keras.layers.Maximum, translator.split_by_remainder(inputs, order))
    last = translator.channels_to_end(inputs, "last")
    *positions, channels = last.shape[1:]
    rows = int(np.prod(positions)) * (channels // order)
    x = translator.add(keras.layers.Reshape, last, (rows, order), part="orientations")
    x = translator.add(_POOLING["max"][1], x, data_format="channels_first", part="largest")
    part = "maps" if translator.channels_first and positions else ""
    x = translator.add(keras.layers.Reshape, x, (*positions, channels // order), part=part)
    return translator.channels_back(x) if part else x


@plain_group_rules.rule(layers.Restriction)
def restriction(translator: StockTranslator, inputs: Tensor) -> Tensor:
    """Permutes the channels by a matrix of zeros and ones."""
    layer, order = translator.layer, translator.layer.group.order
    if layer.order == tuple(range(order)):
        return inputs
    fields = inputs.shape[layer.channel_axis] // order
    permutation = np.eye(order)[:, list(layer.order)]
    return translator.mix(inputs, np.kron(np.eye(fields), permutation))


@plain_group_rules.rule(layers.GOrientation)
def orientation(translator: StockTranslator, inputs: Tensor) -> Tensor:
    """Averages over positions and adds up the directions of the orientations."""
    layer, order = translator.layer, translator.layer.group.order
    fields = inputs.shape[layer.channel_axis] // order
    x = translator.add(
        keras.layers.GlobalAveragePooling2D, inputs, data_format=layer.data_format, part="positions"
    )
    x = translator.add(keras.layers.Reshape, x, (fields, order), part="orientations")
    return translator.add(keras.layers.Dense, x, 2, use_bias=False, weights=[layer.directions])


@plain_group_rules.rule(layers.UnitDirection)
def direction(translator: StockTranslator, inputs: Tensor) -> Tensor:
    """Adds the stock layer, which differs in its gradients only."""
    return translator.add(keras.layers.UnitNormalization, inputs, axis=-1)


@plain_group_rules.rule(MultipleSizes)
def size_check(translator: StockTranslator, inputs: Tensor) -> Tensor:
    """Adds nothing: no stock layer checks sizes."""
    return inputs


@plain_group_rules.rule(layers.GDropout, layers.SteerableDropout, layers.KLToUniform)
def training_only(translator: StockTranslator, inputs: Tensor) -> Tensor:
    """Adds nothing: the layer acts in training only."""
    return inputs


@plain_group_rules.rule(layers.VonMisesFisherSampling, layers.GaussianSampling)
def sampling(translator: StockTranslator, inputs: Tensor) -> Tensor:
    """Returns the mean."""
    layer = translator.layer
    if layer.at_inference != "mean" or layer.samples is not None:
        raise ValueError(
            f"{type(layer).__name__} {layer.name!r} draws at inference, which no stock layer does. "
            'Use at_inference="mean" and samples=None, or export the model up to this layer.'
        )
    return inputs[0]


@plain_group_rules.rule(layers.VonMisesFisherHead)
def von_mises_fisher_head(translator: StockTranslator, inputs: Tensor) -> tuple[Tensor, Tensor]:
    """Adds two dense layers: one scaled to length one, the other mapped to positive numbers."""
    layer = translator.layer
    direction, concentration = layer.dense_layers
    # Initializers and regularizers matter in training only; the layer's own are not stock ones.
    stock = {"kernel_initializer": "glorot_uniform", "kernel_regularizer": None}
    mu = translator.add_copy(direction, inputs, "direction", **stock)
    # Zeros become the first axis, as in the layer.
    size = keras.ops.sum(keras.ops.abs(mu), -1, keepdims=True)
    is_zero = keras.ops.cast(keras.ops.less(size, smallest(size)), mu.dtype)
    mu = mu / (size + is_zero) + translator.add(
        keras.layers.Dense,
        is_zero,
        layer.dim,
        use_bias=False,
        weights=[np.eye(1, layer.dim)],
        part="first_axis",
    )
    mu = translator.add(keras.layers.UnitNormalization, mu, axis=-1)
    kappa = translator.add_copy(
        concentration, inputs, "concentration", activation="softplus", **stock
    )
    return mu, translator.add(keras.layers.Rescaling, kappa, 1.0, layer.least, part="least")
