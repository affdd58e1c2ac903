"""Convolutions in a quarter or half of the multiplications, against Keras's."""

import importlib

import keras
import numpy as np
import pytest
from keras import ops

from keras_gcnn import export, groups
from keras_gcnn.analysis import assert_equivariant
from keras_gcnn.backend.common import parity as shared
from keras_gcnn.backend.ops import product
from keras_gcnn.groups.parity import even_and_odd
from keras_gcnn.layers import (
    Fields,
    GBatchNormalization,
    GConv2D,
    GSeparableConv2D,
    SteerableConv2D,
)
from tests.helpers.levels import COMPILING, thoroughly

BACKEND = keras.backend.backend()
if BACKEND == "tensorflow":
    pytest.skip("TensorFlow does not compute it", allow_module_level=True)
fewer = importlib.import_module(f"keras_gcnn.backend.{BACKEND}.parity")

P4, P4M = groups.get("p4"), groups.get("p4m")
WINDOW = ((1, 1), "same", "channels_last", (1, 1))


def layer_of(channels, counts, size, **given):
    """A layer in float64, built."""
    given = {"use_bias": False, "dtype": "float64", **given}
    if isinstance(channels, groups.Group):
        layer = GConv2D(counts[1] // channels.order, size, channels, **given)
    else:
        layer = SteerableConv2D(channels, channels, size, **given)
    layer.build((1, 9, 11, counts[0]))
    return layer


def compiled(function):
    if BACKEND == "jax":
        import jax

        return jax.jit(function)
    return function


def slopes(function, *arrays):
    """Gradients of the sum of a function's output, and of the squared gradients' sum."""
    if BACKEND == "jax":
        import jax

        places = tuple(range(len(arrays)))
        first = jax.grad(lambda *given: function(*given).sum(), places)

        def squares(*given):
            return sum((each**2).sum() for each in first(*given))

        return jax.jit(lambda *given: (first(*given), jax.grad(squares, places)(*given)))(*arrays)
    import torch

    inputs = [torch.tensor(each, requires_grad=True) for each in arrays]
    first = torch.autograd.grad(function(*inputs).sum(), inputs, retain_graph=True)
    again = torch.autograd.grad(function(*inputs).sum(), inputs, create_graph=True)
    second = torch.autograd.grad(sum((each**2).sum() for each in again), inputs)
    return first, [each.detach() for each in second]


@pytest.mark.parametrize(
    ("channels", "counts", "size", "padding"),
    [
        (P4M, (88, 184), 3, "same"),  # 11 and 23 fields
        (Fields.regular(3, group="d8"), (48, 48), 5, "same"),
        (P4, (24, 16), 3, "same"),
        (Fields.regular(3, group="c8"), (24, 24), 5, "valid"),
        *thoroughly(
            (P4M, (24, 16), 3, "same"),
            (P4M, (8, 72), 5, "valid"),
            (P4M, (16, 24), 1, "valid"),
            (groups.get("pmm"), (20, 4), 7, "same"),
            (groups.get("p2"), (10, 12), 7, "valid"),
            (Fields.regular(2, group="d6"), (24, 24), 3, "valid"),
            on=COMPILING,
        ),
    ],
)
def test_values_and_gradients_are_those_of_the_convolution(
    rng, monkeypatch, channels, counts, size, padding
):
    monkeypatch.setattr(shared, "_NUMBERS_AT_A_TIME", 2 * 9 * 11 * counts[0])  # two of four images
    layer = layer_of(channels, counts, size)
    shape = layer.expanded_kernel().shape
    maps, kernel = rng.normal(size=(4, 9, 11, counts[0])), layer.expanded_kernel()
    weights = rng.normal(size=ops.conv(maps, kernel, 1, padding).shape)
    weights = ops.convert_to_tensor(weights)
    # Equivariant kernels of two weights.
    other = layer_of(channels, counts, size).expanded_kernel()
    basis = ops.convert_to_tensor(np.stack([kernel.ravel(), other.ravel()]))

    def fast(maps, factors, bias):
        kernel = ops.reshape(product(factors, basis), shape)
        return fewer.convolve(maps, kernel, padding, (channels, channels), bias) ** 2 * weights

    def usual(maps, factors, bias):
        kernel = ops.reshape(product(factors, basis), shape)
        return (ops.conv(maps, kernel, 1, padding) + bias) ** 2 * weights

    given = maps, rng.normal(size=(1, 2)), rng.normal(size=counts[1])
    tensors = [ops.convert_to_tensor(each) for each in given]
    values = [ops.convert_to_numpy(compiled(each)(*tensors)) for each in (fast, usual)]
    np.testing.assert_allclose(*values, rtol=1e-10, atol=1e-12)
    for found, expected in zip(slopes(fast, *given), slopes(usual, *given), strict=True):
        for one, other in zip(found, expected, strict=True):
            scale = float(abs(other).max())
            np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-11 * scale)


@pytest.mark.parametrize(
    ("of", "elements"),
    [
        (P4M, 2),
        (groups.get("pmm"), 2),
        (Fields.regular(1, group="d8"), 2),
        (Fields.regular(1, group="d2"), 2),
        (P4, 1),
        (groups.get("p2"), 1),
        (Fields.regular(1, group="c6"), 1),
    ],
)
def test_elements_change_the_sign_of_parts(of, elements):
    """By the group's own action on fields."""
    parts = even_and_odd(of, elements)
    number, size = parts.shape[:2]
    assert number == 2**elements
    basis = parts.transpose(1, 0, 2).reshape(size, size)
    np.testing.assert_allclose(basis.T @ basis, np.eye(size), atol=1e-12)
    pixel_group = of if isinstance(of, groups.Group) else of.group.pixel_group
    layer = layer_of(of, (size, size), 3, padding="same")
    maps = np.random.default_rng(0).normal(size=(1, 5, 5, size))
    assert_equivariant(layer, inputs=maps)  # by the same action
    for bit, axes in [(1, 2), (2, 1)] if elements == 2 else [(1, (1, 2))]:
        moves = np.diag([-1 if axis in np.atleast_1d(axes) else 1 for axis in (1, 2)])
        assert any((moves == element).all() for element in pixel_group.matrices)
        signs = np.repeat([-1 if part & bit else 1 for part in range(number)], size // number)
        moved = np.flip(maps, axes) @ (basis * signs) @ basis.T
        np.testing.assert_allclose(
            ops.convert_to_numpy(layer(moved)),
            np.flip(ops.convert_to_numpy(layer(maps)), axes) @ (basis * signs) @ basis.T,
            atol=1e-12,
        )


def test_only_wide_maps_gain():
    inputs, kernel = ops.zeros((4, 28, 28, 256)), ops.zeros((3, 3, 256, 256))
    assert fewer.supports(inputs, kernel, *WINDOW, (P4M, P4M))
    assert fewer.supports(inputs, kernel, *WINDOW, (P4, P4)) == (BACKEND == "jax")
    for other in (groups.get("z2"), groups.get("pm"), Fields({0: 128, 1: 64})):
        assert not fewer.supports(inputs, kernel, *WINDOW, (other, other))
    for maps, filters in (
        (inputs[:1], kernel),
        (inputs, kernel[..., :128]),
        (inputs, kernel[:1, :1]),
        (inputs, kernel[:, :, :128]),  # in two groups of channels
        (ops.cast(inputs, "bfloat16"), ops.cast(kernel, "bfloat16")),
    ):
        assert not fewer.supports(maps, filters, *WINDOW, (P4M, P4M))
    for window in (((2, 2), *WINDOW[1:]), (*WINDOW[:2], "channels_first", (1, 1))):
        assert not fewer.supports(inputs, kernel, *window, (P4M, P4M))


def test_a_wide_layer_takes_it_and_is_equivariant(rng, monkeypatch):
    taken = []
    convolve = fewer.convolve
    monkeypatch.setattr(fewer, "convolve", lambda *given: taken.append(1) or convolve(*given))
    layer = GConv2D(32, 3, "p4m", padding="same")
    maps = rng.normal(size=(4, 28, 28, 256)).astype("float32")
    outputs = ops.convert_to_numpy(layer(maps))
    assert taken == [1]
    monkeypatch.setattr(shared, "_REFUSED", True)
    usual = ops.convert_to_numpy(layer(maps))
    np.testing.assert_allclose(outputs, usual, atol=1e-5 * np.abs(outputs).max())
    assert taken == [1]
    monkeypatch.setattr(shared, "_REFUSED", False)
    assert_equivariant(layer, inputs=maps)
    assert len(taken) > 1


@pytest.mark.skipif(BACKEND != "torch", reason="JAX computes separable kernels whole")
def test_the_pointwise_half_of_a_separable_kernel_takes_it(rng, monkeypatch):
    monkeypatch.setattr(shared, "_FEWEST_POINTWISE", 16)
    monkeypatch.setattr(fewer, "_SMALLEST", {4: 16})
    taken = []
    convolve = fewer.convolve
    monkeypatch.setattr(fewer, "convolve", lambda *given: taken.append(1) or convolve(*given))
    layer = GSeparableConv2D(3, 3, "p4m", padding="same", variant="gc")
    maps = rng.normal(size=(16, 14, 14, 16)).astype("float32")
    outputs = ops.convert_to_numpy(layer(maps))
    assert taken == [1]
    expected = ops.conv(maps, layer.expanded_kernel(), 1, "same")
    np.testing.assert_allclose(outputs, ops.convert_to_numpy(expected), atol=1e-5)


def test_an_exported_network_takes_it(rng, monkeypatch):
    taken = []
    convolve = fewer.convolve
    monkeypatch.setattr(fewer, "convolve", lambda *given: taken.append(1) or convolve(*given))
    image = keras.Input((28, 28, 256))
    x = GConv2D(32, 3, "p4m", padding="same", activation="relu")(image)
    network = keras.Model(image, GBatchNormalization("p4m")(x))
    maps = rng.normal(size=(4, 28, 28, 256)).astype("float32")
    fast = export.for_inference(network)
    loaded = type(fast).from_config(fast.get_config())
    loaded.set_weights(fast.get_weights())
    usual = ops.convert_to_numpy(network(maps))
    for model in (fast, loaded):
        taken.clear()
        outputs = ops.convert_to_numpy(model(maps))
        assert taken == [1]
        np.testing.assert_allclose(outputs, usual, atol=1e-5 * np.abs(usual).max())


def test_a_kernel_that_lost_its_mirrors_keeps_its_values(rng):
    """A stock normalisation has its own scale for every orientation."""
    image = keras.Input((28, 28, 256))
    x = GConv2D(32, 3, "p4m", padding="same", use_bias=False)(image)
    normalization = keras.layers.BatchNormalization()
    network = keras.Model(image, normalization(x))
    normalization.set_weights([rng.uniform(1, 2, size=256) for _ in range(4)])
    maps = rng.normal(size=(4, 28, 28, 256)).astype("float32")
    usual = ops.convert_to_numpy(network(maps))
    outputs = ops.convert_to_numpy(export.for_inference(network)(maps))
    np.testing.assert_allclose(outputs, usual, atol=1e-5 * np.abs(usual).max())


@pytest.mark.skipif(BACKEND != "torch", reason="JAX transforms the operations themselves")
def test_several_gradients_at_once(rng):
    import torch

    maps = torch.tensor(rng.normal(size=(2, 6, 6, 16)), requires_grad=True)
    kernel = torch.tensor(layer_of(P4M, (16, 16), 3).expanded_kernel(), requires_grad=True)
    outputs = fewer.convolve(maps, kernel, "same", (P4M, P4M))
    several = torch.tensor(rng.normal(size=(3, *outputs.shape)))
    (found,) = torch.autograd.grad(outputs, maps, several, is_grads_batched=True, retain_graph=True)
    for one, gradient in zip(several, found, strict=True):
        (expected,) = torch.autograd.grad(outputs, maps, one, retain_graph=True)
        torch.testing.assert_close(gradient, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.skipif(BACKEND != "torch", reason="of strides in memory and of autocast")
@pytest.mark.parametrize(("size", "padding"), [(1, "valid"), (3, "valid"), (3, "same")])
def test_maps_and_gradients_of_any_layout(rng, size, padding):
    import torch

    kernel = torch.tensor(layer_of(P4M, (16, 8), size).expanded_kernel())
    last = torch.tensor(rng.normal(size=(2, 16, 6, 7))).permute(0, 2, 3, 1)
    slopes = []
    for maps in (last, last.contiguous()):
        maps.requires_grad_()
        outputs = fewer.convolve(maps, kernel, padding, (P4M, P4M))
        outputs.sum().backward()  # a gradient whose numbers are one number in memory
        slopes.append(maps.grad)
    torch.testing.assert_close(*slopes)
    maps, kernel = ops.zeros((4, 28, 28, 256)), ops.zeros((3, 3, 256, 256))
    with torch.autocast("cpu", torch.bfloat16):
        assert not fewer.supports(maps, kernel, *WINDOW, (P4M, P4M))


@pytest.mark.skipif(BACKEND != "torch", reason="PyTorch multiplies float32 in another way")
def test_gradients_in_float32(rng):
    import torch

    kernel, direction = (layer_of(P4M, (16, 24), 3).expanded_kernel() for _ in range(2))
    maps, weights = rng.normal(size=(2, 6, 7, 16)), rng.normal(size=(2, 6, 7, 24))
    results = []
    for dtype, convolve in (
        (torch.float32, lambda *given: fewer.convolve(*given, "same", (P4M, P4M))),
        (torch.float64, lambda *given: ops.conv(*given, padding="same")),
    ):
        inputs, filters, slopes = (
            torch.tensor(each, dtype=dtype) for each in (maps, kernel, weights)
        )
        (convolve(inputs.requires_grad_(), filters.requires_grad_()) * slopes).sum().backward()
        # Of equivariant kernels the changes that keep them so count.
        along = (filters.grad * torch.tensor(direction, dtype=dtype)).sum()
        results.append((inputs.grad.double(), along.double()))
    torch.testing.assert_close(*results, rtol=1e-4, atol=1e-4)
