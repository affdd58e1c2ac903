"""What all layers of latent variables share."""

from __future__ import annotations

from typing import Any

import keras

from keras_gcnn.layers.common.wrong_arguments import refuse_unknown


class LatentLayer(keras.layers.Layer):
    """Base of the layers of latent variables: says what to do about unknown arguments."""

    def __init__(self, **kwargs: Any) -> None:
        refuse_unknown(type(self), kwargs, {})
        super().__init__(**kwargs)
