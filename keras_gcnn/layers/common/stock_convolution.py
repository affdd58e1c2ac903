"""Keras's convolutions, computed like the convolutions of this library.

On a CPU the stock layers fail on TensorFlow with channels first, and on PyTorch in the gradient
with one output channel: for a batch of one image, and in some precisions for every batch. The zoo
and `keras_gcnn.rewriting` build networks from the layers of this module. Importing `keras_gcnn`
registers them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_gcnn import groups
from keras_gcnn.backend.ops import activate, convolve, convolve_transposed
from keras_gcnn.groups.fields import Fields
from keras_gcnn.groups.group import Group
from keras_gcnn.types import Tensor


class _Expanded:
    """Mixin that gives a stock layer the methods of this library's convolutions."""

    kernel: Tensor
    bias: Tensor | None

    def expanded_kernel(self) -> np.ndarray:
        """Returns the kernel of the layer."""
        return keras.ops.convert_to_numpy(self.kernel)

    def expanded_bias(self) -> np.ndarray | None:
        """Returns the bias of the layer; None without one."""
        return None if self.bias is None else keras.ops.convert_to_numpy(self.bias)


# Weight files address a layer by the name of its class. These classes have the names of their
# parents, so that a network with either of them loads the files of the other.
@keras.saving.register_keras_serializable(package="keras_gcnn")
class Conv2D(_Expanded, keras.layers.Conv2D):
    """`keras.layers.Conv2D`, with the same arguments, weights, shapes and outputs."""

    _trained = True  # whether the choice of the algorithm counts the gradients
    _channels: tuple[Group | Fields, Group | Fields] | None = None

    def convolution_op(self, inputs: Tensor, kernel: Tensor, bias: Tensor | None = None) -> Tensor:
        return convolve(
            inputs,
            keras.ops.convert_to_tensor(kernel),
            self.strides,
            self.padding,
            self.data_format,
            self.dilation_rate,
            bias=None if bias is None else keras.ops.convert_to_tensor(bias),
            trained=self._trained,
            channels=self._channels,
        )

    def call(self, inputs: Tensor) -> Tensor:
        outputs = self.convolution_op(inputs, self.kernel, self.bias)
        return activate(outputs, self.activation)


@keras.saving.register_keras_serializable(package="keras_gcnn")
class InferenceConv2D(Conv2D):
    """`keras.layers.Conv2D` for networks that are not trained any more.

    It chooses the fastest algorithm for the forward pass alone. `keras_gcnn.export.for_inference`
    builds networks from it.

    Args:
        *arguments: those of `keras.layers.Conv2D`.
        channels: groups or fields of input and output, or their names and `Fields.as_json`, if the
            kernel is equivariant; else None.
        **options: those of `keras.layers.Conv2D`.
    """

    _trained = False

    def __init__(
        self,
        *arguments: Any,
        channels: Sequence[Group | Fields | str | dict] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(*arguments, **options)
        if channels is not None:
            before, after = channels
            self._channels = _known(before), _known(after)

    def get_config(self) -> dict:
        channels = self._channels and [
            each.as_json() if isinstance(each, Fields) else each.name for each in self._channels
        ]
        return {**super().get_config(), "channels": channels}


def _known(channels: Group | Fields | str | dict) -> Group | Fields:
    """The group or fields; a configuration has the name of a group, or fields as a dict."""
    return groups.get(channels) if isinstance(channels, Group | str) else Fields.of(channels)


@keras.saving.register_keras_serializable(package="keras_gcnn")
class Conv2DTranspose(_Expanded, keras.layers.Conv2DTranspose):
    """`keras.layers.Conv2DTranspose`, with the same arguments, weights, shapes and outputs."""

    def call(self, inputs: Tensor) -> Tensor:
        outputs = convolve_transposed(
            inputs,
            keras.ops.convert_to_tensor(self.kernel),
            self.strides,
            self.padding,
            self.output_padding,
            self.data_format,
            self.dilation_rate,
        )
        if self.bias is not None:
            shape = (1, -1, 1, 1) if self.data_format == "channels_first" else (1, 1, 1, -1)
            outputs = outputs + keras.ops.reshape(self.bias, shape)
        return outputs if self.activation is None else self.activation(outputs)
