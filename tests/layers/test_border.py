"""Convolutions that take what they add at the borders from the map: circular and reflected."""

import functools

import keras
import numpy as np
import pytest

from keras_gcnn import analysis, export, layers
from tests.helpers import reference
from tests.helpers.contract import predict, randomized
from tests.helpers.convolutions import (
    Experiment,
    check_experiments,
    check_together,
    in_parts,
    inputs_and_move,
    make,
)
from tests.helpers.covering import covering
from tests.helpers.layers import DATA_FORMATS, random_initializer, relative_error, run_together
from tests.helpers.steerable import QUARTERS, channels, turn
from tests.rewriting.plain_checks import assert_same_outputs
from tests.rewriting.plain_checks import check as check_plain

PADDINGS = ["circular", "reflect"]
CLASSES = [
    layers.LiftingConv2D,
    layers.GConv2D,
    layers.GSeparableConv2D,
    layers.GDepthwiseConv2D,
]
# A stride or a dilation, and a size.
SLIDES = [({"strides": s}, size) for s in (1, 2, 3) for size in (6, 7)]
SLIDES += [({"dilation_rate": 2}, 6)]


def slides(**values):
    """Covering cases with whether they are exact, by the rule for `"same"`."""
    for case in covering(padding=PADDINGS, kernel=[2, 3, 4, 5], slide=SLIDES, **values):
        slide, size = case.pop("slide")
        kernel = case["kernel"]
        extent = (kernel - 1) * slide.get("dilation_rate", 1) + 1
        exact = reference.is_exact(size, extent, slide.get("strides", 1), "same")
        if extent // 2 < size:
            yield {**case, **slide}, size, exact


def slides_on_groups():
    for case, size, exact in slides(
        layer_class=CLASSES, group=["p4", "p4m"], data_format=DATA_FORMATS
    ):
        layer_class, group, kernel = (case.pop(key) for key in ("layer_class", "group", "kernel"))
        yield layer_class, group, kernel, size, exact, case


@pytest.mark.parametrize("cases", in_parts([*slides_on_groups()]))
def test_exact_or_reported(cases, rng):
    check_together(cases, rng)


def test_the_cases_are_exact_and_broken():
    assert {exact for *_, exact, _ in slides_on_groups()} == {True, False}


@pytest.mark.parametrize("cases", in_parts([*slides(data_format=DATA_FORMATS)]))
def test_steerable_layers_are_exact_or_reported(cases, rng):
    fields, experiments = {0: 1, 1: 1}, []
    settings = {
        "kernel_initializer": random_initializer(1),
        "bias_initializer": random_initializer(2),
        "dtype": "float64",
        "band_limit": 0.5,
    }

    def move(array, g):
        return turn(array, fields, g)

    for case, size, exact in cases:
        case = dict(case)
        build = functools.partial(
            layers.SteerableConv2D, fields, fields, case.pop("kernel"), **settings, **case
        )
        inputs = rng.normal(size=(1, size, size, channels(fields)))
        experiments.append(Experiment(build, exact, inputs, QUARTERS, move, move))
    check_experiments(experiments)


def test_a_circular_convolution_commutes_with_circular_shifts(rng):
    """By any number of places with stride 1, also with an even kernel."""
    made, arrays, shift = [], [], (3, -2)
    for layer_class, kernel in zip(CLASSES, (3, 4, 2, 5), strict=True):
        inputs, _ = inputs_and_move(layer_class, "p4", 6, rng)
        layer = make(layer_class, "p4", kernel, "ignore", padding="circular")
        layer.build(inputs.shape)
        made.append(layer)
        arrays.append(np.concatenate([inputs, np.roll(inputs, shift, (1, 2))]))
    for outputs in run_together(made, arrays):
        assert relative_error(outputs[1:], np.roll(outputs[:1], shift, (1, 2))) < 1e-12


def network(size=9, strides=2):
    """Images to maps through every layer with a padding."""
    wrap, mirror = (
        {"padding": padding, "equivariance": "ignore"} for padding in ("circular", "reflect")
    )
    image = keras.Input((size, size, 2))
    x = layers.LiftingConv2D(2, 3, "p4", **wrap)(image)
    x = layers.GConv2D(2, 3, "p4", strides=strides, **mirror)(x)
    x = layers.GBatchNormalization("p4")(x)
    x = layers.GSeparableConv2D(2, 3, "p4", dilation_rate=2, activation="relu", **wrap)(x)
    x = layers.GDepthwiseConv2D(3, "p4", depth_multiplier=2, **mirror)(x)
    y = layers.SteerableConv2D({0: 2}, {0: 1, 1: 1}, 3, strides=strides, **wrap)(image)
    return randomized(keras.Model(image, [layers.GPooling("max", "p4")(x), y]))


def images(size):
    return np.random.default_rng(0).normal(size=(2, size, size, 2)).astype("float32")


@pytest.mark.thorough("jax", "tensorflow")
def test_the_audit_names_what_is_broken_alone():
    found = analysis.audit(network(size=10), "p4").problems
    assert [finding.kind for finding in found] == ["GConv2D", "SteerableConv2D"]
    assert all("pads 0 before and 1 after" in finding.problem for finding in found)


def test_rewritten_saved_and_exported(tmp_path):
    model, x = network(), images(9)
    plain = check_plain(model, x)
    assert_same_outputs(export.for_inference(model), model, x)
    for name, one in (("own", model), ("plain", plain)):
        one.save(tmp_path / f"{name}.keras")
        loaded = keras.saving.load_model(tmp_path / f"{name}.keras")
        assert_same_outputs(loaded, model, x)
    if keras.backend.backend() != "jax":  # which has TensorFlow write the file, and takes long
        export.save(model, tmp_path / "net.onnx")  # compares ONNX Runtime's outputs


@pytest.mark.thorough("jax")
def test_networks_of_open_size():
    """Strides then pad by the size of each image, and a plain network cannot."""
    model = network(size=None)
    for size in (9, 8):  # at the second size TensorFlow leaves it open
        x = images(size)
        fixed = network(size=size)
        fixed.set_weights(model.get_weights())
        expected = predict(fixed, x)
        for found, other in zip(model.predict(x, verbose=0), expected, strict=True):
            assert relative_error(found, other) < 1e-5
    with pytest.raises(ValueError, match=r"strides adds at the borders.*open.*State the size"):
        export.to_plain(model)
    check_plain(network(size=None, strides=1), images(7))
