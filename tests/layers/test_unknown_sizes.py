"""Fully convolutional networks are built for images of unknown size."""

import keras
import numpy as np
import pytest

from keras_gcnn import layers
from tests.helpers.levels import COMPILING, thoroughly


def test_one_network_takes_images_of_every_size():
    inputs = keras.Input((None, None, 2))
    x = layers.LiftingConv2D(2, 3, "p4m", padding="same")(inputs)
    x = layers.GBatchNormalization("p4m")(x)
    x = layers.GGroupNormalization(2, "p4m")(layers.GLayerNormalization("p4m")(x))
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


@pytest.mark.parametrize(
    "data_format", ["channels_last", *thoroughly("channels_first", on=COMPILING)]
)
def test_so_does_a_network_of_fields(data_format):
    here, fields = {"data_format": data_format}, layers.Fields.regular(1, group="d4")
    axis = -1 if data_format == "channels_last" else 1

    def shape(channels, *sizes):
        return (*sizes, channels) if axis == -1 else (channels, *sizes)

    inputs = keras.Input(shape(2, None, None))
    x = layers.SteerableConv2D({0: 2}, fields, 3, **here)(inputs)
    x = layers.SteerableBatchNormalization(fields, axis)(x)
    x = layers.SteerableLayerNormalization(fields, axis)(x)
    x = layers.SteerableGroupNormalization(fields, 1, axis)(x)
    x = layers.FourierActivation(fields, **here)(x)
    x = layers.NormActivation(fields, **here)(x)
    x = layers.SteerableDropout(0.5, fields, **here)(x)
    x = layers.GatedActivation(fields, **here)(x)
    x = layers.ToFields("p4m", **here)(layers.ToGroupMaps(fields, **here)(x))
    restriction = layers.SteerableRestriction(fields, "c4", **here)
    poolings = [
        layers.NormPooling(fields, **here),
        layers.InvariantMap(fields, 3, **here),
        layers.SteerablePooling(fields, **here),
    ]
    outputs = [pool(x) for pool in poolings]
    outputs.append(layers.SteerablePooling(restriction.fields_out, **here)(restriction(x)))
    channels = (6, 3, 1, 2)
    network = keras.Model(inputs, outputs)
    assert network.output_shape == [(None, *shape(c, None, None)) for c in channels]
    if keras.backend.backend() == "tensorflow":  # also where only the graph knows the sizes
        import tensorflow as tf

        signature = tf.TensorSpec((None, *shape(2, None, None)))
        network = tf.function(network, input_signature=[signature])
    found = network(np.ones((2, *shape(2, 6, 5)), "float32"))
    assert [tuple(one.shape) for one in found] == [(2, *shape(c, 4, 3)) for c in channels]
