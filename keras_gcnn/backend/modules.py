"""The first call of a module, which makes the weights of its layers."""

from __future__ import annotations

from collections.abc import Callable

import keras

from keras_gcnn.backend.ops import on
from keras_gcnn.types import Tensor

if on("torch"):
    from keras_gcnn.backend.torch import modules as torch_modules


def call_first(module: Callable, inputs: Tensor) -> None:
    """Calls a module in inference, so that its layers make their weights.

    Args:
        module: `torch.nn.Module`, a Keras layer or model, or a function that calls layers.
        inputs: inputs of the call.

    Raises:
        ValueError: on PyTorch if the call does not reach a layer of the module.
    """
    if on("torch") and torch_modules.supports(module, inputs):
        torch_modules.call_first(module, inputs)
    elif isinstance(module, keras.Layer):
        module(inputs, training=False)
    else:
        module(inputs)
