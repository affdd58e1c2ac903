"""A stock convolution in fewer passes over the map, for networks that are not trained any more."""

from __future__ import annotations

import keras
import numpy as np

from keras_gcnn.layers.backend import convolve


@keras.saving.register_keras_serializable(package="keras_gcnn")
class InferenceConv2D(keras.layers.Conv2D):
    """`keras.layers.Conv2D`, computed as the layers of this library are.

    `keras_gcnn.export.for_inference` puts it into networks. Arguments, weights, shapes and outputs
    are those of the stock layer, of which it is a subclass.
    """

    def expanded_kernel(self) -> np.ndarray:
        """The kernel, by the name that it has of the layers of this library."""
        return keras.ops.convert_to_numpy(self.kernel)

    def expanded_bias(self) -> np.ndarray | None:
        """Likewise the bias; None without one."""
        return None if self.bias is None else keras.ops.convert_to_numpy(self.bias)

    def convolution_op(self, inputs, kernel):
        return convolve(
            inputs,
            keras.ops.convert_to_tensor(kernel),
            self.strides,
            self.padding,
            self.data_format,
            self.dilation_rate,
            trained=False,
        )

    def call(self, inputs):
        if keras.backend.backend() != "torch":
            return super().call(inputs)
        from keras_gcnn.layers import torch_convolution

        outputs = torch_convolution.convolve(
            inputs,
            keras.ops.convert_to_tensor(self.kernel),
            self.strides,
            self.padding,
            self.data_format,
            self.dilation_rate,
            bias=None if self.bias is None else keras.ops.convert_to_tensor(self.bias),
        )
        return torch_convolution.activate(outputs, self.activation)
