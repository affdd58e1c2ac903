"""Activations of fields against loops over angles, fields and pairs."""

import keras
import numpy as np
import pytest

from keras_gcnn.layers import FourierActivation, GatedActivation, NormActivation
from tests.helpers.layers import DATA_FORMATS, randomize, relative_error, run
from tests.helpers.steerable import FIELDS, channels, layout, turn_fibres

EPSILON = 1e-6


def relu(values):
    return np.maximum(values, 0)


def elu(values):
    return np.where(values > 0, values, np.expm1(np.minimum(values, 0)))


def sigmoid(values):
    return 1 / (1 + np.exp(-values))


def fourier(maps, fields, activation, samples):
    """`Ainv act(A x)`, the rows of A `[1, sqrt2 cos t, sqrt2 sin t, ...] / sqrt(size)`."""
    outputs = np.zeros_like(maps)
    for field in range(max(fields.values())):
        parts = {k: part for (c, k), part in layout(fields).items() if c == field}
        size = sum(1 if k == 0 else 2 for k in parts)
        for t in 2 * np.pi * np.arange(samples) / samples:
            waves = {
                k: [1] if k == 0 else [np.sqrt(2) * np.cos(k * t), np.sqrt(2) * np.sin(k * t)]
                for k in parts
            }
            value = sum(maps[..., parts[k]] @ waves[k] for k in parts) / np.sqrt(size)
            for k, part in parts.items():
                outputs[..., part] += activation(value)[..., None] * waves[k]
        for part in parts.values():
            outputs[..., part] *= np.sqrt(size) / samples
    return outputs


@pytest.mark.parametrize(
    ("fields", "activation", "samples", "data_format"),
    [
        (FIELDS, elu, 8, "channels_last"),
        (FIELDS, relu, 20, "channels_first"),
        ({0: 2, 1: 2, 2: 2}, elu, 16, "channels_first"),
        ({1: 2, 2: 1}, relu, 8, "channels_last"),
        ({0: 4}, sigmoid, 4, "channels_first"),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_fourier_values_are_the_formula(fields, activation, samples, data_format, rng):
    maps = rng.normal(size=(2, 3, 4, channels(fields)))
    layer = FourierActivation(
        fields, activation.__name__, samples=samples, data_format=data_format, dtype="float64"
    )
    expected = fourier(maps, fields, activation, samples)
    assert relative_error(run(layer, maps), expected) < 1e-12


@pytest.mark.parametrize(
    ("fields", "data_format"),
    [
        (FIELDS, "channels_last"),
        (FIELDS, "channels_first"),
        ({1: 2, 2: 1}, "channels_last"),
        ({0: 4}, "channels_first"),
    ],
    ids=str,
)
def test_norm_values_are_the_formula(fields, data_format, rng):
    maps = rng.normal(size=(2, 3, 4, channels(fields)))
    layer = NormActivation(
        fields, "sigmoid", epsilon=EPSILON, data_format=data_format, dtype="float64"
    )
    run(layer, maps)
    randomize(layer, rng)
    biases = {
        name: iter(keras.ops.convert_to_numpy(bias))
        for name, bias in (("scalar", layer.scalar_bias), ("pair", layer.pair_bias))
        if bias is not None
    }
    expected = np.zeros_like(maps)
    for (_, frequency), part in layout(fields).items():
        values = maps[..., part]
        if frequency == 0:
            expected[..., part] = sigmoid(values + next(biases["scalar"]))
        else:
            lengths = np.sqrt((values**2).sum(-1, keepdims=True) + EPSILON)
            expected[..., part] = sigmoid(lengths + next(biases["pair"])) * values / lengths
    assert relative_error(run(layer, maps), expected) < 1e-12
    assert all(not list(rest) for rest in biases.values())


@pytest.mark.parametrize(
    ("fields", "data_format"),
    [
        (FIELDS, "channels_last"),
        (FIELDS, "channels_first"),
        ({0: 2, 1: 2, 2: 2}, "channels_last"),
        ({0: 4}, "channels_first"),
    ],
    ids=str,
)
def test_gated_values_are_the_formula(fields, data_format, rng):
    maps = rng.normal(size=(2, 3, 4, channels(fields)))
    layer = GatedActivation(fields, data_format=data_format, dtype="float64")
    expected = np.zeros_like(maps)
    for (field, frequency), part in layout(fields).items():
        scalars = maps[..., layout(fields)[field, 0]]
        expected[..., part] = (
            relu(scalars) if frequency == 0 else sigmoid(scalars) * maps[..., part]
        )
    assert relative_error(run(layer, maps), expected) < 1e-12


def test_other_activations(rng):
    fibres = rng.normal(size=(5, channels(FIELDS)))
    scalar, pair = (layout(FIELDS)[0, frequency] for frequency in (0, 1))
    normed = run(NormActivation(FIELDS, keras.activations.elu, dtype="float64"), fibres)
    np.testing.assert_allclose(normed[:, scalar], elu(fibres[:, scalar]))
    gated = run(GatedActivation(FIELDS, "elu", gate="relu", dtype="float64"), fibres)
    np.testing.assert_allclose(gated[:, scalar], elu(fibres[:, scalar]))
    np.testing.assert_allclose(gated[:, pair], relu(fibres[:, scalar]) * fibres[:, pair])


@pytest.mark.parametrize(
    "make",
    [
        lambda **how: FourierActivation(FIELDS, samples=8, **how),
        lambda **how: NormActivation(FIELDS, **how),
        lambda **how: GatedActivation(FIELDS, **how),
    ],
)
def test_vectors(make, rng):
    """After pooling over positions the channels are the last axis and the second."""
    fibres = rng.normal(size=(6, channels(FIELDS)))
    expected = run(make(dtype="float64"), fibres[:, None, None])[:, 0, 0]
    for data_format in DATA_FORMATS:
        actual = run(make(data_format=data_format, dtype="float64"), fibres)
        assert relative_error(actual, expected) < 1e-12


def test_enough_samples_lose_nothing(rng):
    fibres = rng.normal(size=(5, channels(FIELDS)))
    layer = FourierActivation(FIELDS, "linear", samples=8, dtype="float64")
    assert relative_error(run(layer, fibres), fibres) < 1e-12


def fourier_error(angles, samples, rng):
    """Largest relative difference over these angles."""
    fields = {k: 8 for k in range(6)}
    fibres = rng.normal(size=(50, channels(fields)))
    layer = FourierActivation(fields, "relu", samples=samples, dtype="float64")
    moved = [turn_fibres(fibres, fields, angle) for angle in (0, *angles)]
    upright, *turned = np.split(run(layer, np.concatenate(moved)), len(moved))
    return max(
        relative_error(one, turn_fibres(upright, fields, angle))
        for one, angle in zip(turned, angles, strict=True)
    )


@pytest.mark.parametrize("samples", [16, 20])
def test_fourier_is_exact_for_turns_from_sample_to_sample(samples, rng):
    assert fourier_error(2 * np.pi * np.arange(1, samples) / samples, samples, rng) < 1e-12


def test_fourier_is_nearly_so_for_others_and_the_nearer_the_more_samples(rng):
    errors = [fourier_error([np.pi / 32], samples, rng) for samples in (12, 24, 60)]
    assert errors[0] > 2 * errors[1] > 4 * errors[2] > 1e-4
    assert errors[1] < 0.1


def test_at_zero_the_gradient_is_finite():
    """Of lengths it would not be, but for the small number that is added to their squares."""
    network = keras.Sequential(
        [
            keras.layers.Dense(channels(FIELDS), kernel_initializer="zeros"),
            NormActivation(FIELDS, "elu"),
        ]
    )
    network.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=False)
    network.train_on_batch(np.ones((2, 3)), np.ones((2, channels(FIELDS))))
    kernel = keras.ops.convert_to_numpy(network.layers[0].kernel)
    assert np.isfinite(kernel).all()
    assert np.abs(kernel).max() > 0


@pytest.mark.parametrize("half", ["float16", "bfloat16"])
def test_half_precision_holds_long_pairs(half):
    """The square of 300 overflows float16."""
    layer = NormActivation({0: 1, 1: 1}, dtype=f"mixed_{half}")
    outputs = keras.ops.cast(layer(np.array([[1, 300, 400]], "float32")), "float32")
    np.testing.assert_allclose(keras.ops.convert_to_numpy(outputs), [[1, 300, 400]], rtol=4 * 2**-8)
