"""Batch normalisation as part of the convolution before it."""

from __future__ import annotations

from typing import NamedTuple

import keras
import numpy as np

from keras_gcnn import layers
from keras_gcnn.layers.common.shared_normalization import SharedBatchNormalization
from keras_gcnn.layers.common.stock_convolution import Conv2D, Conv2DTranspose

# Linear layers that can take in what follows them.
_OWN = (
    layers.LiftingConv2D,
    layers.GConv2D,
    layers.GConv2DTranspose,
    layers.GSeparableConv2D,
    layers.SteerableConv2D,
    layers.SteerableConv2DTranspose,
    layers.InvariantMap,
    Conv2D,
    Conv2DTranspose,
)
_STOCK = (
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.Conv3D,
    keras.layers.Conv1DTranspose,
    keras.layers.Conv2DTranspose,
    keras.layers.Conv3DTranspose,
    keras.layers.DepthwiseConv2D,
    keras.layers.Dense,
)


LINEAR = (None, keras.activations.linear)


class Affine(NamedTuple):
    """What a batch normalisation does to every channel at inference."""

    scale: np.ndarray
    shift: np.ndarray

    def weights(self, kernel: np.ndarray, bias: np.ndarray | None, channels=(-1,)) -> list:
        """Kernel and bias of a layer that does the same after its own.

        Args:
            kernel: of the layer.
            bias: likewise, or None.
            channels: axes of the kernel that the output channels are laid out along.
        """
        shape = np.ones(kernel.ndim, dtype=int)
        for axis in channels:
            shape[axis] = kernel.shape[axis]
        moved = 0 if bias is None else bias.astype("float64")
        return [kernel * self.scale.reshape(shape), moved * self.scale + self.shift]


def kernel_channels(layer: keras.Layer) -> tuple[int, ...]:
    """Axes of a stock layer's kernel along which its output channels are laid out."""
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        return (-2, -1)
    name = type(layer).__name__
    return (-2,) if name.endswith("Transpose") else (-1,)


def is_normalization(layer: object) -> bool:
    """Whether a layer is a batch normalisation, stock or shared among channels."""
    return isinstance(layer, SharedBatchNormalization) or (
        type(layer) is keras.layers.BatchNormalization and not getattr(layer, "renorm", False)
    )


def takes_in(layer: object, normalization: keras.layers.BatchNormalization) -> bool:
    """Whether a layer can take in a normalisation that directly follows it, without rounding."""
    if type(layer) not in (*_OWN, *_STOCK):
        return False
    if type(layer) in _STOCK and len(layer.weights) > 2:  # quantized, or with more beside them
        return False
    activation = getattr(layer, "activation", None)
    full = {layer.compute_dtype, normalization.compute_dtype} in ({"float32"}, {"float64"})
    rank = normalization.input_spec.ndim
    axis = 1 if getattr(layer, "data_format", None) == "channels_first" else rank - 1
    aligned = normalization.axis % rank == axis
    return activation in LINEAR and full and aligned


def affine(layer: keras.layers.BatchNormalization) -> Affine:
    """Scale and shift of every channel."""
    found = statistics(layer)
    scale = found.get("gamma", 1) / np.sqrt(found["moving_variance"] + layer.epsilon)
    return Affine(scale, found.get("beta", 0) - found["moving_mean"] * scale)


def statistics(layer: keras.layers.BatchNormalization) -> dict[str, np.ndarray]:
    """The weights of the stock layer that does the same, by name, in double precision."""
    if isinstance(layer, SharedBatchNormalization):
        found = layer.expanded_statistics()
    else:
        names = ("gamma", "beta", "moving_mean", "moving_variance")
        variables = {name: getattr(layer, name, None) for name in names}
        found = {
            name: keras.ops.convert_to_numpy(one)
            for name, one in variables.items()
            if one is not None
        }
    return {name: array.astype("float64") for name, array in found.items()}
