"""Adds new layers to a model in place of a layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_gcnn.rewriting.copies import copy_weights
from keras_gcnn.types import Tensor


def take_name(name: str, taken: set[str]) -> str:
    """Returns the name, with underscores added until it is free, and marks it as taken."""
    while name in taken:
        name += "_"
    taken.add(name)
    return name


class Translator:
    """Adds the layers that replace one call of a layer.

    Args:
        layer: the layer being translated.
        name: name of the layer that replaces it; the names of helper layers begin with it.
        change: what the new layers have to do in the end, because the layer that followed has been
            folded into this one; or None.
        taken: names of the other layers of the new model; new names are added to it.
    """

    def __init__(self, layer: keras.Layer, name: str, change: Any, taken: set[str]):
        self.layer = layer
        self.name = name
        self.change = change
        self.taken = taken

    def add(
        self,
        layer_class: type[keras.Layer],
        inputs: Tensor,
        *arguments: Any,
        part: str = "",
        weights: Sequence[np.ndarray] = (),
        **options: Any,
    ) -> Tensor:
        """Calls a new layer, gives it its weights and returns its outputs.

        Args:
            layer_class: class of the new layer.
            inputs: what to call it on.
            *arguments: positional arguments of the layer.
            part: suffix of the layer's name; empty for the layer that keeps the name.
            weights: arrays in the order of the layer's weights.
            **options: keyword arguments of the layer.
        """
        return self._place(
            self._create(layer_class, *arguments, part=part, **options), inputs, weights
        )

    def _create(
        self, layer_class: type[keras.Layer], *arguments: Any, part: str, **options: Any
    ) -> keras.Layer:
        name = self.free(f"{self.name}_{part}") if part else self.name
        policy = getattr(self.layer, "dtype_policy", None)  # an operation has none
        options = {"dtype": policy, "name": name, **options}
        layer = layer_class(*arguments, **options)
        self.check(layer)
        return layer

    def _place(self, layer: keras.Layer, inputs: Tensor, weights: Sequence[np.ndarray]) -> Tensor:
        outputs = layer(inputs)
        if len(weights):
            layer.set_weights([np.asarray(array) for array in weights])
        return outputs

    def add_copy(self, original: keras.Layer, inputs: Tensor, part: str, **changes: Any) -> Tensor:
        """Calls a copy of a layer that the translated layer holds; quantization and LoRA stay.

        Args:
            original: the layer to copy.
            inputs: what to call the copy on.
            part: suffix of the copy's name.
            **changes: entries of its configuration that change.
        """
        name = self.free(f"{self.name}_{part}")
        layer = type(original).from_config({**original.get_config(), "name": name, **changes})
        self.check(layer)
        outputs = layer(inputs)
        copy_weights(original, layer)
        return outputs

    def within(self, layer: keras.Layer) -> Translator:
        """Returns a translator that adds what replaces another layer, such as one in a wrapper."""
        return type(self)(layer, self.name, self.change, self.taken)

    def free(self, name: str) -> str:
        """Returns the name, or a similar one that no other layer has."""
        return take_name(name, self.taken)

    def prepare(self, inputs: Tensor) -> Tensor:
        """Returns the inputs as rules expect them; the engine calls it before each rule."""
        return inputs

    def check(self, layer: keras.Layer) -> None:
        """Raises a `ValueError` if a new layer may not be in the new model."""
