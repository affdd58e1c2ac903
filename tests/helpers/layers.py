"""How the tests feed layers: channels-last NumPy arrays in, channels-last NumPy arrays out."""

import keras
import numpy as np
import pytest

DATA_FORMATS = ("channels_last", "channels_first")


def to_format(array, data_format):
    """Channels-last array to the layer's format; leaves arrays without positions alone."""
    first = data_format == "channels_first" and array.ndim == 4
    return array.transpose(0, 3, 1, 2) if first else array


def from_format(array, data_format):
    first = data_format == "channels_first" and array.ndim == 4
    return array.transpose(0, 2, 3, 1) if first else array


def run(layer, inputs, data_format=None, **call):
    """Calls a layer, in its own data format, on a channels-last array."""
    data_format = data_format or getattr(layer, "data_format", "channels_last")
    outputs = keras.ops.convert_to_numpy(layer(to_format(inputs, data_format), **call))
    return from_format(outputs, data_format)


def run_together(layers, inputs, data_formats=None):
    """Calls every built layer on its array, as `run` does: on JAX in one program.

    One program for all compiles in a fifth of the time that the operations take one by one.
    """
    if data_formats is None:
        data_formats = [getattr(layer, "data_format", DATA_FORMATS[0]) for layer in layers]
    arrays = [to_format(*pair) for pair in zip(inputs, data_formats, strict=True)]
    states = [
        [
            [weight.value for weight in weights]
            for weights in (layer.trainable_variables, layer.non_trainable_variables)
        ]
        for layer in layers
    ]

    def call(states, arrays):
        calls = zip(layers, states, arrays, strict=True)
        return [layer.stateless_call(*state, array)[0] for layer, state, array in calls]

    if keras.backend.backend() == "jax":
        import jax

        outputs = jax.jit(call)(states, arrays)
    else:
        outputs = [layer(array) for layer, array in zip(layers, arrays, strict=True)]
    outputs = [keras.ops.convert_to_numpy(one) for one in outputs]
    return [from_format(*pair) for pair in zip(outputs, data_formats, strict=True)]


def random_initializer(seed):
    """Random numbers from NumPy: the same on every backend, and nothing to compile."""
    generator = np.random.default_rng(seed)
    return lambda shape, dtype=None: generator.normal(size=shape)


def randomize(layer, rng):
    """Gives every weight, moving statistics included, random values away from zero."""
    for weight in layer.weights:
        sign = 1 if "variance" in weight.path else rng.choice((-1, 1), weight.shape)
        weight.assign(sign * rng.uniform(0.2, 1, weight.shape))
    return layer


def relative_error(actual, expected):
    """Largest difference over the largest value; infinite if the shapes differ."""
    if actual.shape != expected.shape:
        return np.inf
    return np.abs(actual - expected).max() / np.abs(expected).max()


def equivariance_error(function, inputs, order, move_in, move_out):
    """Largest relative difference of `f(L_g x)` and `L_g f(x)` over every element g.

    Args:
        function: takes and returns channels-last arrays; it is called once, on all moved inputs.
        inputs: square images or maps.
        order: number of elements, the identity first.
        move_in, move_out: functions of an array and g.
    """
    moved = np.concatenate([move_in(inputs, g) for g in range(order)])
    return error_over_elements(function(moved), order, move_out)


def error_over_elements(outputs, order, move_out):
    """The same from what the function returned for all moved inputs."""
    outputs = np.split(outputs, order)
    return max(relative_error(out, move_out(outputs[0], g)) for g, out in enumerate(outputs))


def skip_without_stock_layers(data_format):
    """Skips a test of stock convolutions where TensorFlow has them for channels last only.

    Whether it has others on a CPU depends on the processor.
    """
    try:
        keras.layers.Conv2D(1, 1, data_format=data_format)(np.zeros((1, 2, 2, 2), "float32"))
    except Exception as error:
        if keras.backend.backend() != "tensorflow" or "only supports the NHWC" not in str(error):
            raise
        pytest.skip("TensorFlow has no convolution for channels first on this processor")
