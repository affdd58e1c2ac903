"""Calls what is measured: layers, models, functions and modules of PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_gcnn.backend.stateless import without_trace
from keras_gcnn.types import Tensor


def function_of(target: Callable, training: bool = False) -> Callable[[np.ndarray], np.ndarray]:
    """Returns a function of arrays that calls the target and leaves its state unchanged.

    Raises:
        TypeError: if the target cannot be called.
        ValueError: for `training` where the target does not take it.
    """
    check_target(target)
    is_layer = isinstance(target, keras.Layer)
    if training and not is_layer:
        raise ValueError(
            f"training=True is for layers and models of Keras, and {name_of(target)} is none. Give "
            "a function that calls in training, such as lambda images: model(images, training="
            "True), or call module.train() first."
        )
    call: Callable = target
    if is_layer:
        call = without_trace(target)
    elif hasattr(target, "named_modules"):
        call = _module_without_trace(target)

    def evaluate(inputs: np.ndarray) -> np.ndarray:
        outputs = call(inputs, training=training) if is_layer else call(inputs)
        if isinstance(outputs, (list, tuple, dict)):
            key = next(iter(outputs), "") if isinstance(outputs, dict) else 0
            raise ValueError(
                f"{name_of(target)} has several outputs. Measure them one by one, e.g. by the "
                f"function lambda images: model(images)[{key!r}], and give input_shape."
            )
        return keras.ops.convert_to_numpy(outputs)

    return evaluate


def _module_without_trace(module: Any) -> Callable[[np.ndarray], Tensor]:
    """Makes a module of PyTorch a function of arrays that changes no state, such as statistics."""

    def state() -> dict[str, Any]:
        fixed = {name: one for name, one in module.named_parameters() if not one.requires_grad}
        return {**dict(module.named_buffers()), **fixed}

    def call(inputs: np.ndarray) -> Tensor:
        before = {name: tensor.detach().clone() for name, tensor in state().items()}
        try:
            return module(keras.ops.convert_to_tensor(inputs))
        finally:
            for name, tensor in state().items():
                if name in before:  # others were made by this call
                    tensor.detach().copy_(before[name])

    return call


def check_target(target: Callable) -> None:
    """Raises a `TypeError` unless it is a layer, a model or a function, and no class of them."""
    if not callable(target) or isinstance(target, type):
        raise TypeError(
            f"{target!r} is of type {type(target).__name__}. Give a layer, a model, or a function "
            "from a batch to a batch."
        )


def name_of(target: Callable) -> str:
    """Returns the name of a layer or model, or what a function prints as."""
    return str(getattr(target, "name", target))
