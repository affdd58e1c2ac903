"""The convolution that mirrors reduce to a quarter, against PyTorch's convolution."""

import keras
import numpy as np
import pytest

if keras.backend.backend() != "torch":
    pytest.skip("only PyTorch has it", allow_module_level=True)

import torch
from torch.nn import functional

from keras_gcnn import groups
from keras_gcnn.analysis import assert_equivariant
from keras_gcnn.backend.torch import mirrors
from keras_gcnn.layers import Fields, GConv2D, SteerableConv2D

WINDOW = ((1, 1), "same", "channels_last", (1, 1))
P4M = groups.get("p4m")


def kernel_of(channels, counts, size):
    """An equivariant kernel in float64."""
    with_dtype = {"padding": "same", "use_bias": False, "dtype": "float64"}
    if isinstance(channels, groups.Group):
        layer = GConv2D(counts[1] // channels.order, size, channels, **with_dtype)
    else:
        layer = SteerableConv2D(channels, channels, size, **with_dtype)
    layer.build((1, 9, 9, counts[0]))
    return torch.tensor(layer.expanded_kernel())


def plain(inputs, kernel, padding):
    maps, weights = inputs.permute(0, 3, 1, 2), kernel.permute(3, 2, 0, 1)
    return functional.conv2d(maps, weights, padding=padding).permute(0, 2, 3, 1)


@pytest.mark.parametrize(
    ("channels", "counts", "size", "padding"),
    [
        (P4M, (24, 16), 3, "same"),
        (P4M, (8, 72), 5, "valid"),
        (groups.get("pmm"), (20, 4), 7, "same"),
        (Fields.regular(3, group="d8"), (48, 48), 5, "same"),
        (Fields.regular(2, group="d6"), (24, 24), 3, "valid"),
    ],
)
def test_values_and_gradients_are_those_of_the_convolution(
    rng, monkeypatch, channels, counts, size, padding
):
    monkeypatch.setattr(mirrors, "_NUMBERS_AT_A_TIME", 2 * 9 * 11 * counts[0])  # two of five images
    inputs = torch.tensor(rng.normal(size=(5, 9, 11, counts[0])), requires_grad=True)
    kernel = kernel_of(channels, counts, size)
    found = mirrors.convolve(inputs, kernel, padding, (channels, channels))
    expected = plain(inputs, kernel, padding)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    weights = torch.tensor(rng.normal(size=found.shape))
    gradients = [torch.autograd.grad((one * weights).sum(), inputs) for one in (found, expected)]
    torch.testing.assert_close(*gradients, rtol=1e-12, atol=1e-12)


def test_gradients_of_the_weights_and_of_gradients(rng, monkeypatch):
    monkeypatch.setattr(mirrors, "supports", lambda *_: True)
    layer = GConv2D(1, 3, "p4m", padding="same", dtype="float64")
    layer.build((1, 4, 4, 8))
    inputs = torch.tensor(rng.normal(size=(2, 4, 4, 8)), requires_grad=True)
    weight = layer.kernel.value

    name = next(key for key, value in layer.named_parameters() if value is weight)

    def run(inputs, values):
        return torch.func.functional_call(layer, {name: values}, (inputs,))

    values = weight.detach().clone().requires_grad_()
    assert torch.autograd.gradcheck(run, (inputs, values))
    assert torch.autograd.gradgradcheck(run, (inputs, values))


def test_only_wide_maps_with_mirrors_gain():
    inputs, kernel = torch.zeros(4, 28, 28, 256), torch.zeros(3, 3, 256, 256)
    assert mirrors.supports(inputs, kernel, *WINDOW, (P4M, P4M))
    for group in ("z2", "p4"):
        other = groups.get(group)
        assert not mirrors.supports(inputs, kernel, *WINDOW, (other, other))
    assert not mirrors.supports(inputs[:1], kernel, *WINDOW, (P4M, P4M))
    assert not mirrors.supports(inputs.half(), kernel.half(), *WINDOW, (P4M, P4M))
    assert not mirrors.supports(inputs, kernel[..., :128], *WINDOW, (P4M, P4M))
    assert not mirrors.supports(inputs, kernel[:, :, :128], *WINDOW, (P4M, P4M))  # groups=2
    strided = ((2, 2), *WINDOW[1:])
    assert not mirrors.supports(inputs, kernel, *strided, (P4M, P4M))
    mixed = Fields({0: 128, 1: 64})
    assert not mirrors.supports(inputs, kernel, *WINDOW, (mixed, mixed))


def test_a_wide_layer_takes_it_and_is_equivariant(rng, monkeypatch):
    taken = []
    convolve = mirrors.convolve
    monkeypatch.setattr(mirrors, "convolve", lambda *given: taken.append(1) or convolve(*given))
    layer = GConv2D(32, 3, "p4m", padding="same")
    maps = rng.normal(size=(4, 28, 28, 256)).astype("float32")
    found = layer(maps).detach().numpy()
    assert taken == [1]
    monkeypatch.setattr(mirrors, "_REFUSED", True)
    np.testing.assert_allclose(found, layer(maps).detach().numpy(), atol=1e-5 * np.abs(found).max())
    assert taken == [1]
    monkeypatch.setattr(mirrors, "_REFUSED", False)
    assert_equivariant(layer, inputs=maps)
    assert len(taken) > 1
