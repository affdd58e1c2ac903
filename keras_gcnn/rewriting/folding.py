"""Folds batch normalisations into the linear layers before them."""

from __future__ import annotations

from typing import NamedTuple

import keras
import numpy as np

from keras_gcnn.layers.common.shared_normalization import SharedBatchNormalization

LINEAR = (None, keras.activations.linear)

# Stock layers whose kernel and bias can take in what follows.
_LINEAR_LAYERS = (
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.Conv3D,
    keras.layers.Conv1DTranspose,
    keras.layers.Conv2DTranspose,
    keras.layers.Conv3DTranspose,
    keras.layers.DepthwiseConv2D,
    keras.layers.Dense,
)


class Affine(NamedTuple):
    """Scale and shift that a batch normalisation applies to each channel at inference."""

    scale: np.ndarray
    shift: np.ndarray

    def weights(
        self, kernel: np.ndarray, bias: np.ndarray | None, channels: tuple[int, ...] = (-1,)
    ) -> list[np.ndarray]:
        """Returns the kernel and bias of a linear layer that scales and shifts its outputs.

        Args:
            kernel: kernel of the layer without scale and shift.
            bias: its bias, or None.
            channels: axes of the kernel along which the output channels are laid out.
        """
        shape = np.ones(kernel.ndim, dtype=int)
        for axis in channels:
            shape[axis] = kernel.shape[axis]
        old_bias = 0 if bias is None else bias.astype("float64")
        return [kernel * self.scale.reshape(shape), old_bias * self.scale + self.shift]


def is_linear_stock_layer(layer: keras.Operation) -> bool:
    """Whether a stock layer has a kernel and at most a bias, and is neither quantized nor LoRA."""
    return type(layer) in _LINEAR_LAYERS and len(layer.weights) <= 2


def kernel_channels(layer: keras.Layer) -> tuple[int, ...]:
    """Axes of a stock layer's kernel along which its output channels are laid out."""
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        return (-2, -1)
    name = type(layer).__name__
    return (-2,) if name.endswith("Transpose") else (-1,)


def is_normalization(layer: keras.Operation) -> bool:
    """Whether a layer is a batch normalisation, either stock or shared among channels."""
    return isinstance(layer, SharedBatchNormalization) or (
        type(layer) is keras.layers.BatchNormalization and not getattr(layer, "renorm", False)
    )


def fits(layer: keras.Layer, normalization: keras.layers.BatchNormalization) -> bool:
    """Whether folding a normalisation into the linear layer before it is exact.

    The layer must not have an activation, both must compute in full precision, and the
    normalisation must act on the channels of the layer.
    """
    activation = getattr(layer, "activation", None)
    dtypes = {layer.compute_dtype, normalization.compute_dtype}
    rank = normalization.input_spec.ndim
    axis = 1 if getattr(layer, "data_format", None) == "channels_first" else rank - 1
    return (
        activation in LINEAR
        and dtypes in ({"float32"}, {"float64"})
        and normalization.axis % rank == axis
    )


def affine(layer: keras.layers.BatchNormalization) -> Affine:
    """Returns the scale and shift that a batch normalisation applies at inference."""
    weights = _channel_weights(layer)
    scale = weights.get("gamma", 1) / np.sqrt(weights["moving_variance"] + layer.epsilon)
    return Affine(scale, weights.get("beta", 0) - weights["moving_mean"] * scale)


def _channel_weights(layer: keras.layers.BatchNormalization) -> dict[str, np.ndarray]:
    """The weights by name, with one number per channel, in double precision."""
    if isinstance(layer, SharedBatchNormalization):
        weights = layer.expanded_statistics()
    else:
        names = ("gamma", "beta", "moving_mean", "moving_variance")
        variables = {name: getattr(layer, name, None) for name in names}
        weights = {
            name: keras.ops.convert_to_numpy(variable)
            for name, variable in variables.items()
            if variable is not None
        }
    return {name: array.astype("float64") for name, array in weights.items()}
