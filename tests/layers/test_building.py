"""Layers in a user's module: their weights exist before the first batch."""

import keras
import numpy as np
import pytest

from keras_gcnn import analysis, layers


def test_weights_and_state(rng):
    norm = layers.GBatchNormalization("p4", momentum=0.5)
    conv = layers.GConv2D(2, 3, "p4")
    assert layers.build_for(norm, (5, 5, 8)) is norm
    layers.build_for(lambda x: conv(norm(x, training=False)), [5, 5, 8])
    assert [tuple(one.shape) for one in conv.weights] == [(4, 3, 3, 2, 2), (2,)]
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(norm.moving_variance), [1, 1])


@pytest.mark.parametrize(
    "make",
    [
        lambda slope: layers.LiftingConv2D(2, 3, "p4", activation=slope),
        lambda slope: layers.GConv2D(2, 3, "p4", activation=slope),
        lambda slope: layers.GDepthwiseConv2D(3, "p4", activation=slope),
        lambda slope: layers.InvariantMap({0: 4}, 2, activation=slope),
    ],
)
def test_the_slope_of_an_activation(make, tmp_path, rng):
    """It exists before the first call, so that a file of weights fits a new network."""
    networks = []
    for first in (0.25, 0.5):
        initializer = keras.initializers.Constant(first)
        slope = keras.layers.PReLU(initializer, shared_axes=[1, 2, 3], name="slope")
        networks.append(keras.Sequential([keras.Input((5, 5, 4)), make(slope)]))
    network, new = networks
    assert [weight.name for weight in network.weights][-1] == "alpha"
    network.save_weights(tmp_path / "of.weights.h5")
    new.load_weights(tmp_path / "of.weights.h5")
    images = rng.normal(size=(1, 5, 5, 4)).astype("float32")
    expected = keras.ops.convert_to_numpy(network(images))
    assert (expected < 0).any()
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(new(images)), expected)


@pytest.mark.parametrize("shape", [(), 9, (None, 9, 8), (9, 9, 0), "9"])
def test_wrong_shapes(shape):
    with pytest.raises(ValueError, match="without the batch, as positive integers"):
        layers.build_for(layers.GConv2D(2, 3, "p4"), shape)


def test_objects_that_cannot_be_called():
    with pytest.raises(TypeError, match=r"class GConv2D\. Give an instance"):
        layers.build_for(layers.GConv2D, (4, 4, 8))
    with pytest.raises(TypeError, match=r"cannot be called\. Give a torch.nn.Module"):
        layers.build_for([layers.GConv2D(2, 3, "p4")], (9, 9, 8))


if keras.backend.backend() == "torch":
    import torch

    class Network(torch.nn.Module):
        def __init__(self):
            super().__init__()
            form = {"group": "p4", "data_format": "channels_first"}
            self.parts = torch.nn.ModuleList([layers.LiftingConv2D(2, 3, **form)])
            self.named = layers.GConv2D(2, 3, **form, name="mine")
            self.pool = layers.GGlobalPooling(**form)

        def forward(self, images):
            return self.pool(torch.relu(self.named(torch.relu(self.parts[0](images)))))


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="of modules of PyTorch")
class TestModules:
    def test_two_instances_have_the_same_keys(self):
        network, again = (layers.build_for(Network(), (1, 8, 8)) for _ in range(2))
        assert list(network.state_dict()) == [
            "parts.0._torch_params.parts_0/bias",
            "parts.0._torch_params.parts_0/kernel",
            "named._torch_params.mine/bias",
            "named._torch_params.mine/kernel",
        ]
        assert network.training
        again.load_state_dict(network.state_dict())
        images = torch.rand(2, 1, 8, 8)
        torch.testing.assert_close(again(images), network(images))

    def test_equivariance_in_the_format_of_the_layers(self):
        network = layers.build_for(Network(), (1, 8, 8))
        analysis.assert_equivariant(network, "p4", input_shape=(1, 8, 8))
        with pytest.raises(ValueError, match=r"read as channels_last, .* Give data_format"):
            analysis.equivariance_error(
                lambda x: network(torch.tensor(x)), "p4", input_shape=(1, 8, 8)
            )
