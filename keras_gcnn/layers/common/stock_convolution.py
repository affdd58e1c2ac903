"""Keras's convolutions, computed as the layers of this library are.

On a CPU the stock ones fail on TensorFlow where channels come first, and on PyTorch in the gradient
of a batch of one image, in some precisions of every batch, where there is one output channel.
"""

from __future__ import annotations

import keras
import numpy as np

from keras_gcnn.backend.ops import activate, convolve, convolve_transposed


class _Expanded:
    """Names the weights of a stock layer as the layers of this library do."""

    def expanded_kernel(self) -> np.ndarray:
        """The kernel of the layer as an array."""
        return keras.ops.convert_to_numpy(self.kernel)

    def expanded_bias(self) -> np.ndarray | None:
        """The bias of the layer as an array; None without one."""
        return None if self.bias is None else keras.ops.convert_to_numpy(self.bias)


# Files of weights address a layer by the name of its class, so these have the names of their
# parents: whichever of the two a network holds, it loads the files of the other.
@keras.saving.register_keras_serializable(package="keras_gcnn")
class Conv2D(_Expanded, keras.layers.Conv2D):
    """`keras.layers.Conv2D` with the arguments, weights, shapes and outputs of that layer."""

    _trained = True  # whether the way to compute it is chosen for its gradients too

    def convolution_op(self, inputs, kernel, bias=None):
        return convolve(
            inputs,
            keras.ops.convert_to_tensor(kernel),
            self.strides,
            self.padding,
            self.data_format,
            self.dilation_rate,
            bias=None if bias is None else keras.ops.convert_to_tensor(bias),
            trained=self._trained,
        )

    def call(self, inputs):
        outputs = self.convolution_op(inputs, self.kernel, self.bias)
        return activate(outputs, self.activation)


@keras.saving.register_keras_serializable(package="keras_gcnn")
class Conv2DTranspose(_Expanded, keras.layers.Conv2DTranspose):
    """`keras.layers.Conv2DTranspose`, likewise."""

    def call(self, inputs):
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
