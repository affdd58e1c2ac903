"""A trained network in the form that computes its outputs in the shortest time."""

from __future__ import annotations

import keras

from keras_gcnn.layers import FourierActivation, SteerableAveragePooling2D
from keras_gcnn.layers.common.stock_convolution import InferenceConv2D
from keras_gcnn.rewriting.folding import LINEAR
from keras_gcnn.rewriting.graph import Graph
from keras_gcnn.rewriting.plain import converted

# What it computes in fewer passes than stock layers do.
_KEPT = (FourierActivation, SteerableAveragePooling2D)
_POINTWISE = {
    keras.layers.ReLU: keras.activations.relu,
    keras.layers.ELU: keras.activations.elu,
}
_ANY = ("name", "dtype", "trainable")  # entries of a layer's configuration that do not say what


def for_inference(model: keras.Model, *, scale: float | None = None) -> keras.Model:
    """A network with the same outputs that takes less time for them, on the backend in use.

    Kernels are laid out once instead of in every call, batch normalisations are taken into the
    convolutions before them, and so are activations. Unlike `to_plain` it needs this library,
    whose convolutions take less time on JAX and PyTorch than Keras's.

    Args:
        model: functional or sequential model of this library's layers and stock ones, models inside
            it included, or an autoencoder of `zoo.vae`. It is left as it is.
        scale: float by which the inputs are multiplied first, e.g. 1/255 for pixels of 8 bits.

    Returns:
        A functional `keras.Model` that shares no weights with the given one. It is saved and loaded
        as any, and is not meant to be trained.

    Raises:
        TypeError, ValueError: as `to_plain`.

    Example:

    >>> import keras_gcnn, numpy as np
    >>> network = keras_gcnn.zoo.lenet("p4", widths=(2, 3))
    >>> images = np.zeros((1, 28, 28, 1))
    >>> keras_gcnn.export.for_inference(network).predict(images, verbose=0).shape
    (1, 10)
    """
    # Of models inside the model a convolution may be followed by what is outside.
    graph = Graph(converted(model, fold=True, flatten=True, keep=_KEPT).model(scale))
    activations, gone = {}, set()
    for before, after, _ in graph.chains():
        activation = _activation(after)
        if activation is not None and _takes_in(before, after):
            activations[id(before)] = activation
            gone.add(id(after))
    found: dict[int, keras.Layer] = {}

    def follow(operation: keras.Operation):
        if id(operation) in gone:
            return lambda inputs, **rest: inputs
        if not _is_convolution(operation):
            return operation
        if id(operation) not in found:
            found[id(operation)] = _convolution(operation, activations.get(id(operation)))
        return found[id(operation)]

    return graph.rebuilt(follow)


def _is_convolution(operation: keras.Operation) -> bool:
    """Whether it is a convolution of all channels with all, of numbers as they are."""
    plain = type(operation) is keras.layers.Conv2D and operation.groups == 1
    return plain and len(operation.weights) <= 2  # quantized, or with more beside them


def _takes_in(before: keras.Operation, after: keras.Layer) -> bool:
    return (
        _is_convolution(before)
        and before.activation in LINEAR
        and before.compute_dtype == after.compute_dtype
    )


def _activation(layer: keras.Operation):
    """The function that a layer applies to every number, if it is one for a convolution."""
    if type(layer) is keras.layers.Activation:
        # Others may look at the whole map, as a softmax does, and at its axes.
        return layer.activation if layer.activation in _POINTWISE.values() else None
    function = _POINTWISE.get(type(layer))
    if function is None:
        return None
    given, default = layer.get_config(), type(layer)().get_config()
    same = all(given[name] == default[name] for name in default if name not in _ANY)
    return function if same else None


def _convolution(layer: keras.layers.Conv2D, activation) -> InferenceConv2D:
    """The same convolution, with an activation if it has none."""
    config = layer.get_config()
    if activation is not None:
        config["activation"] = keras.activations.serialize(activation)
    twin = InferenceConv2D.from_config(config)
    twin.build_from_config(layer.get_build_config())
    twin.set_weights(layer.get_weights())
    return twin
