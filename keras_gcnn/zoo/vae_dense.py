"""Encoders and decoders of dense layers, for comparison with published likelihoods."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import keras

from keras_gcnn.backend.initial_weights import call_new
from keras_gcnn.zoo.budget import Count
from keras_gcnn.zoo.vae_convolutional import EncoderOutputs, scaled


@dataclass(frozen=True)
class DenseLayers:
    """Encoders and decoders of dense layers with ReLU whose widths are still open.

    Attributes:
        shape: shape of an image.
        dropout: rate after every layer but the last.
    """

    shape: tuple[int, int, int]
    dropout: float

    @property
    def smallest(self) -> int:
        """The smallest number of rows and columns of an image."""
        return 1

    def encode(
        self, widths: Sequence[int], image: keras.KerasTensor | None = None
    ) -> EncoderOutputs:
        """Adds all layers from the image to a vector of features; see `Convolutions.encode`."""
        pairs = tuple(pairwise((math.prod(self.shape), *widths)))
        count = Count(sum((a + 1) * b for a, b in pairs), sum(a * b for a, b in pairs))
        x = image
        if image is not None:
            x = self._hidden(keras.layers.Flatten(name="pixels")(image), widths)
        return EncoderOutputs(count, widths[-1], x, None)

    def decoder(self, latent_dim: int, widths: Sequence[int], scale: float = 1.0) -> keras.Model:
        """Returns the decoder, from latent vectors, which it scales, to logits of pixels."""
        z = keras.Input((latent_dim,), name="z")
        x = scaled(z, scale)
        precision = keras.config.dtype_policy().variable_dtype
        pixels = keras.layers.Dense(math.prod(self.shape), dtype=precision, name="pixels")
        logits = keras.layers.Reshape(self.shape, name="logits")(
            call_new(pixels, self._hidden(x, widths))
        )
        return keras.Model(z, logits, name="decoder")

    def _hidden(self, x: keras.KerasTensor, widths: Sequence[int]) -> keras.KerasTensor:
        for stage, width in enumerate(widths, start=1):
            x = call_new(keras.layers.Dense(width, activation="relu", name=f"dense{stage}"), x)
            if self.dropout:
                x = keras.layers.Dropout(self.dropout, name=f"dropout{stage}")(x)
        return x
