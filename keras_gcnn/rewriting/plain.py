"""A trained network as a model of stock Keras layers."""

from __future__ import annotations

import math
import re
from collections import Counter
from numbers import Real

import keras

from keras_gcnn.model_graph import is_graph
from keras_gcnn.rewriting import group_rules, steerable_rules  # noqa: F401 - they know the layers
from keras_gcnn.rewriting.copies import copy_weights
from keras_gcnn.rewriting.folding import (
    Affine,
    affine,
    is_normalization,
    kernel_channels,
    takes_in,
)
from keras_gcnn.rewriting.graph import Graph
from keras_gcnn.rewriting.stock_check import check_stock
from keras_gcnn.rewriting.translator import Rule, Writer, find_rule, misreads_bias, take_name
from keras_gcnn.zoo.autoencoder import VariationalAutoencoder


def to_plain(
    model: keras.Model, *, fold: bool = True, flatten: bool = False, scale: float | None = None
) -> keras.Model:
    """Says a network in layers of Keras alone: an ordinary network with the same outputs.

    It computes what the network computes at inference, and needs nothing of this library, neither
    to be loaded nor to be served. Kernels are laid out, statistics written once per channel, and
    what happens in training only is left out. Layers keep their names; of a layer for which several
    stand, the last one has the name and the others begin with it.

    Args:
        model: functional or sequential model of this library's layers and stock ones, models inside
            it included, or an autoencoder of `zoo.vae`. It is left as it is.
        fold: bool, whether batch normalisations are taken into the convolutions before them where
            that is exact; their names are then gone.
        flatten: bool, whether the layers of models inside the model become its own, with names that
            begin with the inner model's.
        scale: float by which the inputs are multiplied first, e.g. 1/255 for pixels of 8 bits.

    Returns:
        A functional `keras.Model` that shares no weights with the given one.

    Raises:
        TypeError: if it is no model.
        ValueError: if the model is no graph of layers, or a layer, which is named, cannot be said
            in stock ones, or the scale is no finite number.

    Example:

    >>> import keras, keras_gcnn
    >>> network = keras_gcnn.zoo.lenet("p4", widths=(2, 3))
    >>> plain = keras_gcnn.export.to_plain(network)
    >>> plain.get_layer("conv1").__class__ is keras.layers.Conv2D
    True
    """
    return converted(model, fold, flatten).model(scale)


def converted(
    model: keras.Model, fold: bool, flatten: bool, keep: tuple[type[keras.Layer], ...] = ()
) -> Conversion:
    """The conversion of a model or autoencoder, in which layers of some classes are kept."""
    if isinstance(model, VariationalAutoencoder):
        model = _reconstruction(model)
    return Conversion(model, fold, flatten, keep)


class Conversion:
    """One graph on its way; the models inside it have conversions of their own.

    Args:
        model: functional or sequential model.
        fold: bool, as in `to_plain`.
        flatten: bool, likewise.
        keep: classes of layers that stay as they are.
        outer: the conversion of the model around this one, of which the layers become its own.
    """

    def __init__(
        self,
        model: keras.Model,
        fold: bool,
        flatten: bool,
        keep: tuple[type[keras.Layer], ...],
        outer: Conversion | None = None,
    ):
        self._fold = fold
        self._flatten = flatten
        self._keep = keep
        self._folded: dict[int, Affine] = {}
        self._gone: set[int] = set()
        self._twins: dict[int, object] = {}
        self._calls: Counter[int] = Counter()
        self._graph = Graph(model)
        self._taken: set[str] = set() if outer is None else outer._taken
        prefix = "" if outer is None else f"{outer._names[id(model)]}_"
        self._names = {
            id(one): take_name(self._allowed(prefix + one.name), self._taken)
            for one in self._graph.model.operations
        }
        if fold:
            for before, after, shape in self._graph.chains():
                misread = misreads_bias(getattr(before, "data_format", None), shape)
                if is_normalization(after) and takes_in(before, after) and not misread:
                    self._folded[id(before)] = affine(after)
                    self._gone.add(id(after))

    def _allowed(self, name: str) -> str:
        """The name, as TensorFlow takes it where it has to: letters, digits and a few signs."""
        return re.sub(r"[^A-Za-z0-9_./>-]|^[^A-Za-z0-9.]", "_", name) if self._flatten else name

    def model(self, scale: float | None = None) -> keras.Model:
        """The new model, for inputs to be multiplied by a scale first."""
        if scale is not None and not (_is_number(scale) and math.isfinite(scale)):
            raise ValueError(f"scale={scale!r} has to be a finite number, e.g. 1/255, or None.")
        return self._graph.rebuilt(self._follow, scale, self._allowed)

    def follow(self, inputs):
        """The outputs for inputs, without a model around them."""
        return self._graph.run(inputs, self._follow)

    def _follow(self, operation: keras.Operation):
        """What to call in the place of an operation."""
        if id(operation) in self._gone:
            return lambda inputs, **rest: inputs
        if not isinstance(operation, keras.Layer):
            check_stock(operation)
            return operation
        kept = isinstance(operation, self._keep)
        if not kept and (rule := find_rule(operation)) is not None:
            # Of what else a call may have, masks and training, nothing matters at inference.
            return lambda inputs, **rest: self._translated(operation, rule, inputs, **rest)
        if id(operation) not in self._twins:
            self._twins[id(operation)] = self._twin(operation)
        return self._twins[id(operation)]

    def _translated(self, layer: keras.Layer, rule: Rule, inputs, training=None, **_):
        """Stock layers in the place of one; a layer that is called again gets others."""
        _check_training(layer, training)
        self._calls[id(layer)] += 1
        call, name = self._calls[id(layer)], self._names[id(layer)]
        if call > 1:
            name = take_name(f"{name}_call{call}", self._taken)
        writer = Writer(layer, name, self._folded.get(id(layer)), self._taken)
        return rule(writer, writer.floats(inputs))

    def _twin(self, operation: keras.Layer):
        """A layer of Keras like the given one, or the plain form of a model inside the model."""
        if isinstance(operation, VariationalAutoencoder):
            operation = _reconstruction(operation)
        if is_graph(operation):
            outer = self if self._flatten else None
            inner = Conversion(operation, self._fold, self._flatten, self._keep, outer)
            plain = None if self._flatten else inner.model()

            def follow(inputs, training=None, **rest):
                _check_training(operation, training)
                return inner.follow(inputs) if plain is None else plain(inputs, **rest)

            return follow
        if not isinstance(operation, self._keep):
            check_stock(operation)
        change = self._folded.get(id(operation))
        config = {**operation.get_config(), "name": self._names[id(operation)]}
        if change is not None:
            config["use_bias"] = True
        twin = type(operation).from_config(config)
        if isinstance(operation, self._keep):
            twin.checks_maps = False  # stock convolutions of laid-out kernels are right before it

        def call(*args, **kwargs):
            outputs = twin(*args, **kwargs)  # which builds it
            _copy_weights(operation, twin, change)
            return outputs

        return call


def _check_training(layer: keras.Layer, training: bool | None) -> None:
    """Raises a `ValueError` if the graph calls a layer as in training, whatever it is used for."""
    if training:
        raise ValueError(
            f"{type(layer).__name__} {layer.name!r} is called with training=True, and its plain "
            "form computes what it does at inference. Leave `training` out of the call."
        )


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _copy_weights(layer: keras.Layer, twin: keras.Layer, change: Affine | None) -> None:
    if change is None:
        copy_weights(layer, twin)
    else:
        kernel, *bias = layer.get_weights()
        bias = bias[0] if bias else None
        twin.set_weights(change.weights(kernel, bias, kernel_channels(layer)))
    if hasattr(twin, "finalize_state"):  # of layers that are adapted to data
        twin.finalize_state()


def _reconstruction(model: VariationalAutoencoder) -> keras.Model:
    """The graph from images to what the autoencoder finds and draws at inference."""
    if model.turning is not None:
        raise ValueError(
            f"{model.name!r} turns what it draws, which no stock layer does. Convert model.encoder "
            "and model.decoder, and turn the image afterwards."
        )
    image = keras.Input(batch_shape=model.encoder.input.shape, name=model.encoder.input.name)
    found = model.encoder(image)
    logits = model.decoder(found["mean"])
    return keras.Model(image, {"logits": logits, **found}, name=model.name)
