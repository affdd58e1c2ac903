"""Encoder and decoder of dense layers, for comparison with published likelihoods."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import keras

from keras_gcnn.zoo.vae_parts import Found


def encode(
    widths: Sequence[int], shape: tuple[int, int, int], image: keras.KerasTensor | None = None
) -> Found:
    """Adds dense layers with ReLU of these widths to an image."""
    parameters = sum((a + 1) * b for a, b in pairwise((math.prod(shape), *widths)))
    x = image
    if image is not None:
        x = keras.layers.Flatten(name="pixels")(image)
        for stage, width in enumerate(widths, start=1):
            x = keras.layers.Dense(width, activation="relu", name=f"dense{stage}")(x)
    return Found(parameters, widths[-1], x, None)


def decoder(latent_dim: int, widths: Sequence[int], shape: tuple[int, int, int]) -> keras.Model:
    """From latent vectors to logits of pixels."""
    x = z = keras.Input((latent_dim,), name="z")
    for stage, width in enumerate(widths, start=1):
        x = keras.layers.Dense(width, activation="relu", name=f"dense{stage}")(x)
    precision = keras.config.dtype_policy().variable_dtype
    x = keras.layers.Dense(math.prod(shape), dtype=precision, name="pixels")(x)
    return keras.Model(z, keras.layers.Reshape(shape, name="logits")(x), name="decoder")
