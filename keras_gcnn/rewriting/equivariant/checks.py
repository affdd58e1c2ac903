"""What `convert` refuses in a layer, whatever its class is, so that nothing is silently inexact."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from keras_gcnn.rewriting.equivariant.pointwise import treats_all_alike
from keras_gcnn.rewriting.equivariant.roles import Role, has_positions

if TYPE_CHECKING:
    from keras_gcnn.rewriting.equivariant.translator import GroupTranslator


def check_weights(translator: GroupTranslator) -> None:
    """Raises a `ValueError` for a layer whose weights belong to a training that is over."""
    layer = translator.layer
    if getattr(layer, "quantization_mode", None) or getattr(layer, "lora_enabled", False):
        raise translator.fail(
            "is quantized or has LoRA weights, and the new network is trained anew",
            "Convert the model before quantize or enable_lora, or keep its weights by "
            "keras_gcnn.symmetrize.",
        )


def check_call(translator: GroupTranslator, args: tuple, kwargs: dict[str, Any]) -> None:
    """Raises a `ValueError` if a layer on maps treats rows, columns or channels differently."""
    operation = translator.layer
    data_format = getattr(operation, "data_format", None)
    # Flatten moves the channels only, and what reads it has a kernel of the whole map.
    if data_format not in (None, translator.book.data_format) and not isinstance(
        operation, keras.layers.Flatten
    ):
        raise translator.fail(
            f"has data_format={data_format!r}, and other layers {translator.book.data_format!r}",
            "Use one data format in the whole model.",
        )
    _check_activation(translator, args)
    for given in (*args, *kwargs.values()):
        _check_constants(translator, given, args)


def check_positions(translator: GroupTranslator) -> None:
    """Raises a `ValueError` for a layer that makes a map of numbers without positions."""
    _, after = translator.plain_shapes()
    if not isinstance(after, tuple) or not has_positions(after, translator.channel_axis):
        return
    raise translator.fail(
        f"makes a map of shape {after[1:]} of numbers that have no rows and columns, so that the "
        "map cannot rotate with the image",
        "Keep maps in rows, columns and channels; for autoencoders see keras_gcnn.zoo, or use "
        "keras_gcnn.symmetrize, which takes any model.",
    )


def _check_activation(translator: GroupTranslator, args: tuple) -> None:
    """Tries an activation on a map; Keras's softmax acts along the columns of channels first."""
    activation = getattr(translator.layer, "activation", None)
    if not callable(activation) or activation is keras.activations.linear:
        return
    sizes = (4, 4, 8)[: _rank(args) - 1]
    if not treats_all_alike(activation, sizes, translator.channel_axis):
        name = getattr(activation, "__name__", type(activation).__name__)
        raise translator.fail(
            f"has the activation {name!r}, which does not treat all channels and positions alike",
            "Use one that acts on every number by itself, such as relu, or softmax along the "
            "channels with the data format channels_last.",
        )


def _check_constants(translator: GroupTranslator, given: Any, args: tuple) -> None:
    """Raises a `ValueError` for an array whose numbers differ where the map moves."""
    leaves = keras.tree.flatten(given)
    if any(isinstance(leaf, keras.KerasTensor) for leaf in leaves):
        arrays = [leaf for leaf in leaves if not isinstance(leaf, keras.KerasTensor)]
    else:
        arrays = [given]
    tensors = [each for each in keras.tree.flatten(args) if isinstance(each, keras.KerasTensor)]
    on_group = any(translator.role(each) is Role.ON_GROUP for each in tensors)
    rank = _rank(args)
    for array in arrays:
        shape = _shape_of(array)
        aligned = (1,) * (rank - len(shape)) + shape
        # Of other ranks no axis is known to be that of the channels.
        channel_axis = {2: 1, 4: translator.channel_axis % 4}.get(rank)
        moving = [
            size
            for axis, size in enumerate(aligned)
            if size > 1 and (axis != channel_axis or on_group)
        ]
        if moving:
            raise translator.fail(
                f"joins a map and an array of shape {shape}, whose numbers do not rotate with the "
                "image",
                "Use one number, or an array with a number for each channel of the image.",
            )


def _rank(args: tuple) -> int:
    """Returns the largest number of axes of the tensors among some arguments."""
    leaves = keras.tree.flatten(args)
    return max(
        (len(each.shape) for each in leaves if isinstance(each, keras.KerasTensor)), default=0
    )


def _shape_of(value: Any) -> tuple[int, ...]:
    """Returns the shape of an array, a tensor or numbers in lists; () for everything else."""
    if isinstance(value, list | tuple):
        value = np.asarray(value, dtype=object)
    return tuple(getattr(value, "shape", ()))
