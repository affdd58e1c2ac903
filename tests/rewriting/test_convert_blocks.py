"""`convert` on the blocks that architectures of `keras.applications` are made of."""

import keras
import numpy as np
import pytest
from keras import layers

import keras_gcnn
from keras_gcnn.analysis.precision import dtype_policy
from tests.helpers.contract import predict
from tests.helpers.plain_models import randomized
from tests.zoo.networks import images

EXACT = 1e-10


@pytest.mark.parametrize("size", [12, 13])
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_even_windows_with_strides_become_exact(padding, size):
    """Such as the patches of ConvNeXt."""
    with dtype_policy("float64"):
        image = keras.Input((size, size, 3))
        maps = layers.Conv2D(8, 4, strides=4, padding=padding, activation="gelu")(image)
        plain = keras.Model(image, layers.Conv2D(8, 2, strides=2, padding=padding)(maps))
        options = {"downsampling": "exact", "head": "orientations"}
        network = randomized(keras_gcnn.convert(plain, "p4m", **options))
    assert not network.conversion.problems
    assert max(network.conversion.errors().values()) < EXACT
    lines = {line.name: line for line in network.conversion.lines}
    notes = [line.changes[0] for line in lines.values() if line.after]
    assert "kernel_size (4, 4) became (5, 5)" in notes
    assert "kernel_size (2, 2) became (3, 3)" in notes


def test_logits_behind_the_flattened_map_of_one_position_are_as_many_as_before():
    """VGG16 on images of 32 rows has such a map."""
    with dtype_policy("float64"):
        image = keras.Input((5, 5, 3))
        maps = layers.Conv2D(8, 5, activation="relu")(image)
        features = layers.Dense(16, activation="relu")(layers.Flatten()(maps))
        network = randomized(keras_gcnn.convert(keras.Model(image, layers.Dense(3)(features))))
    assert network.output_shape == (None, 3)
    assert max(network.conversion.errors().values()) < EXACT


def test_what_stands_for_flatten_and_for_reshapes_is_saved(tmp_path):
    image = keras.Input((6, 6, 3))
    maps = layers.Reshape((6, 6, 8))(layers.Conv2D(8, 3, padding="same")(image))
    logits = layers.Dense(3)(layers.Flatten()(maps))
    network = keras_gcnn.convert(keras.Model(image, logits))
    network.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras")
    x = images((6, 6, 3), n=2)
    np.testing.assert_array_equal(predict(loaded, x), predict(network, x))


@pytest.mark.parametrize("keep", ["channels", "parameters"])
def test_parts_of_a_map_that_is_added_to_another_are_rounded_together(keep):
    """A cell of NASNet: 44 + 44 channels are not twice the fields of 44."""
    with dtype_policy("float64"):
        image = keras.Input((6, 6, 3))
        maps = layers.Conv2D(88, 3, padding="same")(image)
        parts = [layers.SeparableConv2D(44, 1)(maps), layers.Conv2D(44, 1)(maps)]
        joined = layers.BatchNormalization()(layers.Concatenate()(parts))
        maps = layers.Add()([layers.DepthwiseConv2D(3, padding="same")(joined), maps])
        logits = layers.Dense(3)(layers.GlobalAveragePooling2D()(maps))
        network = randomized(keras_gcnn.convert(keras.Model(image, logits), keep=keep))
    assert max(network.conversion.errors().values()) < 1e-5  # Keras pools in float32


def test_a_layer_that_is_added_to_parts_has_their_fields():
    """A block of InceptionResNetV2: a pooled part keeps the fields that it was rounded to."""
    with dtype_policy("float64"):
        image = keras.Input((7, 7, 3))
        maps = layers.Conv2D(4, 3)(image)
        maps = layers.Add()([maps, layers.Conv2D(4, 1)(maps)])
        parts = [layers.Conv2D(4, 3, padding="same")(maps), layers.MaxPooling2D(1)(maps)]
        joined = layers.Concatenate()(parts)  # of 1 + 1 fields, and 8 channels alone would be 3
        maps = layers.Add()([joined, layers.Conv2D(8, 1)(joined)])
        logits = layers.Dense(3)(layers.GlobalAveragePooling2D()(maps))
        network = randomized(keras_gcnn.convert(keras.Model(image, logits), keep="parameters"))
    assert max(network.conversion.errors().values()) < 1e-6  # Keras pools in float32
