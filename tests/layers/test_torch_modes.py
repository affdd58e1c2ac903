"""Every layer under PyTorch's transforms, automatic precision and traces."""

import functools

import keras
import numpy as np
import pytest

if keras.backend.backend() != "torch":
    pytest.skip("only PyTorch has them", allow_module_level=True)

import torch
from torch import func

from keras_gcnn import layers
from keras_gcnn.layers.common.stock_convolution import Conv2D, Conv2DTranspose
from tests.helpers.contract import CASES, CHANNELS, Case
from tests.helpers.layers import DATA_FORMATS, random_initializer

_STOCK = [Case(kind, {"filters": 2, "kernel_size": 3}) for kind in (Conv2D, Conv2DTranspose)]
EVERY_LAYER = pytest.mark.parametrize(
    "case", [*CASES, *_STOCK], ids=lambda case: case.layer_class.__name__
)
BOTH_FORMATS = pytest.mark.parametrize("data_format", DATA_FORMATS)
_RANDOM = (layers.GDropout, layers.SteerableDropout)


class Function:
    """A layer in training, where it has statistics, as a function of weights and maps."""

    def __init__(self, case, data_format):
        self.layer = case.make(data_format, dtype="float64")
        self.maps = torch.tensor(case.inputs(data_format), dtype=torch.float64)
        self.layer(self.maps)
        self.call = {}
        if isinstance(self.layer, keras.layers.BatchNormalization):
            self.call["training"] = True
        self.weights = [
            torch.tensor(random_initializer(seed)(one.shape))
            for seed, one in enumerate(self.layer.trainable_variables)
        ]
        self.state = [one.value.detach() for one in self.layer.non_trainable_variables]

    def __call__(self, weights, maps):
        """A number that depends on every output in its own way."""
        outputs, _ = self.layer.stateless_call(weights, self.state, maps, **self.call)
        return (outputs**3).sum() + outputs.square().sum()

    def gradients(self, weights, maps, create_graph=False):
        """In weights and maps, by the usual way."""
        inputs = [one.detach().requires_grad_() for one in (*weights, maps)]
        value = self(inputs[:-1], inputs[-1])
        return inputs, torch.autograd.grad(value, inputs, create_graph=create_graph)


def close(found, expected):
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


@EVERY_LAYER
@BOTH_FORMATS
def test_transforms_give_the_gradients_of_backward(case, data_format):
    function = Function(case, data_format)
    weights, maps = function.weights, function.maps
    inputs, expected = function.gradients(weights, maps, create_graph=True)
    *in_weights, in_maps = expected
    slope = func.grad(lambda pair: function(*pair))
    close(slope((weights, maps))[0], in_weights)
    close([slope((weights, maps))[1]], [in_maps])
    # Forwards: the derivative along the maps themselves.
    _, along = func.jvp(lambda x: function(weights, x), (maps,), (maps,))
    close([along], [(in_maps * maps).sum()])
    if in_maps.requires_grad:
        _, curved = func.jvp(lambda x: slope((weights, x))[1], (maps,), (maps,))
        again = torch.autograd.grad((in_maps * maps).sum(), inputs[-1], allow_unused=True)[0]
        close([curved], [torch.zeros_like(maps) if again is None else again])
    # Of several sets of weights and batches at once.
    several = [torch.stack([one, 1.1 * one]) for one in (*weights, maps)]
    found = func.vmap(lambda *all_: slope((list(all_[:-1]), all_[-1]))[1])(*several)
    apart = [function.gradients(one[:-1], one[-1])[1][-1] for one in zip(*several, strict=True)]
    close(found, apart)


@EVERY_LAYER
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_automatic_precision(case, dtype):
    layer, maps = case.make(), torch.tensor(case.inputs(), requires_grad=True)
    with torch.no_grad():
        expected = layer(maps)
    call = {"training": True} if isinstance(layer, keras.layers.BatchNormalization) else {}
    with torch.autocast("cpu", dtype=dtype):
        outputs = layer(maps)
        layer(maps, **call).float().square().sum().backward()
    assert torch.isfinite(maps.grad).all()
    scale = expected.abs().max()
    torch.testing.assert_close(outputs.float() / scale, expected / scale, rtol=0, atol=0.03)


@pytest.mark.parametrize("kind", [layers.VonMisesFisherSampling, layers.GaussianSampling])
def test_automatic_precision_of_samples(kind):
    mean = torch.tensor(np.eye(4, 3), dtype=torch.float32, requires_grad=True)
    spread = torch.ones(4, 1 if kind is layers.VonMisesFisherSampling else 3, requires_grad=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        first, second = layers.VonMisesFisherHead(3)(mean)
        kind(seed=1)([mean, spread], training=True).square().mul(mean).sum().backward()
    assert torch.isfinite(mean.grad).all()
    assert torch.isfinite(first).all()
    assert torch.isfinite(second).all()


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@EVERY_LAYER
@BOTH_FORMATS
def test_a_trace_holds_for_other_batches(case, data_format):
    layer = case.make(data_format)
    layer(case.inputs(data_format))
    network = keras.Sequential([layer])
    trace = torch.jit.trace(network, torch.tensor(case.inputs(data_format)), check_trace=False)
    for batch in (1, 5):
        maps = torch.tensor(case.inputs(data_format, batch))
        torch.testing.assert_close(trace(maps), layer(maps))


def test_jacobians_of_fused_operations_at_once():
    maps = torch.tensor(np.random.default_rng(0).normal(size=(2, 3, 3, CHANNELS)))
    activation = layers.FourierActivation({0: 2, 1: 2, 2: 1}, dtype="float64")
    normalization = layers.GBatchNormalization("p4", dtype="float64")
    for layer in (activation, functools.partial(normalization, training=True)):
        layer(maps)

        def means(x, layer=layer):
            return layer(x).mean((0, 1, 2))

        found, expected = (
            torch.autograd.functional.jacobian(means, maps, vectorize=at_once)
            for at_once in (True, False)
        )
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)
