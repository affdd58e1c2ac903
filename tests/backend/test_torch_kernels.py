"""What PyTorch computes in operations of its own: values, gradients, and gradients of these."""

import itertools

import keras
import numpy as np
import pytest
from keras import ops

if keras.backend.backend() != "torch":
    pytest.skip("only PyTorch has them", allow_module_level=True)

import torch

from keras_gcnn import layers
from keras_gcnn.backend import ops as backend
from keras_gcnn.backend.torch import convolution as torch_convolution
from keras_gcnn.backend.torch import fourier as torch_fourier
from keras_gcnn.backend.torch import normalization as torch_normalization
from keras_gcnn.backend.torch import parity as torch_parity
from keras_gcnn.layers import Fields, FourierActivation
from keras_gcnn.layers.common import stock_convolution
from tests.helpers.layers import DATA_FORMATS


def numbers(rng, *shape):
    return torch.tensor(rng.normal(size=shape) + 1, requires_grad=True)


@pytest.mark.parametrize(("shape", "axis"), [((3, 4, 2, 5), 3), ((3, 5, 4, 2), 1), ((7, 5), 1)])
class TestNormalization:
    def test_moments(self, rng, shape, axis):
        maps = numbers(rng, *shape)
        others = tuple(one for one in range(len(shape)) if one != axis)
        same, mean, variance = torch_normalization.moments(maps, axis)
        values = maps.detach().numpy()
        np.testing.assert_array_equal(same.detach(), values)
        np.testing.assert_allclose(mean.detach(), values.mean(others), rtol=1e-12)
        np.testing.assert_allclose(variance.detach(), values.var(others), rtol=1e-12)

        def normalized(x):
            x, mean, variance = torch_normalization.moments(x, axis)
            found = torch_normalization.batch_normalization(x, mean, variance, axis)
            return found, mean, variance

        assert torch.autograd.gradcheck(normalized, (maps,))
        assert torch.autograd.gradgradcheck(normalized, (maps,))

    @pytest.mark.parametrize("left_out", [(), ("offset",), ("scale",), ("offset", "scale")])
    def test_batch_normalization(self, rng, shape, axis, left_out):
        given = {name: numbers(rng, 5) for name in ("mean", "variance", "offset", "scale")}
        given["variance"] = given["variance"].detach().abs().requires_grad_()
        given = {name: one for name, one in given.items() if name not in left_out}
        along = [-1 if one == axis else 1 for one in range(len(shape))]
        maps = numbers(rng, *shape)

        def formula(maps, mean, variance, offset=None, scale=None):
            mean, variance, offset, scale = (
                one if one is None else one.reshape(along)
                for one in (mean, variance, offset, scale)
            )
            normal = (maps - mean) / torch.sqrt(variance + 0.1)
            return normal * (1 if scale is None else scale) + (0 if offset is None else offset)

        values = torch_normalization.batch_normalization(maps, axis=axis, epsilon=0.1, **given)
        expected = formula(maps, **given)
        torch.testing.assert_close(values, expected, rtol=1e-12, atol=1e-12)
        weights = torch.tensor(rng.normal(size=shape))
        inputs = (maps, *given.values())
        for one, other in zip(
            torch.autograd.grad((values * weights).sum(), inputs),
            torch.autograd.grad((expected * weights).sum(), inputs),
            strict=True,
        ):
            torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("compiled", [False, True])
def test_statistics_far_from_zero(rng, compiled):
    maps = (1000 + rng.normal(size=(64, 30, 30, 3))).astype("float32")
    moments = backend.moments
    if compiled:
        moments = torch.compile(moments, fullgraph=True, backend="eager")
    _, mean, variance = moments(torch.from_numpy(maps), 3)
    exact = maps.astype("float64")
    np.testing.assert_allclose(mean, exact.mean((0, 1, 2)), rtol=2e-5)
    np.testing.assert_allclose(variance, exact.var((0, 1, 2)), rtol=1e-3)


@pytest.mark.parametrize("channels", [(1, 6), (4, 6), "each by itself"])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_convolution(rng, channels, data_format, padding):
    apart = isinstance(channels, str)
    for size, stride, dilation in itertools.product((1, 2, 3), (1, 2), (1, 2)):
        if stride > 1 and dilation > 1:
            continue
        kernel = rng.normal(size=(size, 3, *((1, 4) if apart else channels)))
        shape = (2, 7, 8, 4 if apart else channels[0])
        if data_format == "channels_first":
            shape = (shape[0], shape[3], *shape[1:3])
        maps, kernel = torch.tensor(rng.normal(size=shape)), torch.tensor(kernel)
        window = {
            "strides": (stride, stride),
            "padding": padding,
            "data_format": data_format,
            "dilation_rate": (dilation, 1),
        }
        found = torch_convolution.convolve(maps, kernel, **window)
        if apart:
            expected = ops.depthwise_conv(maps, kernel.permute(0, 1, 3, 2), **window)
        else:
            expected = ops.conv(maps, kernel, **window)
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("wanted", ["maps", "factor", "bias"])
def test_gradients_of_fewer_products_where_the_rest_is_frozen(rng, wanted):
    """Those of one of the arguments, and the gradients of their squares."""
    layer = layers.GConv2D(2, 3, "p4m", use_bias=False, dtype="float64")
    layer.build((1, 5, 5, 16))
    kernel, channels = torch.tensor(layer.expanded_kernel()), (layer.group, layer.group)
    given = {"maps": rng.normal(size=(2, 5, 5, 16)), "factor": 1.5, "bias": rng.normal(size=16)}

    def fewer(maps, factor, bias):
        return torch_parity.convolve(maps, factor * kernel, "same", channels, bias)

    def usual(maps, factor, bias):
        return ops.conv(maps, factor * kernel, padding="same") + bias

    found = []
    for convolve in (fewer, usual):
        tensors = {name: torch.tensor(each, dtype=torch.float64) for name, each in given.items()}
        one = tensors[wanted].requires_grad_()
        (slope,) = torch.autograd.grad((convolve(**tensors) ** 2).sum(), one)
        (same,) = torch.autograd.grad((convolve(**tensors) ** 2).sum(), one, create_graph=True)
        found.append((slope, same.detach(), *torch.autograd.grad((same**2).sum(), one)))
    torch.testing.assert_close(*found, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", ["lifting", "g", "gc", "transposed", "fields", "stock", "stock_t"])
def test_gradients_of_one_image_with_one_channel(rng, kind, dtype):
    """Those of two images are the sum: PyTorch has other kernels for two, on a CPU."""
    for channels, size, data_format in itertools.product((1, 4), (1, 3), DATA_FORMATS):
        form = {"data_format": data_format, "dtype": dtype, "padding": "same"}
        if kind == "fields":
            layer = layers.SteerableConv2D({0: channels}, {0: 1}, size, **form)
        elif kind in ("stock", "stock_t"):
            classes = {"stock": stock_convolution.Conv2D}
            layer = classes.get(kind, stock_convolution.Conv2DTranspose)(1, size, **form)
        else:
            classes = {
                "lifting": layers.LiftingConv2D,
                "gc": layers.GSeparableConv2D,
                "transposed": layers.GConv2DTranspose,
            }
            layer = classes.get(kind, layers.GConv2D)(1, size, "z2", **form)
        shape = (2, 4, 5, channels) if data_format == "channels_last" else (2, channels, 4, 5)
        images = torch.tensor(rng.normal(size=shape), dtype=getattr(torch, dtype))

        def slopes(part, layer=layer):
            layer.zero_grad()
            layer(part).square().sum().backward()
            return [weight.value.grad.numpy().copy() for weight in layer.trainable_weights]

        apart = [sum(pair) for pair in zip(*map(slopes, images.split(1)), strict=True)]
        for found, expected in zip(apart, slopes(images), strict=True):
            tolerance = {"float32": 1e-4, "float64": 1e-10}[dtype]
            np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", ["relu", "elu", "silu", "tanh", None])
def test_activation_of_what_nothing_else_reads(rng, name):
    activation = keras.activations.get(name) if name else None
    maps = numbers(rng, 3, 4)
    expected = maps if activation is None else activation(maps)
    found = backend.activate(maps, activation)
    torch.testing.assert_close(found, expected)
    slopes = [torch.autograd.grad(one.sum(), maps)[0] for one in (found, expected)]
    torch.testing.assert_close(*slopes)  # with a gradient they are left as they are
    with torch.no_grad():
        again = backend.activate(maps, activation)
    torch.testing.assert_close(again, expected.detach())
    assert (again.data_ptr() == maps.data_ptr()) == (name != "tanh")


@pytest.mark.parametrize("last", [True, False])
class TestFourierActivation:
    @pytest.fixture(autouse=True)
    def in_parts(self, monkeypatch):
        monkeypatch.setitem(torch_fourier._AT_ONCE, "cpu", 8 * 3 * 2)  # two or six fields

    def given(self, rng, last):
        maps = numbers(rng, *((7, 3) if last else (7, 3, 3)))
        return maps, numbers(rng, 8, 3).detach(), numbers(rng, 3, 8).detach()

    def test_values(self, rng, last):
        maps, to_samples, to_field = self.given(rng, last)
        found = torch_fourier.activate(maps, to_samples, to_field, keras.activations.elu, last)
        samples = torch.einsum("sc,nc...->ns...", to_samples, maps)
        values = torch.where(samples > 0, samples, torch.exp(samples) - 1)
        expected = torch.einsum("cs,ns...->nc...", to_field, values)
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)

    def test_gradients(self, rng, last):
        maps, *matrices = self.given(rng, last)

        def activate(x):
            return torch_fourier.activate(x, *matrices, keras.activations.tanh, last)

        assert torch.autograd.gradcheck(activate, (maps,))
        assert torch.autograd.gradgradcheck(activate, (maps,))


def test_an_activation_with_weights_is_trained(rng):
    weight = torch.tensor(0.5, requires_grad=True)
    layer = FourierActivation(
        Fields.regular(2, max_frequency=1), lambda x: x * torch.sigmoid(weight)
    )
    layer(numbers(rng, 1, 2, 2, 6)).square().sum().backward()
    assert weight.grad.abs() > 0
    maps, matrix = torch.zeros(1, 3), torch.zeros(3, 3)
    assert not torch_fourier.supports(maps, matrix, matrix, layer.activation, True)
    assert torch_fourier.supports(maps, matrix, matrix, keras.activations.elu, True)
