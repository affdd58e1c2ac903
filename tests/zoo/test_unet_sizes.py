"""Sizes of images for U-Nets: padded inside, refused, or left open; and what the errors say."""

import re

import keras
import numpy as np
import pytest

from keras_gcnn import analysis, export, zoo
from keras_gcnn.analysis.precision import dtype_policy
from tests.zoo.networks import images, predict
from tests.zoo.test_unet import both, check, small

QUICK = {"depth": 1, "widths": (2, 3)}


@pytest.mark.parametrize(
    ("group", "shape"),
    [("pm", (16, 19, 2)), ("p2", (18, 22, 2)), ("pmm", (14, 18, 2)), ("z2", (17, 19, 2))],
)
def test_padding_is_exact_on_axes_that_the_group_leaves_or_that_get_equally_much(group, shape):
    with dtype_policy("float64"):
        network = small("unet", group=group, input_shape=shape)
    assert {"pad", "crop"} <= {layer.name for layer in network.layers}
    check(network, group, shape, 1e-10, "float64")


@pytest.mark.backend_free
def test_nothing_is_padded_where_sizes_halve():
    assert not {"pad", "crop", "sizes"} & {layer.name for layer in small("unet").layers}


@pytest.mark.backend_free
@pytest.mark.parametrize(
    ("group", "shape", "names"),
    [
        ("p4m", (17, 17, 2), "Use 18 or 16 rows and columns."),
        ("p2", (17, 20, 2), "Use 18 or 16 rows."),
        ("p4", (20, 17, 2), "Use 18 or 16 columns."),
        ("pm", (21, 17, 2), "Use 22 or 20 rows."),
        ("pmm", (21, 17, 2), "Use 22 or 20 rows and 18 or 16 columns."),
        ("so2", (17, 16, 2), "Use 18 or 16 rows."),
    ],
)
def test_odd_sizes_are_refused_with_the_nearest_that_fit(group, shape, names):
    builder, arguments = ("so2unet", {}) if group == "so2" else ("unet", {"group": group})
    with pytest.raises(ValueError, match=re.escape(names)) as caught:
        small(builder, input_shape=shape, **arguments)
    assert "multiples of 4" in str(caught.value)


@both
def test_trained_on_crops_it_predicts_whole_images(builder):
    network = small(builder, input_shape=(None, None, 2))
    assert network.output_shape == (None, None, None, 3)
    assert network.multiply_adds is None
    for shape in ((16, 16, 2), (24, 12, 2)):
        x = images(shape, n=2)
        found = network.predict(x, verbose=0)
        fixed = small(builder, input_shape=shape)
        fixed.set_weights(network.get_weights())
        expected = predict(fixed, x)
        assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the others compile for every size"
)
@both
def test_xla_compiles_it_for_every_size(builder):
    network = small(builder, input_shape=(None, None, 2), **QUICK)
    network.compile(jit_compile=True)
    for rows in (8, 10, 14):  # from the second on the graph is traced for unknown rows
        x = images((rows, 12, 2), n=2)
        expected = predict(network, x)
        found = network.predict(x, verbose=0)
        assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


@both
def test_an_open_network_is_exact_and_has_a_plain_form(builder, tmp_path):
    network = small(builder, input_shape=(None, None, 2), **QUICK)
    group = "p4m" if builder == "unet" else "p4"
    analysis.assert_equivariant(
        network, group, inputs=images((12, 12, 2), n=2), output_type="trivial"
    )
    assert not analysis.audit(network, input_shape=(12, 12, 2)).problems
    plain = export.to_plain(network)
    network.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras")
    x = images((8, 12, 2))
    expected = predict(network, x)
    for other in (plain, loaded):
        assert np.abs(predict(other, x) - expected).max() <= 1e-4 * np.abs(expected).max()


@both
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_an_open_network_refuses_sizes_that_do_not_halve(builder, data_format):
    shape, first = (None, None, 2), data_format == "channels_first"
    network = small(
        builder, input_shape=(2, None, None) if first else shape, data_format=data_format
    )
    x = images((2, 16, 18) if first else (16, 18, 2))
    with pytest.raises(ValueError, match="rows and columns are multiples of 4"):
        network(x)
    # TensorFlow traces one graph for all sizes, which raises an error of its own.
    with pytest.raises(Exception, match="rows and columns are multiples of 4"):
        network.predict(x, verbose=0)


@both
@pytest.mark.backend_free
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"depth": 0}, "depth=0 has to be an integer from 1 to 10"),
        ({"depth": 2.5}, "depth=2.5 has to be an integer from 1"),
        ({"widths": (3, 3)}, "3 positive integers"),
        ({"widths": (3, 0, 3)}, "3 positive integers"),
        ({"classes": 0}, "classes=0 has to be a positive integer"),
        ({"input_shape": (2, 16, 1)}, "at least 4 rows and columns"),
        ({"input_shape": (16, 16)}, r"three positive integers, .* or \(None, None, 1\)"),
        ({"input_shape": (16, 16, None)}, "three positive integers"),
        ({"input_shape": (None, 16, None)}, "three positive integers"),
        ({"input_shape": 16}, "three positive integers"),
        ({"input_shape": (None, 18, 1)}, "rows and columns are multiples of 4"),
        ({"input_shape": (None, None, 1), "multiply_adds": 10**6}, "which .* leaves open"),
        ({"parameters": 5_000, "multiply_adds": 10**6}, "two budgets"),
        ({"parameters": 5, "widths": None}, "smallest count that can be reached"),
        ({"include_top": "no"}, "include_top='no'"),
        ({"weights": "nowhere"}, "not published for"),
        ({"weights": "nowhere.keras"}, "no file"),
        (
            {"data_format": "channels_first", "classifier_activation": "softmax"},
            "acts along the last axis",
        ),
    ],
)
def test_a_mistake_in_both_networks(builder, wrong, message):
    if wrong.get("data_format") == "channels_first":
        wrong = {**wrong, "input_shape": (1, 16, 16)}
    with pytest.raises(ValueError, match=message):
        small(builder, **wrong)


@pytest.mark.backend_free
@pytest.mark.parametrize(
    ("builder", "wrong", "message"),
    [
        ("unet", {"group": "p5"}, "Choose one of z2"),
        ("unet", {"convolution": "separable"}, "Choose one of 'full', 'g', 'gc'"),
        ("unet", {"restrict_after": "6"}, "stages of this network are 1, 2, 3, 4, 5"),
        ("unet", {"restrict_after": {"4": "p4", "5": "pm"}}, "group of stage '5'"),
        ("so2unet", {"kernel_size": 4}, "kernel_size=4 has to be an odd positive integer"),
        ("so2unet", {"max_frequency": -1}, "integer from 0"),
        ("so2unet", {"max_frequency": 5}, "samples=8 has to be a multiple of 4"),
    ],
)
def test_a_mistake_in_one_network(builder, wrong, message):
    with pytest.raises(ValueError, match=message):
        small(builder, **wrong)


@both
@pytest.mark.backend_free
def test_an_unknown_argument_is_named_with_the_builder(builder):
    with pytest.raises(TypeError, match=rf"{builder}\(\) got an unexpected .*'head'"):
        getattr(zoo, builder)(head="invariant")
