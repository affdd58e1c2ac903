"""Converts a trained network to one that computes the same outputs in less time."""

from __future__ import annotations

from collections.abc import Callable

import keras

from keras_gcnn.backend.common.parity import has_parity
from keras_gcnn.layers import FourierActivation, SteerableAveragePooling2D
from keras_gcnn.layers.common.stock_convolution import InferenceConv2D
from keras_gcnn.rewriting.engine import rewrite
from keras_gcnn.rewriting.folding import LINEAR
from keras_gcnn.rewriting.plain.conversion import PlainBook
from keras_gcnn.rewriting.rule_book import RuleBook
from keras_gcnn.types import Shape

# Layers that take fewer passes over the map than the stock layers that replace them.
_KEPT = (FourierActivation, SteerableAveragePooling2D)
_POINTWISE = {
    keras.layers.ReLU: keras.activations.relu,
    keras.layers.ELU: keras.activations.elu,
}
_NO_EFFECT = ("name", "dtype", "trainable")  # config entries that do not affect the function


def for_inference(model: keras.Model, *, scale: float | None = None) -> keras.Model:
    """Converts a network to one with the same outputs that takes less time on the backend in use.

    Kernels are expanded once rather than in each call, and batch normalisations and activations are
    folded into the convolutions before them. Unlike the result of `to_plain`, the new network needs
    this library, whose convolutions are faster on JAX and PyTorch than Keras's.

    Args:
        model: functional or sequential model of this library's layers and stock layers, or an
            autoencoder of `zoo.vae`. It may hold other models. It is not changed.
        scale: float by which the inputs are multiplied first, e.g. 1/255 for pixels of 8 bits.

    Returns:
        A functional `keras.Model` that shares no weights with the given one. It can be saved and
        loaded like any other, and is not meant to be trained.

    Raises:
        TypeError, ValueError: as `to_plain`.

    Example:

    >>> import keras_gcnn, numpy as np
    >>> network = keras_gcnn.zoo.lenet("p4", widths=(2, 3))
    >>> images = np.zeros((1, 28, 28, 1))
    >>> keras_gcnn.export.for_inference(network).predict(images, verbose=0).shape
    (1, 10)
    """
    # Flat, so that activations behind a model are folded into the last convolution inside it.
    plain = rewrite(model, PlainBook(kept=_KEPT), flatten=True, scale=scale)
    return rewrite(plain, inference_rules)


class InferenceBook(RuleBook):
    """The rules that replace stock convolutions by faster ones and fold activations into them.

    Other layers are not copied: the model that this book rewrites is thrown away.
    """

    def twin(self, layer: keras.Layer, name: str, change: Callable | None) -> keras.Layer:
        """Returns the layer itself unless there is a rule for it."""
        return super().twin(layer, name, change) if self.has_twin_rule(layer) else layer

    def fold(
        self, layer: keras.Operation, following: keras.Operation, shape: Shape
    ) -> Callable | None:
        """Returns the activation that can be folded into a convolution."""
        if not _is_full_convolution(layer) or layer.activation not in LINEAR:
            return None
        activation = _pointwise_activation(following)
        if activation is None or layer.compute_dtype != following.compute_dtype:
            return None
        return activation


inference_rules = InferenceBook()


@inference_rules.twin_rule(keras.layers.Conv2D)
def convolution(
    layer: keras.layers.Conv2D, name: str, activation: Callable | None
) -> keras.layers.Conv2D:
    """Returns the same convolution as this library computes it, with the folded activation."""
    if not _is_full_convolution(layer):
        return layer
    config = layer.get_config()
    if activation is not None:
        config["activation"] = keras.activations.serialize(activation)
    channels = getattr(layer, "channels_were", None)
    # A normalisation that is not equivariant, folded into the kernel, takes its parity away.
    if channels is not None and has_parity(keras.ops.convert_to_numpy(layer.kernel), channels):
        config["channels"] = channels
    return InferenceConv2D.from_config(config)


def _is_full_convolution(operation: keras.Operation) -> bool:
    """Whether a layer is a convolution of all channels, neither quantized nor with LoRA."""
    full = type(operation) is keras.layers.Conv2D and operation.groups == 1
    return full and len(operation.weights) <= 2


def _pointwise_activation(layer: keras.Operation) -> Callable | None:
    """Returns the function that a layer applies to every number if a convolution can apply it."""
    if type(layer) is keras.layers.Activation:
        # Others, such as softmax, may look at the whole map and at its axes.
        return layer.activation if layer.activation in _POINTWISE.values() else None
    function = _POINTWISE.get(type(layer))
    if function is None:
        return None
    config, default = layer.get_config(), type(layer)().get_config()
    same = all(config[name] == default[name] for name in default if name not in _NO_EFFECT)
    return function if same else None
