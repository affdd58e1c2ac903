"""Activations of one value at a time, which leave the meaning of a channel alone."""

from __future__ import annotations

from collections.abc import Callable

import keras

from keras_gcnn.types import Activation

# Activations of several values at once, along the last axis.
_JOINT = ("glu", "log_softmax", "softmax", "sparsemax")


def is_joint(activation: Callable | None) -> bool:
    """Whether an activation of Keras takes several values at once, such as softmax."""
    return getattr(activation, "__name__", "") in _JOINT


def pointwise(activation: Activation, argument: str = "activation") -> Callable:
    """An activation by its name, or the callable itself.

    Args:
        activation: the name, or a callable.
        argument: what the message calls it.

    Raises:
        ValueError: if the activation takes several values at once, or has a slope for each value.
    """
    function = keras.activations.get(activation)
    if is_joint(function):
        raise ValueError(
            f"{argument}={activation!r} takes several values at once, and would mix channels that "
            "turn. Use one that takes each value by itself, e.g. 'elu'."
        )
    if isinstance(function, keras.layers.PReLU):
        raise ValueError(
            f"{argument}={activation!r} has a different slope for every value. Use an activation "
            "with one slope for all, e.g. 'elu' or keras.layers.LeakyReLU(0.2)."
        )
    return function
