"""Models to make hostile files from."""

import keras
import pytest

from keras_gcnn import layers
from tests.untrusted.hostile import parts_of


@pytest.fixture(scope="module")
def dense(tmp_path_factory):
    image = keras.Input((4,))
    x = keras.layers.Dense(2, name="second")(keras.layers.Dense(3, name="first")(image))
    return parts_of(keras.Model(image, x), tmp_path_factory.mktemp("dense") / "model.keras")


@pytest.fixture(scope="module")
def steerable(tmp_path_factory):
    image = keras.Input((9, 9, 1))
    regular = layers.Fields.regular(1, 1)
    x = layers.SteerableConv2D(layers.Fields.trivial(1), regular, 5)(image)
    x = layers.FourierActivation(regular)(layers.SteerableConv2D(regular, regular, 5)(x))
    return parts_of(keras.Model(image, x), tmp_path_factory.mktemp("steerable") / "model.keras")
