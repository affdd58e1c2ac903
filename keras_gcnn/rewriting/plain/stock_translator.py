"""Adds stock layers of Keras in place of a layer of this library."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_gcnn.rewriting.folding import LINEAR, Affine
from keras_gcnn.rewriting.plain.stock_check import check_stock
from keras_gcnn.rewriting.translator import Translator
from keras_gcnn.types import Shape, Tensor


def misreads_bias(data_format: str | None, shape: Shape) -> bool:
    """Whether Keras on TensorFlow may add the bias of a convolution along the wrong axis.

    It does where channels come first and there are as many of them as columns (keras 3.15,
    `ops.add`); where the number of columns is unknown, they may be as many.
    """
    return data_format == "channels_first" and len(shape) == 4 and shape[3] in (None, shape[1])


class StockTranslator(Translator):
    """A translator whose new layers all belong to Keras.

    Attributes:
        filters: whether blurring is a filter rather than products of matrices.
    """

    change: Affine | None
    filters: bool = False

    def add(
        self,
        layer_class: type[keras.Layer],
        inputs: Tensor,
        *arguments: Any,
        part: str = "",
        weights: Sequence[np.ndarray] = (),
        **options: Any,
    ) -> Tensor:
        """Calls a new layer as `Translator.add` does, past an error of Keras with biases."""
        if isinstance(options.get("activation"), keras.Layer):
            raise ValueError(
                f"{self.layer.name!r} has a layer as its activation. Put it behind "
                f"{self.layer.name!r} as a layer of its own, or give the name of a function."
            )
        layer = self._create(layer_class, *arguments, part=part, **options)
        data_format = getattr(layer, "data_format", None)
        if len(weights) == 2 and misreads_bias(
            data_format, layer.compute_output_shape(inputs.shape)
        ):
            return self._add_apart(
                layer_class, inputs, *arguments, part=part, weights=weights, **options
            )
        return self._place(layer, inputs, weights)

    def _add_apart(
        self,
        layer_class: type[keras.Layer],
        inputs: Tensor,
        *arguments: Any,
        part: str,
        weights: Sequence[np.ndarray],
        activation: Any = None,
        **options: Any,
    ) -> Tensor:
        """Adds a convolution, its bias and its activation as separate layers."""
        kernel, bias = weights
        prefix, options["use_bias"] = f"{part}_" if part else "", False
        x = self.add(
            layer_class, inputs, *arguments, part=f"{prefix}product", weights=[kernel], **options
        )
        last = part if activation in LINEAR else f"{prefix}sum"
        x = self.add(keras.layers.Rescaling, x, 1.0, bias[:, None, None].tolist(), part=last)
        return x if last == part else self.add(keras.layers.Activation, x, activation, part=part)

    def check(self, layer: keras.Layer) -> None:
        """Raises a `ValueError` if a new layer holds an activation from elsewhere."""
        check_stock(layer)

    def prepare(self, inputs: Tensor) -> Tensor:
        """Returns the inputs as floats, since the translated layer casts integers itself."""
        tensors = keras.tree.flatten(inputs)
        if not any(keras.backend.is_int_dtype(tensor.dtype) for tensor in tensors):
            return inputs
        floats = [self.add(keras.layers.Rescaling, x, 1.0, part="floats") for x in tensors]
        return keras.tree.pack_sequence_as(inputs, floats)

    def add_linear(
        self,
        layer_class: type[keras.Layer],
        inputs: Tensor,
        *arguments: Any,
        kernel: np.ndarray,
        bias: np.ndarray | None,
        channels: tuple[int, ...] = (-1,),
        **options: Any,
    ) -> Tensor:
        """Calls a new linear layer that also applies `change` to its outputs.

        Args:
            layer_class: class of the layer.
            inputs: what to call it on.
            *arguments: positional arguments of the layer.
            kernel: its kernel without the change.
            bias: its bias without the change, or None.
            channels: axes of the kernel along which the output channels are laid out.
            **options: keyword arguments of the layer.
        """
        weights = [kernel] if bias is None else [kernel, bias]
        if self.change is not None:
            weights = self.change.weights(kernel, bias, channels)
        options["use_bias"] = len(weights) > 1
        return self.add(layer_class, inputs, *arguments, weights=weights, **options)

    def mix(
        self,
        inputs: Tensor,
        matrix: np.ndarray,
        part: str = "",
        bias: np.ndarray | None = None,
        activation: Any = None,
    ) -> Tensor:
        """Multiplies each fibre by a matrix of shape (channels, new channels)."""
        weights = [matrix] if bias is None else [matrix, bias]
        options: dict[str, Any] = {
            "use_bias": bias is not None,
            "activation": activation,
            "part": part,
        }
        width = matrix.shape[1]
        if len(inputs.shape) == 4:
            weights[0] = matrix[None, None]
            options["data_format"] = self.data_format
            return self.add(keras.layers.Conv2D, inputs, width, 1, weights=weights, **options)
        if not self.channels_first or len(inputs.shape) == 2:
            return self.add(keras.layers.Dense, inputs, width, weights=weights, **options)
        last = self.channels_to_end(inputs, f"{part}last")
        options["part"] = f"{part}mixed"
        mixed = self.add(keras.layers.Dense, last, width, weights=weights, **options)
        return self.channels_back(mixed, part)

    @property
    def channels_first(self) -> bool:
        """Whether the channels of the translated layer come first."""
        return self.layer.channel_axis == 1

    @property
    def data_format(self) -> str:
        """The data format of the translated layer, which may have an `axis` instead."""
        return "channels_first" if self.channels_first else "channels_last"

    def channels_to_end(self, tensor: Tensor, part: str) -> Tensor:
        """Returns the tensor with the channels as its last axis."""
        rank = len(tensor.shape)
        if not self.channels_first or rank == 2:
            return tensor
        return self.add(keras.layers.Permute, tensor, (*range(2, rank), 1), part=part)

    def channels_back(self, tensor: Tensor, part: str = "") -> Tensor:
        """Returns the tensor with the channels where the layer has them, from the last axis."""
        rank = len(tensor.shape)
        if not self.channels_first or rank == 2:
            return tensor
        return self.add(keras.layers.Permute, tensor, (rank - 1, *range(1, rank - 1)), part=part)

    def split_by_remainder(self, tensor: Tensor, step: int) -> list[Tensor]:
        """Returns one tensor for each remainder of the channel number modulo `step`."""
        axis = self.layer.channel_axis % len(tensor.shape)
        before = (slice(None),) * axis
        return [tensor[(*before, slice(start, None, step))] for start in range(step)]

    def name_output(self, tensor: Tensor) -> Tensor:
        """Returns the tensor as the output of a layer that has the name of the translated one."""
        return self.add(keras.layers.Activation, tensor, "linear")
