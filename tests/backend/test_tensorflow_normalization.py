"""Batch normalisation by TensorFlow's own operation: values, gradients, and gradients of these."""

import keras
import numpy as np
import pytest

if keras.backend.backend() != "tensorflow":
    pytest.skip("only TensorFlow has it", allow_module_level=True)

import tensorflow as tf

from keras_gcnn.backend.tensorflow import normalization as tensorflow_normalization
from keras_gcnn.layers import GBatchNormalization

SHAPE = (3, 4, 2, 5)


def numbers(rng, *shape):
    return tf.constant(rng.normal(size=shape) + 1, "float32")


def derivatives(function, inputs, weights):
    """Value, gradients, and gradients of a function of these, by two tapes."""
    with tf.GradientTape() as outer:
        outer.watch(inputs)
        with tf.GradientTape() as inner:
            inner.watch(inputs)
            values = function(*inputs)
            total = sum(tf.reduce_sum(one * w) for one, w in zip(values, weights, strict=True))
        first = inner.gradient(total, inputs)
        curved = sum(tf.reduce_sum(tf.sin(one)) for one in first)
    second = outer.gradient(curved, inputs, unconnected_gradients="zero")
    return [*values, *first, *second]


def assert_same(function, formula, inputs, weights):
    for run in (derivatives, tf.function(derivatives)):
        found = run(function, inputs, weights)
        expected = derivatives(formula, inputs, weights)
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=2e-4, atol=2e-5)


def test_moments(rng):
    maps = numbers(rng, *SHAPE)
    weights = numbers(rng, SHAPE[-1]), numbers(rng, SHAPE[-1])
    assert_same(
        lambda x: tensorflow_normalization.moments(x, -1)[1:],
        lambda x: (
            tf.reduce_mean(x, (0, 1, 2)),
            tf.reduce_mean((x - tf.reduce_mean(x, (0, 1, 2))) ** 2, (0, 1, 2)),
        ),
        [maps],
        weights,
    )


@pytest.mark.parametrize("left_out", [(), ("offset",), ("scale",), ("offset", "scale")])
def test_batch_normalization(rng, left_out):
    given = {name: numbers(rng, SHAPE[-1]) for name in ("mean", "variance", "offset", "scale")}
    given["variance"] = tf.abs(given["variance"])
    given = {name: one for name, one in given.items() if name not in left_out}

    def own(maps, *others):
        named = dict(zip(given, others, strict=True))
        return (tensorflow_normalization.batch_normalization(maps, axis=-1, epsilon=0.1, **named),)

    def formula(maps, *others):
        named = dict(zip(given, others, strict=True))
        normal = (maps - named["mean"]) / tf.sqrt(named["variance"] + 0.1)
        return (normal * named.get("scale", 1.0) + named.get("offset", 0.0),)

    assert_same(own, formula, [numbers(rng, *SHAPE), *given.values()], [numbers(rng, *SHAPE)])


def test_statistics_far_from_zero(rng):
    maps = (1000 + rng.normal(size=(64, 30, 30, 3))).astype("float32")
    _, mean, variance = tensorflow_normalization.moments(tf.constant(maps), -1)
    exact = maps.astype("float64")
    np.testing.assert_allclose(mean, exact.mean((0, 1, 2)), rtol=2e-5)
    np.testing.assert_allclose(variance, exact.var((0, 1, 2)), rtol=1e-3)


def test_a_single_pixel_has_no_variance():
    _, mean, variance = tensorflow_normalization.moments(tf.constant([[[[3.0, -1.0]]]]), -1)
    np.testing.assert_array_equal(mean, [3, -1])
    np.testing.assert_array_equal(variance, [0, 0])


@pytest.mark.parametrize("jit_compile", [False, True])
def test_the_layer_takes_it(rng, monkeypatch, jit_compile):
    """In a graph whose batch has any size, also where XLA compiles it."""
    taken = []
    own = tensorflow_normalization.moments
    monkeypatch.setattr(
        tensorflow_normalization, "moments", lambda *given: taken.append(given) or own(*given)
    )
    layer = GBatchNormalization("p4")
    layer.build((None, 6, 6, 12))
    maps = tf.constant(rng.normal(size=(5, 6, 6, 12)), "float32")

    @tf.function(jit_compile=jit_compile, input_signature=[tf.TensorSpec((None, 6, 6, 12))])
    def train(maps):
        return layer(maps, training=True)

    found = np.reshape(train(maps), (-1, 4))
    assert taken
    by_field = np.moveaxis(np.reshape(maps, (5, 36, 3, 4)), 2, 0).reshape(3, -1)
    wanted = (by_field - by_field.mean(1, keepdims=True)) / np.sqrt(
        by_field.var(1, keepdims=True) + layer.epsilon
    )
    wanted = np.moveaxis(wanted.reshape(3, 5, 36, 4), 0, 2).reshape(-1, 4)
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.skipif(bool(tf.config.list_physical_devices("GPU")), reason="on a CPU only")
@pytest.mark.parametrize("channels", [12, 8], ids=["fused", "composed"])
@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_batch_that_turns_out_to_be_empty(channels, jit_compile):
    layer = GBatchNormalization("p4")
    layer.build((None, 6, 6, channels))
    before = layer.get_weights()
    signature = [tf.TensorSpec((None, 6, 6, channels))]

    @tf.function(jit_compile=jit_compile, input_signature=signature)
    def train(maps):
        with tf.GradientTape() as tape:
            outputs = layer(maps, training=True)
        return outputs, tape.gradient(outputs, layer.gamma.value)

    outputs, slope = train(tf.zeros((0, 6, 6, channels)))
    assert outputs.shape == (0, 6, 6, channels)
    np.testing.assert_array_equal(slope, 0)
    for one, other in zip(layer.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)
    train(tf.ones((2, 6, 6, channels)))
    assert (layer.get_weights()[2] > 0).all()


def test_it_is_taken_where_it_is_faster():
    def taken(*shape, axis=-1, dtype="float32"):
        return tensorflow_normalization.supports(tf.zeros(shape, dtype), axis)

    assert taken(2, 6, 6, 12)
    assert taken(2, 6, 6, 12, axis=3)
    assert not taken(2, 6, 6, 40)
    assert not taken(2, 6, 6, 21)
    assert not taken(2, 12, 6, 6, axis=1)
    assert not taken(2, 12)
    assert not taken(2, 6, 6, 12, dtype="float64")
