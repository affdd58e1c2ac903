"""Fully convolutional networks are built without saying how large the images are."""

import keras
import numpy as np

from keras_gcnn import layers


def test_one_network_takes_images_of_every_size():
    inputs = keras.Input((None, None, 2))
    x = layers.LiftingConv2D(2, 3, "p4m", padding="same")(inputs)
    x = layers.GBatchNormalization("p4m")(x)
    x = layers.Restriction("p4m", "p4")(x)
    x = layers.GConv2D(3, 3, "p4")(x)
    outputs = layers.GPooling("max", "p4")(x)
    network = keras.Model(inputs, outputs)
    assert network.output_shape == (None, None, None, 3)
    pooled = keras.Model(inputs, layers.GGlobalPooling("mean", "p4")(x))
    for size in (6, 9):
        images = np.ones((2, size, size, 2), "float32")
        assert network.predict(images, verbose=0).shape == (2, size - 2, size - 2, 3)
        assert pooled.predict(images, verbose=0).shape == (2, 3)
