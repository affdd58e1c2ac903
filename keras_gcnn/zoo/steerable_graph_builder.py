"""Networks on fields put together layer by layer; the counterpart of `assembly` for any angle."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras

from keras_gcnn.backend.initial_weights import call_new
from keras_gcnn.groups.steerable_basis import kernel_basis
from keras_gcnn.layers import (
    DiscMask,
    Fields,
    FourierActivation,
    GGlobalPooling,
    InvariantMap,
    SteerableAveragePooling2D,
    SteerableBatchNormalization,
    SteerableConv2D,
    SteerableDropout,
)
from keras_gcnn.zoo.graph_builder import EPSILON, MOMENTUM

POOLED = 2  # after so many of the first convolutions the maps are halved
SCALE = 3.0  # pixels keep zero as the background; their spread on digits becomes about one
# Of the best networks for their cost.
BAND_LIMIT = 0.005
BLUR = 1.0  # pixels, of the image
POOLING = 1.2  # pixels, before maps are halved
WINDOW = 7  # rows and columns of the last maps from which an invariant channel is made


@dataclass(frozen=True)
class FieldMaps:
    """Feature maps between two layers.

    Attributes:
        fields: what they consist of.
        tensor: the maps themselves, or None where parameters are only counted.
    """

    fields: Fields
    tensor: keras.KerasTensor | None = None


class SteerableGraphBuilder:
    """Adds layers and counts their trainable parameters, as `GraphBuilder` does for groups.

    Args:
        data_format: `"channels_last"` or `"channels_first"`.
        band_limit: of the convolutions; see `SteerableConv2D`.
        samples: of the activations; see `FourierActivation`.
    """

    def __init__(self, data_format: str, band_limit: float | str, samples: int):
        self.data_format = data_format
        self.band_limit = band_limit
        self.samples = samples
        self.parameters = 0

    def _put(
        self, x: FieldMaps, make: Callable[[], keras.Layer], parameters: int = 0, **new: Any
    ) -> FieldMaps:
        self.parameters += parameters
        tensor = None if x.tensor is None else call_new(make(), x.tensor)
        return replace(x, tensor=tensor, **new)

    def convolution(
        self, x: FieldMaps, fields: Fields, kernel_size: int, name: str, padding: str = "same"
    ) -> FieldMaps:
        """A convolution without bias, which the normalisation after it has."""
        weights = sum(
            len(kernel_basis(m, n, kernel_size, 1, self.band_limit)) * before * after
            for m, before in x.fields.multiplicities.items()
            for n, after in fields.multiplicities.items()
        )
        return self._put(
            x,
            lambda: SteerableConv2D(
                x.fields,
                fields,
                kernel_size,
                padding=padding,
                use_bias=False,
                band_limit=self.band_limit,
                data_format=self.data_format,
                name=name,
            ),
            weights,
            fields=fields,
        )

    def normalization(self, x: FieldMaps, name: str) -> FieldMaps:
        """Batch normalisation."""
        axis = 1 if self.data_format == "channels_first" else -1
        return self._put(
            x,
            lambda: SteerableBatchNormalization(
                x.fields, axis, momentum=MOMENTUM, epsilon=EPSILON, name=name
            ),
            x.fields.count + x.fields.multiplicities.get(0, 0),
        )

    def activation(self, x: FieldMaps, name: str) -> FieldMaps:
        """ELU of the fields as functions of the angle."""
        form = {"samples": self.samples, "data_format": self.data_format, "name": name}
        return self._put(x, lambda: FourierActivation(x.fields, "elu", **form))

    def dropout(self, x: FieldMaps, rate: float, name: str) -> FieldMaps:
        """Dropout of whole fields; nothing for a rate of zero."""
        if not rate:
            return x
        form = {"data_format": self.data_format, "name": name}
        return self._put(x, lambda: SteerableDropout(rate, x.fields, **form))

    def mask(self, x: FieldMaps, name: str) -> FieldMaps:
        """The disc that stays inside the image when it is turned."""
        return self._put(x, lambda: DiscMask(x.fields, data_format=self.data_format, name=name))

    def blur(self, x: FieldMaps, sigma: float, name: str) -> FieldMaps:
        """A Gaussian blur; nothing for zero."""
        return self._pool(x, 1, sigma, name) if sigma else x

    def average(self, x: FieldMaps, sigma: float | None, name: str) -> FieldMaps:
        """A blur that halves the maps; None for the layer's own."""
        return self._pool(x, 2, sigma, name)

    def _pool(self, x: FieldMaps, strides: int, sigma: float | None, name: str) -> FieldMaps:
        form = {"sigma": sigma, "data_format": self.data_format, "name": name}
        return self._put(x, lambda: SteerableAveragePooling2D(x.fields, strides, **form))

    def stages(
        self,
        x: FieldMaps,
        fields: Sequence[Fields],
        kernel_sizes: Sequence[int],
        *,
        blur: float = 0.0,
        pooling: float | None = None,
        pooled: int = POOLED,
        dropout: float = 0.0,
    ) -> FieldMaps:
        """Mask and blur of the image, then convolution, normalisation and activation per stage.

        Args:
            x: the image.
            fields: after each convolution.
            kernel_sizes: of the convolutions.
            blur: standard deviation of the blur of the image, in pixels.
            pooling: standard deviation of the blur before the maps are halved, likewise, or None.
            pooled: after how many of the first stages they are.
            dropout: rate after every activation.
        """
        x = self.mask(x, "mask")
        x = self.blur(x, blur, "blur")
        for stage, (wanted, size) in enumerate(zip(fields, kernel_sizes, strict=True), start=1):
            x = self.convolution(x, wanted, size, f"conv{stage}")
            x = self.normalization(x, f"norm{stage}")
            x = self.activation(x, f"activation{stage}")
            x = self.dropout(x, dropout, f"dropout{stage}")
            if stage <= pooled:
                x = self.average(x, pooling, f"pool{stage}")
        return x

    def invariants(self, x: FieldMaps, filters: int, kernel_size: int, name: str) -> FieldMaps:
        """Ordinary channels, of the frequency 0 at a position or of all fields in a window."""
        if kernel_size > 1:
            return self.convolution(x, Fields.trivial(filters), kernel_size, name, "valid")
        form = {"use_bias": False, "data_format": self.data_format, "name": name}
        return self._put(
            x,
            lambda: InvariantMap(x.fields, filters, **form),
            x.fields.multiplicities[0] * filters,
            fields=Fields.trivial(filters),
        )

    def vector(self, x: FieldMaps) -> FieldMaps:
        """ELU of the invariants and their mean over positions, a vector by the layer `head`."""
        return self.mean(
            self._put(x, lambda: keras.layers.ELU(name="invariants_activation")), "head"
        )

    def mean(self, x: FieldMaps, name: str) -> FieldMaps:
        """Mean over positions; the stock layer computes float64 in float32 on two backends."""
        form = {"data_format": self.data_format, "name": name}
        return self._put(x, lambda: GGlobalPooling("mean", "z2", **form))

    def logits(self, x: FieldMaps, classes: int, activation: str | None) -> FieldMaps:
        """The dense layer `logits`, in full precision under a mixed policy."""
        precision = keras.config.dtype_policy().variable_dtype
        return self._put(
            x,
            lambda: keras.layers.Dense(
                classes, activation=activation, dtype=precision, name="logits"
            ),
            (x.fields.channels + 1) * classes,
        )
