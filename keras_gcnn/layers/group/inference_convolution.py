"""A stock convolution in fewer passes over the map, for networks that are not trained any more."""

from __future__ import annotations

import keras

from keras_gcnn.layers.common.stock_convolution import Conv2D


@keras.saving.register_keras_serializable(package="keras_gcnn")
class InferenceConv2D(Conv2D):
    """`keras.layers.Conv2D`, computed as the layers of this library are.

    `keras_gcnn.export.for_inference` puts it into networks. Arguments, weights, shapes and outputs
    are those of the stock layer, of which it is a subclass.
    """

    _trained = False
