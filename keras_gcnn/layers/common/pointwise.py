"""Which activations leave the meaning of a channel alone: checks for the layers that take one."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import keras

from keras_gcnn.types import Activation, Shape

# Activations of several values at once, along the last axis.
_JOINT = ("glu", "log_softmax", "softmax", "sparsemax")


def joint_axes(activation: Callable | None) -> tuple[int, ...]:
    """The axes along which an activation of Keras takes several values at once, as softmax does.

    There are none if it takes each value by itself. It may also be a layer, such as
    `keras.layers.Softmax(axis=1)`.
    """
    if isinstance(activation, keras.layers.Activation):
        return joint_axes(activation.activation)
    if isinstance(activation, keras.layers.Softmax):
        axes = activation.axis
        return tuple(axes) if isinstance(axes, list | tuple) else (axes,)
    return (-1,) if getattr(activation, "__name__", "") in _JOINT else ()


def _axes_to_check(activation: Activation | Mapping) -> tuple[int, ...]:
    """The `joint_axes` of what a user gives; those of a layer from a file, its configuration, pass.

    Version 0.2 did not look into layers, and its files shall load.
    """
    if isinstance(activation, Mapping):
        return ()
    return joint_axes(keras.activations.get(activation))


def on_maps(activation: Activation, channel_axis: int, ordinary: bool = False) -> Callable | None:
    """An activation of maps, by its name, or the callable itself; None for none.

    Args:
        activation: the name, a callable, or None.
        channel_axis: axis of the channels of the map.
        ordinary: whether the channels are ordinary ones, which may have a slope each.

    Raises:
        ValueError: if it acts along another axis than the channels, halves them, or has different
            slopes for positions, or for the channels of a field.
    """
    function = keras.activations.get(activation)
    name, problem = getattr(function, "__name__", ""), ""
    if name == "glu":
        problem = f"{name!r} acts along the last axis and halves it"
    elif any(axis % 4 != channel_axis % 4 for axis in _axes_to_check(activation)):
        problem = (
            f"{name!r} acts along the last axis, the columns of a channels-first map"
            if name
            else f"{activation!r} acts along other axes than {channel_axis}, that of the channels"
        )
    if problem:
        raise ValueError(
            f"activation={problem}"
            + ". Leave it out and put the layer of Keras after this one, with its axis."
        )
    if isinstance(function, keras.layers.PReLU):
        needed = {1, 2, 3} - ({channel_axis % 4} if ordinary else set())
        if not needed <= {axis % 4 for axis in function.shared_axes or ()}:
            raise ValueError(
                f"activation={activation!r} has different slopes for positions or for the channels "
                f"of a field. Give it shared_axes={sorted(needed)}, or leave it out and put GPReLU "
                "after a layer on a group."
            )
    return function


def build_activation(activation: Callable | None, input_shape: Shape) -> None:
    """Creates the weights of an activation that is a layer, such as `keras.layers.PReLU`.

    In its first call it would do so itself, but a symbolic model makes none: it would count fewer
    weights than it has, and refuse a file of them.
    """
    if isinstance(activation, keras.Layer) and not activation.built:
        activation.build(input_shape)


def pointwise(activation: Activation, argument: str = "activation") -> Callable:
    """An activation by its name, or the callable itself.

    Args:
        activation: the name, or a callable.
        argument: what the message calls it.

    Raises:
        ValueError: if the activation takes several values at once, or has a slope for each value.
    """
    function = keras.activations.get(activation)
    if _axes_to_check(activation):
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
