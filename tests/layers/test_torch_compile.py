"""PyTorch's compiler, which is so slow on a CPU that one layer has to do."""

import keras
import numpy as np
import pytest

from keras_gcnn import layers


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="XLA is tested in test_contract.py")
def test_a_compiled_prediction(rng):
    fields = layers.Fields.regular(1, max_frequency=1)
    network = keras.Sequential(
        [
            layers.SteerableConv2D({0: 1}, fields, 3),
            layers.SteerableBatchNormalization(fields),
            layers.FourierActivation(fields),
        ]
    )
    images = rng.normal(size=(2, 4, 4, 1)).astype("float32")
    expected = keras.ops.convert_to_numpy(network(images))
    network.compile(jit_compile=True)
    np.testing.assert_allclose(network.predict_on_batch(images), expected, atol=1e-5)
