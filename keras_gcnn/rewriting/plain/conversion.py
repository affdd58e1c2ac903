"""Converts a trained network to a model of stock Keras layers."""

from __future__ import annotations

from typing import Any

import keras

from keras_gcnn.backend.ops import has_fast_filters
from keras_gcnn.layers import Symmetrized
from keras_gcnn.rewriting.engine import as_functional, rewrite
from keras_gcnn.rewriting.folding import (
    Affine,
    affine,
    fits,
    is_linear_stock_layer,
    is_normalization,
    kernel_channels,
)
from keras_gcnn.rewriting.plain.convolution_rules import plain_convolution_rules
from keras_gcnn.rewriting.plain.group_rules import plain_group_rules
from keras_gcnn.rewriting.plain.normalization_rules import plain_normalization_rules
from keras_gcnn.rewriting.plain.steerable_rules import plain_steerable_rules
from keras_gcnn.rewriting.plain.stock_check import check_stock
from keras_gcnn.rewriting.plain.stock_translator import StockTranslator, misreads_bias
from keras_gcnn.rewriting.rule_book import Rule, RuleBook
from keras_gcnn.types import Shape
from keras_gcnn.zoo.autoencoder import VariationalAutoencoder


def to_plain(
    model: keras.Model, *, fold: bool = True, flatten: bool = False, scale: float | None = None
) -> keras.Model:
    """Converts a network to stock Keras layers: an ordinary network with the same outputs.

    The new network computes what the given one computes at inference. It can be loaded and served
    without this library. Kernels are expanded, statistics are repeated for each channel, and layers
    that act in training only are left out. Layers keep their names; where several stock layers
    replace one, the last of them keeps the name, and the names of the others begin with it.

    Args:
        model: functional or sequential model of this library's layers and stock layers, or an
            autoencoder of `zoo.vae`. It may hold other models. It is not changed.
        fold: bool, whether batch normalisations are folded into the convolutions before them where
            that is exact. Their names do not occur in the new model then.
        flatten: bool, whether the layers of models inside the model become layers of the new model
            itself, with names that begin with the inner model's.
        scale: float by which the inputs are multiplied first, e.g. 1/255 for pixels of 8 bits.

    Returns:
        A functional `keras.Model` that shares no weights with the given one.

    Raises:
        TypeError: if `model` is no `keras.Model`.
        ValueError: if the model is no graph of layers, a layer cannot be translated to stock
            layers (the message names it), or the scale is no finite number.

    Example:

    >>> import keras, keras_gcnn
    >>> network = keras_gcnn.zoo.lenet("p4", widths=(2, 3))
    >>> plain = keras_gcnn.export.to_plain(network)
    >>> plain.get_layer("conv1").__class__ is keras.layers.Conv2D
    True
    """
    return rewrite(model, PlainBook(fold), flatten=flatten, scale=scale)


class PlainBook(RuleBook):
    """The rules that translate this library's layers to stock layers, for inference.

    Args:
        fold: whether batch normalisations are folded into the layers before them.
        kept: classes of this library's layers that stay in the model.
        filters: whether blurring is a filter that slides over the map rather than products of
            matrices; None for what is faster on the backend in use.
    """

    def __init__(
        self,
        fold: bool = True,
        kept: tuple[type[keras.Layer], ...] = (),
        filters: bool | None = None,
    ):
        super().__init__(
            plain_convolution_rules,
            plain_group_rules,
            plain_normalization_rules,
            plain_steerable_rules,
        )
        self._folds = fold
        self._kept = kept
        self._filters = has_fast_filters() if filters is None else filters

    def make_translator(
        self, operation: keras.Operation, name: str, change: Any, taken: set[str]
    ) -> StockTranslator:
        """Returns the translator of one call of a layer or operation."""
        translator = StockTranslator(operation, name, change, taken)
        translator.filters = self._filters
        return translator

    def find_rule(self, layer: keras.Layer) -> Rule | None:
        """Returns the rule for a layer, or for the layer in a `SpectralNormalization`."""
        if isinstance(layer, self._kept):
            return None
        if type(layer) is keras.layers.SpectralNormalization:
            rule = self.find_rule(layer.layer)
            # The wrapper rescales the kernel in training only.
            return rule and (
                lambda translator, inputs: rule(translator.within(layer.layer), inputs)
            )
        return super().find_rule(layer)

    def fold(
        self, layer: keras.Operation, following: keras.Operation, shape: Shape
    ) -> Affine | None:
        """Returns the scale and shift of a normalisation that can be folded into a layer."""
        if not self._folds or not is_normalization(following):
            return None
        linear = self.takes_change(layer) or is_linear_stock_layer(layer)
        if not linear or not fits(layer, following):
            return None
        if misreads_bias(getattr(layer, "data_format", None), shape):
            return None
        return affine(following)

    def twin(self, layer: keras.Layer, name: str, change: Affine | None) -> keras.Layer:
        """Returns a copy of a stock layer, with a bias if a normalisation is folded into it."""
        config = {**layer.get_config(), "name": name}
        if change is not None:
            config["use_bias"] = True
        twin = type(layer).from_config(config)
        if isinstance(layer, self._kept):
            twin.checks_maps = False  # the stock convolution before it is right but unknown to it
        return twin

    def transfer_weights(
        self, layer: keras.Layer, twin: keras.Layer, change: Affine | None
    ) -> None:
        """Gives a copy the weights of its original, with the folded scale and shift."""
        if change is None:
            super().transfer_weights(layer, twin, change)
        else:
            kernel, *bias = layer.get_weights()
            weights = change.weights(kernel, bias[0] if bias else None, kernel_channels(layer))
            twin.set_weights(weights)

    def check(self, operation: keras.Operation) -> None:
        """Raises a `ValueError` unless a layer or operation belongs to Keras or is to be kept."""
        if not isinstance(operation, self._kept):
            check_stock(operation)

    def check_call(self, layer: keras.Layer, training: bool | None) -> None:
        """Raises a `ValueError` if the graph always calls a layer as in training."""
        if training:
            raise ValueError(
                f"{type(layer).__name__} {layer.name!r} is called with training=True, but the "
                "converted model computes what the layer does at inference. Leave `training` out "
                "of the call."
            )

    def as_graph(self, model: keras.Layer) -> keras.Layer:
        """Returns the graph at inference of an autoencoder, and that of a symmetrized model."""
        if isinstance(model, Symmetrized):
            if isinstance(model.model, keras.Model):
                as_functional(model.model)  # else the message would be about the layer around it
            return model.graph()
        if not isinstance(model, VariationalAutoencoder):
            return model
        if model.turning is not None:
            raise ValueError(
                f"{model.name!r} rotates the images that it decodes, which no stock layer does. "
                "Convert model.encoder and model.decoder, and rotate the image afterwards."
            )
        image = keras.Input(batch_shape=model.encoder.input.shape, name=model.encoder.input.name)
        encoded = model.encoder(image)
        logits = model.decoder(encoded["mean"])
        return keras.Model(image, {"logits": logits, **encoded}, name=model.name)
