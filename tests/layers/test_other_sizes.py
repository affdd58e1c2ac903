"""A layer built for a size at which it is exact, and called at a size at which it is not."""

import warnings

import keras
import numpy as np
import pytest

from keras_gcnn.layers import EquivarianceWarning, GMaxPooling2D, LiftingConv2D, SteerableConv2D

SIZE_DEPENDENT = [
    lambda **more: LiftingConv2D(2, 3, "p4", strides=2, **more),
    lambda **more: LiftingConv2D(2, 3, "p4", strides=2, padding="reflect", **more),
    lambda **more: GMaxPooling2D(3, 2, **more),
    lambda **more: SteerableConv2D({0: 1}, {0: 1}, 3, strides=2, **more),
]


def images(size):
    return np.zeros((1, size, size, 1), "float32")


@pytest.mark.parametrize("make", SIZE_DEPENDENT)
def test_a_call_on_a_broken_size_warns(make):
    layer = make()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        layer(images(9))
        layer(images(11))
    with pytest.warns(EquivarianceWarning, match="8 rows"):
        layer(images(8))


@pytest.mark.parametrize("make", SIZE_DEPENDENT)
def test_a_strict_layer_refuses_a_broken_size(make):
    layer = make(equivariance="strict")
    layer(images(9))
    for _ in range(2):  # a second try is no better
        with pytest.raises(ValueError, match="not equivariant"):
            layer(images(8))


def predictor(layer, sizes=(9, 11)):
    """`predict` of a model that has seen several sizes; TensorFlow then leaves them open."""
    model = keras.Sequential([layer])
    for size in sizes:
        model.predict(images(size), verbose=0)
    return lambda size: model.predict(images(size), verbose=0)


@pytest.mark.parametrize("make", SIZE_DEPENDENT)
def test_a_compiled_model_warns_once_for_a_size(make):
    with warnings.catch_warnings():
        warnings.simplefilter("error", EquivarianceWarning)
        predict = predictor(make())
    for size in (10, 8):
        with pytest.warns(EquivarianceWarning, match=f"{size} rows.*{size + 1} or {size - 1} rows"):
            predict(size)
    with warnings.catch_warnings():
        warnings.simplefilter("error", EquivarianceWarning)
        predict(8)
        predict(9)


@pytest.mark.parametrize("make", SIZE_DEPENDENT)
def test_a_compiled_model_refuses_if_it_is_strict(make):
    predict = predictor(make(equivariance="strict"))
    with pytest.raises(Exception, match=r"not equivariant.*8 rows"):  # of the backend's kind
        predict(8)


def test_a_compiled_model_refuses_what_is_smaller_than_the_window():
    predict = predictor(LiftingConv2D(2, 5, "p4", strides=2))
    with pytest.raises(Exception, match="needs at least 5 rows and 5 columns"):
        predict(3)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="graphs of TensorFlow")
def test_xla_warns_that_it_cannot_check_and_files_hold_no_check(tmp_path):
    import tensorflow as tf

    model = keras.Sequential([keras.Input((None, None, 1)), LiftingConv2D(2, 3, "p4", strides=2)])
    model.export(str(tmp_path), verbose=False)
    signature = tf.saved_model.load(str(tmp_path)).signatures["serving_default"]
    functions = signature.graph.as_graph_def().library.function
    nodes = [*signature.graph.as_graph_def().node, *(n for f in functions for n in f.node_def)]
    assert "Conv2D" in {node.op for node in nodes}
    assert not [node.op for node in nodes if "PyFunc" in node.op]

    spec = [tf.TensorSpec((1, None, None, 1))]
    compiled = tf.function(model, input_signature=spec, jit_compile=True)
    with pytest.warns(EquivarianceWarning, match="XLA compiles it for any.*jit_compile=False"):
        compiled(images(9))
