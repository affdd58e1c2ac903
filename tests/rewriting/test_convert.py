"""`convert` makes plain models equivariant, exactly, and says what it did."""

import keras
import numpy as np
import pytest
from keras import layers

import keras_gcnn
from keras_gcnn import analysis, export
from keras_gcnn.analysis.precision import dtype_policy
from tests.helpers import random_plain
from tests.helpers.contract import predict
from tests.helpers.layers import relative_error
from tests.helpers.levels import COMPILING, thoroughly
from tests.helpers.plain_models import classifier, randomized, segmenter
from tests.zoo.networks import images

EXACT = 1e-10
# Keras computes GlobalAveragePooling2D in float32 on JAX and PyTorch, and bilinear UpSampling2D on
# TensorFlow, whatever the dtype.
EXACT_IN_FLOAT32 = 1e-6


@pytest.mark.parametrize(
    ("group", "options", "size"),
    [
        ("p4m", {}, 13),
        *thoroughly(
            ("p4", {"downsampling": "exact", "keep": "parameters"}, 12),
            ("pmm", {"downsampling": "exact", "keep": "fields"}, 13),
            on=COMPILING,
        ),
    ],
)
def test_a_classifier_is_invariant(group, options, size):
    with dtype_policy("float64"):
        plain = classifier(size)
        network = randomized(keras_gcnn.convert(plain, group, **options))
    report = network.conversion
    assert not report.problems
    assert max(report.errors().values()) < EXACT_IN_FLOAT32
    names = {layer.name for layer in network.layers}
    assert {"stem", "grouped", "logits"} <= names
    assert [tuple(each.shape) for each in network.outputs] == [(None, 5)]


@pytest.mark.parametrize("group", ["p4m", *thoroughly("p4", on=COMPILING)])
def test_maps_rotate_with_the_image(group):
    with dtype_policy("float64"):
        network = randomized(keras_gcnn.convert(segmenter(), group))
    assert not network.conversion.problems
    assert max(network.conversion.errors().values()) < EXACT_IN_FLOAT32
    assert [each.shape[-1] for each in network.outputs] == [3, 1]


@pytest.mark.thorough("jax", "tensorflow")
def test_sizes_that_windows_do_not_fit_are_reported():
    report = keras_gcnn.convert(classifier(12), "p4").conversion
    assert report.problems
    assert max(report.errors().values()) > 1e-4
    changes = "\n".join(change for line in report.lines for change in line.changes)
    assert "padding ((0, 1), (0, 1)) became ((1, 1), (1, 1))" in changes
    text = str(report)
    assert "not exact at the size of the input" in text
    assert "use inputs of" in text


@pytest.mark.thorough("jax", "tensorflow")
def test_the_report_tells_what_changed_and_what_it_costs():
    report = keras_gcnn.convert(classifier(13), "p4m").conversion
    lines = {line.name: line for line in report.lines}
    assert lines["stem"].after == ("LiftingConv2D",)
    assert lines["stem"].parameters == (16 * 28, 2 * 28)
    assert lines["stem"].multiply_adds == (13 * 13 * 27 * 16, 13 * 13 * 27 * 16)
    assert lines["grouped"].multiply_adds == (13 * 13 * 9 * 20 * 16, 13 * 13 * 9 * 40 * 16)
    changes = "\n".join(change for line in report.lines for change in line.changes)
    assert "kernel_size (1, 3) became (3, 3)" in changes
    assert all(line.after for line in report.lines)  # operations are kept, not left out
    assert "| stem | Conv2D | LiftingConv2D |" in report.as_table()
    assert report.as_table() in report._repr_markdown_()  # what notebooks show


@pytest.mark.backend_free
@pytest.mark.parametrize(
    ("group", "argument", "budget"),
    [
        ("p4m", "parameters", 20_000),
        ("p4", "multiply_adds", 2_000_000),
        ("z2", "multiply_adds", 2_000_000),
    ],
)
def test_a_budget_is_used_and_the_widths_stay_in_proportion(group, argument, budget):
    plain = segmenter()
    network = keras_gcnn.convert(plain, group, **{argument: budget})
    spent = getattr(analysis.cost(network), argument)
    assert 0.98 * budget <= spent <= budget
    assert max(network.conversion.errors().values()) < 1e-5
    shares = [
        network.get_layer(name).filters / plain.get_layer(name).filters
        for name in ("first", "second", "up")
    ]
    assert max(shares) < 2 * min(shares)


@pytest.mark.backend_free
def test_budgets_that_cannot_be_met_are_refused():
    plain = segmenter()
    for options, message in (
        ({"parameters": 10}, r"parameters=10 is too few: the smallest count .* is \d+"),
        ({"parameters": 1500}, r"cannot be met to 2 %. The nearest counts .* are 1,\d+ and 1,\d+"),
        ({"parameters": 0}, "positive integer"),
        ({"parameters": 1, "multiply_adds": 1}, "two budgets"),
    ):
        with pytest.raises(ValueError, match=message):
            keras_gcnn.convert(plain, "p4m", **options)


def test_on_the_plane_it_is_the_same_model():
    plain = randomized(classifier())
    network = keras_gcnn.convert(plain, "z2")
    network.set_weights(plain.get_weights())
    x = images((13, 13, 3), n=2)
    np.testing.assert_array_equal(predict(network, x), predict(plain, x))


def test_its_plain_form_computes_the_same(tmp_path):
    network = randomized(keras_gcnn.convert(classifier(), "p4"))
    x = images((13, 13, 3), n=2)
    plain = export.to_plain(network)
    assert relative_error(predict(plain, x), predict(network, x)) < 1e-5
    network.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras")
    np.testing.assert_array_equal(predict(loaded, x), predict(network, x))


def test_flatten_becomes_a_kernel_as_large_as_the_map():
    with dtype_policy("float64"):
        image = keras.Input((6, 6, 3))
        maps = layers.Conv2D(8, 3, activation="relu")(image)
        x = layers.Dropout(0.5)(layers.Flatten()(maps))
        x = layers.Dense(4)(layers.Dense(16, activation="relu")(x))
        plain = keras.Model(image, [x, layers.Conv2D(8, 3)(maps)])
        network = randomized(keras_gcnn.convert(plain, "p4m", keep="fields"))
    assert max(network.conversion.errors().values()) < EXACT


@pytest.mark.thorough("jax", "tensorflow")
def test_a_head_may_keep_the_orientations():
    network = keras_gcnn.convert(classifier(), "p4", head="orientations")
    assert 'head="invariant"' in str(network.conversion.problems)
    backbone = keras.Sequential([keras.Input((9, 9, 3)), layers.Conv2D(8, 3)])
    maps = keras_gcnn.convert(backbone, "p4", head="orientations")
    assert maps.output_shape == (None, 7, 7, 8)
    assert max(maps.conversion.errors().values()) < 1e-5


def model_with(*some, shape=(8, 8, 4)):
    return keras.Sequential(
        [keras.Input(shape), layers.Conv2D(8, 3, padding="same"), *some], name="model"
    )


class OwnLayer(keras.layers.Layer):
    def call(self, inputs):
        return keras.ops.cumsum(inputs, axis=1)


class OwnActivation(keras.layers.Layer):
    def call(self, inputs):
        return keras.ops.abs(inputs)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (lambda: layers.Reshape((4, 16, 8), name="odd"), "'odd' cannot be converted: it changes"),
        (lambda: layers.Permute((2, 1, 3), name="odd"), "'odd' .*mixes rows, columns"),
        (lambda: layers.Conv2D(8, 3, strides=(1, 2), name="odd"), "'odd' .*strides=\\(1, 2\\)"),
        (lambda: layers.BatchNormalization(axis=1, name="odd"), "'odd' .*axis=1"),
        (lambda: OwnLayer(name="odd"), "OwnLayer 'odd' .*no counterpart.*symmetrize"),
        (lambda: layers.Normalization(name="odd"), "'odd' .*acts on images"),
    ],
)
def test_what_cannot_be_converted_is_named(layer, message):
    with pytest.raises(ValueError, match=message):
        keras_gcnn.convert(model_with(layer(), layers.Conv2D(4, 1)), "p4")


def test_an_unknown_layer_is_kept_if_it_treats_all_numbers_alike():
    network = keras_gcnn.convert(model_with(OwnActivation()), "p4", on_unknown="keep")
    assert max(network.conversion.errors().values()) < 1e-6
    with pytest.raises(ValueError, match="does not treat all channels and positions") as caught:
        keras_gcnn.convert(model_with(OwnLayer()), "p4", on_unknown="keep")
    assert "on_unknown" not in str(caught.value)  # it was given
    with pytest.raises(ValueError, match=r'convert\(\.\.\., on_unknown="keep"\) in Python'):
        keras_gcnn.convert(model_with(OwnLayer()), "p4")


@pytest.mark.backend_free  # what is converted does not depend on it, and JAX compiles every model
@pytest.mark.parametrize("part", [0, *thoroughly(1, 2)])
def test_random_models_are_exact_or_refused_or_reported(part):
    """More of them by `python -m tests.helpers.random_plain 2000`."""
    found = [random_plain.check(seed) for seed in range(part, 36, 3)]
    assert found.count("exact") > 6
