"""Whether a layer is one of Keras alone."""

from __future__ import annotations

import keras

from keras_gcnn.untrusted import first_foreign


def check_stock(layer: keras.Operation) -> None:
    """Raises a `ValueError` if a layer or something in it does not come from Keras."""
    foreign = first_foreign(keras.saving.serialize_keras_object(layer), ("keras",), False)
    if foreign:
        raise ValueError(
            f"{type(layer).__name__} {layer.name!r} cannot be said in stock layers: it holds "
            f"{foreign}, which Keras alone does not know. Replace it by layers of Keras, or take "
            "it out of the model and convert the parts."
        )
