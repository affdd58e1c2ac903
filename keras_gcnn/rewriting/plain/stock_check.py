"""Checks that a layer, and everything in it, belongs to Keras."""

from __future__ import annotations

import keras

from keras_gcnn.untrusted import first_foreign


def check_stock(layer: keras.Operation) -> None:
    """Raises a `ValueError` if a layer or something in it does not come from Keras."""
    foreign = first_foreign(keras.saving.serialize_keras_object(layer), ("keras",), False)
    if foreign:
        raise ValueError(
            f"{type(layer).__name__} {layer.name!r} cannot be translated to stock layers: it holds "
            f"{foreign}, which is not part of Keras. Replace it by layers of Keras, or take it out "
            "of the model and convert the parts."
        )
