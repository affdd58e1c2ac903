"""Creation of the weights of layers before an optimizer asks for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras

from keras_gcnn.arguments import as_count
from keras_gcnn.backend.modules import call_first


def build_for(module: Callable, input_shape: Sequence[int]) -> Callable:
    """Creates all weights of the Keras layers in a module by calling it once on zeros.

    A Keras layer creates its weights in its first call; an optimizer that is made earlier silently
    holds none of them. On PyTorch the keys of `state_dict` contain the names of the layers, and
    automatic names count the layers of the process. Layers without weights and without a given
    name are therefore named after the attribute that holds them, so that a second instance has the
    same keys.

    Args:
        module: `torch.nn.Module` with Keras layers as attributes, a Keras layer or model, or a
            function that calls layers.
        input_shape: shape of one input, without the batch, e.g. `(1, 28, 28)`.

    Returns:
        The module itself. The call is an inference: moving statistics do not change, nor does the
        training mode of a PyTorch module.

    Raises:
        TypeError: if the module is a class, or cannot be called.
        ValueError: if the shape has unknown sizes, or if on PyTorch the call does not reach a layer
            of the module.

    Example:

    >>> from keras_gcnn import layers
    >>> layer = layers.build_for(layers.LiftingConv2D(2, 3), (9, 9, 1))
    >>> [tuple(weight.shape) for weight in layer.weights]
    [(1, 3, 3, 1, 2), (2,)]
    """
    if isinstance(module, type):
        raise TypeError(f"module is the class {module.__name__}. Give an instance of it.")
    if not callable(module):
        raise TypeError(
            f"module={module!r} cannot be called. Give a torch.nn.Module, a Keras layer or model, "
            "or a function of a batch."
        )
    known = isinstance(input_shape, list | tuple) and None not in map(as_count, input_shape)
    if not known or not input_shape:
        raise ValueError(
            f"input_shape={input_shape!r} has to be the shape of one input without the batch, as "
            "positive integers, e.g. (28, 28, 1)."
        )
    zeros = keras.ops.zeros((1, *map(int, input_shape)))
    call_first(module, zeros)
    return module
