"""How each layer is said in layers of Keras; `rule` marks the functions that know."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_gcnn.rewriting.copies import copy_weights
from keras_gcnn.rewriting.folding import LINEAR, Affine
from keras_gcnn.rewriting.stock_check import check_stock

Rule = Callable[["Writer", Any], Any]
_RULES: dict[type, Rule] = {}


def rule(*kinds: type) -> Callable[[Rule], Rule]:
    """Marks a function `(writer, inputs) -> outputs` as the translation of classes of layers."""

    def mark(function: Rule) -> Rule:
        _RULES.update(dict.fromkeys(kinds, function))
        return function

    return mark


def find_rule(layer: keras.Layer) -> Rule | None:
    """The translation of a layer; a subclass may compute something else and has none."""
    return _RULES.get(type(layer))


def misreads_bias(data_format: str | None, shape: tuple[int | None, ...]) -> bool:
    """Whether Keras on TensorFlow adds the bias of a convolution along the wrong axis.

    It does if there are as many channels, which come first, as columns (keras 3.15, `ops.add`); of
    a size that is not known there may be.
    """
    return data_format == "channels_first" and len(shape) == 4 and shape[3] in (None, shape[1])


def take_name(name: str, taken: set[str]) -> str:
    """The name, or one like it that is not taken yet; it then is."""
    while name in taken:
        name += "_"
    taken.add(name)
    return name


class Writer:
    """Adds stock layers in the place of one layer.

    Args:
        layer: the layer to be said otherwise.
        name: of the layer that stands for it; helpers get names that begin so.
        change: what a linear layer has to do to its channels in the end, or None.
        taken: names that other layers have; those of new ones are added.
    """

    def __init__(self, layer: keras.Layer, name: str, change: Affine | None, taken: set[str]):
        self.layer = layer
        self.name = name
        self.change = change
        self.taken = taken

    def add(self, kind: type[keras.Layer], inputs, *arguments, part: str = "", weights=(), **rest):
        """Calls a new layer and gives it its weights.

        Args:
            kind: class of the layer.
            inputs: what to call it on.
            *arguments: of the layer.
            part: what it does, if it is not the one that keeps the name.
            weights: arrays, in the order of the layer's own.
            **rest: further arguments of the layer.
        """
        if isinstance(rest.get("activation"), keras.Layer):
            raise ValueError(
                f"{self.layer.name!r} has a layer as its activation. Put it behind "
                f"{self.layer.name!r} as a layer of its own, or give the name of a function."
            )
        name = self.free(f"{self.name}_{part}") if part else self.name
        layer = kind(*arguments, **{"dtype": self.layer.dtype_policy, "name": name, **rest})
        check_stock(layer)  # an activation may come from elsewhere
        form = getattr(layer, "data_format", None)
        if len(weights) == 2 and misreads_bias(form, layer.compute_output_shape(inputs.shape)):
            return self._add_apart(kind, inputs, *arguments, part=part, weights=weights, **rest)
        outputs = layer(inputs)
        if len(weights):
            layer.set_weights([np.asarray(one) for one in weights])
        return outputs

    def like(self, original: keras.Layer, inputs, part: str, **changes):
        """Calls a new layer like one of Keras inside the layer, quantized or with LoRA as that is.

        Args:
            original: the layer inside.
            inputs: what to call it on.
            part: what it does.
            **changes: of its configuration.
        """
        name = self.free(f"{self.name}_{part}")
        layer = type(original).from_config({**original.get_config(), "name": name, **changes})
        check_stock(layer)
        outputs = layer(inputs)
        copy_weights(original, layer)
        return outputs

    def free(self, name: str) -> str:
        """The name, or one like it that no other layer has."""
        return take_name(name, self.taken)

    def floats(self, inputs):
        """The inputs as the layer casts them itself, where they are integers."""
        tensors = keras.tree.flatten(inputs)
        if not any(keras.backend.is_int_dtype(one.dtype) for one in tensors):
            return inputs
        cast = [self.add(keras.layers.Rescaling, one, 1.0, part="floats") for one in tensors]
        return keras.tree.pack_sequence_as(inputs, cast)

    def _add_apart(self, kind, inputs, *arguments, part, weights, activation=None, **rest):
        """A convolution, its bias and its activation one after the other."""
        kernel, bias = weights
        prefix, rest["use_bias"] = f"{part}_" if part else "", False
        x = self.add(kind, inputs, *arguments, part=f"{prefix}product", weights=[kernel], **rest)
        last = part if activation in LINEAR else f"{prefix}sum"
        x = self.add(keras.layers.Rescaling, x, 1.0, bias[:, None, None].tolist(), part=last)
        return x if last == part else self.add(keras.layers.Activation, x, activation, part=part)

    def linear(self, kind, inputs, *arguments, kernel, bias, channels=(-1,), **rest):
        """Likewise for a linear layer, which does to its channels what is to be done in the end.

        Args:
            kind: class of the layer.
            inputs: what to call it on.
            *arguments: of the layer.
            kernel: array.
            bias: array or None.
            channels: axes of the kernel along which the output channels are laid out.
            **rest: further arguments of the layer.
        """
        weights = [kernel] if bias is None else [kernel, bias]
        if self.change is not None:
            weights = self.change.weights(kernel, bias, channels)
        rest["use_bias"] = len(weights) > 1
        return self.add(kind, inputs, *arguments, weights=weights, **rest)

    def mix(self, inputs, matrix: np.ndarray, part: str = "", bias=None, activation=None):
        """Multiplies every fibre of channels by a matrix of shape (channels, new channels)."""
        weights = [matrix] if bias is None else [matrix, bias]
        form = {"use_bias": bias is not None, "activation": activation, "part": part}
        if len(inputs.shape) == 4:
            weights[0] = matrix[None, None]
            layout = self.layer.data_format
            convolution = keras.layers.Conv2D
            return self.add(
                convolution, inputs, matrix.shape[1], 1, data_format=layout, weights=weights, **form
            )
        if not self.first or len(inputs.shape) == 2:
            return self.add(keras.layers.Dense, inputs, matrix.shape[1], weights=weights, **form)
        last = self.channels_last(inputs, f"{part}last")
        form["part"] = f"{part}mixed"
        mixed = self.add(keras.layers.Dense, last, matrix.shape[1], weights=weights, **form)
        return self.channels_back(mixed, part)

    @property
    def first(self) -> bool:
        """Whether channels come first."""
        return self.layer.data_format == "channels_first"

    def channels_last(self, tensor, part: str):
        """The tensor with the channels moved to the end, if they are not there."""
        rank = len(tensor.shape)
        if not self.first or rank == 2:
            return tensor
        return self.add(keras.layers.Permute, tensor, (*range(2, rank), 1), part=part)

    def channels_back(self, tensor, part: str = ""):
        """The inverse of `channels_last`."""
        rank = len(tensor.shape)
        if not self.first or rank == 2:
            return tensor
        return self.add(keras.layers.Permute, tensor, (rank - 1, *range(1, rank - 1)), part=part)

    def every(self, tensor, step: int) -> list:
        """The channels that begin at 0, at 1, ... below the step, each with those every step on."""
        axis = self.layer.channel_axis % len(tensor.shape)
        before = (slice(None),) * axis
        return [tensor[(*before, slice(start, None, step))] for start in range(step)]

    def named(self, tensor):
        """The tensor, as the output of a layer that has the name."""
        return self.add(keras.layers.Activation, tensor, "linear")
