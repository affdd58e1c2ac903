"""PyTorch's compiler, which is so slow on a CPU that one layer has to do."""

import keras
import numpy as np
import pytest

from keras_gcnn import layers
from keras_gcnn.layers import backend
from keras_gcnn.layers.steerable.base import pair_channels


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


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="of PyTorch's compiler")
@pytest.mark.filterwarnings("ignore")  # of the compiler
def test_what_broke_graphs_is_in_one():
    """Whole layers take the compiler seconds each; this is what they share."""
    import torch

    fields = layers.Fields({0: 1, 1: 1})

    @torch.compile(fullgraph=True, backend="eager")
    def compute(x):
        flat = backend.repeated(x[0, 0], 2)
        matrix = backend.constant(pair_channels(fields))
        return backend.maximum(x, 1), backend.mean(x, (0, 1)), flat, x[0] @ matrix.float().T

    for batch in (2, 3):
        x = torch.arange(batch * 12.0).reshape(batch, 4, 3)
        highest, average, flat, pairs = compute(x)
        torch.testing.assert_close(highest, x[:, 3])
        torch.testing.assert_close(average, x.reshape(-1, 3).sum(0) / (4 * batch))
        assert flat.tolist() == [0, 0, 1, 1, 2, 2]
        assert pairs[0].tolist() == [3]
