"""What the backends do differently."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops


def constant(array: np.ndarray):
    """A NumPy array as `keras.ops` takes it.

    `torch.compile` does not follow Keras into the types of an array and would compile the layer in
    pieces, in one of which it then fails.
    """
    if keras.backend.backend() != "torch":
        return array
    import torch

    return torch.from_numpy(array)


def convolve(inputs, kernel, strides, padding, data_format, dilation_rate):
    """The backend's own convolution.

    TensorFlow on a CPU has no complete set of channels-first kernels (float64 and every gradient
    in float64 are missing), so there the tensor is turned around it.
    """
    around = (
        data_format == "channels_first"
        and keras.backend.backend() == "tensorflow"
        and not keras.distribution.list_devices("gpu")
    )
    if around:
        inputs = ops.transpose(inputs, (0, 2, 3, 1))
    outputs = ops.conv(
        inputs,
        kernel,
        strides=strides,
        padding=padding,
        data_format="channels_last" if around else data_format,
        dilation_rate=dilation_rate,
    )
    return ops.transpose(outputs, (0, 3, 1, 2)) if around else outputs
