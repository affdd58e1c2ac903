"""Recipes of Keras's own networks, made equivariant."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
from pydantic import ValidationError

from keras_gcnn.analysis import assert_equivariant
from keras_gcnn.training.recipes.tables import ModelTable
from keras_gcnn.training.runs.networks import _take_unit_pixels, build_network

DATASET = SimpleNamespace(image_shape=(33, 33, 1), classes=("one", "two", "three"))
MOBILE = {
    "name": "mobile",
    "builder": "keras.applications.MobileNet",
    "arguments": {"alpha": 0.25},
}


@pytest.mark.thorough("jax")
def test_a_converted_network_is_built():
    plain = build_network(ModelTable(**MOBILE), DATASET, 0)
    table = ModelTable(**MOBILE, convert={"group": "p4", "keep": "channels"})
    network = build_network(table, DATASET, 0)
    assert network.output_shape == (None, 3)
    assert network.count_params() < plain.count_params() / 2
    assert_equivariant(network, "p4")


def scales(network):
    return [layer.scale for layer in network.layers if isinstance(layer, keras.layers.Rescaling)]


def test_images_from_0_to_1_are_not_prepared_as_pixels_from_0_to_255():
    table = {"name": "mobile", "builder": "keras.applications.MobileNetV3Small"}
    arguments = {"alpha": 0.25, "minimalistic": True}
    network = build_network(ModelTable(**table, arguments=arguments), DATASET, 0)
    assert scales(network) == []
    asked = {**arguments, "include_preprocessing": True}
    network = build_network(ModelTable(**table, arguments=asked), DATASET, 0)
    assert scales(network) == [pytest.approx(1 / 127.5)]  # the recipe has the last word


@pytest.mark.thorough("jax", "tensorflow")
def test_a_builder_that_always_prepares_images_gets_them_as_it_needs(rng):
    table = ModelTable(name="b0", builder="keras.applications.EfficientNetB0")
    network = build_network(table, DATASET, 0)
    shape, classes = DATASET.image_shape, len(DATASET.classes)
    plain = keras.applications.EfficientNetB0(
        weights=None, input_shape=shape, classes=classes, classifier_activation=None
    )
    plain.set_weights(network.get_weights())
    images = rng.random((2, *shape)).astype("float32")
    expected = plain.predict(255 * images, verbose=0)
    found = network.predict(images, verbose=0)  # small numbers, in an untrained network
    largest = np.abs(expected).max()
    np.testing.assert_allclose(found, expected, atol=1e-3 * largest)
    assert np.abs(plain.predict(images, verbose=0)).max() < 0.1 * largest
    again = keras.models.clone_model(network)  # as a file has it
    assert scales(again) == [1.0]


def test_a_scale_for_each_channel_stays():
    """EfficientNet has one behind the scale of pixels if its weights are those of ImageNet."""
    spreads = [2.0, 3.0, 4.0]
    parts = (keras.layers.Rescaling(1 / 255), keras.layers.Rescaling(spreads))
    network = keras.Sequential([keras.Input((8, 8, 3)), *parts])
    _take_unit_pixels(network)
    assert scales(network) == [1.0, spreads]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"convert": {"group": "p5"}}, "Unknown group 'p5'"),
        ({"convert": {"keep": "width"}}, "'channels', 'parameters' or 'fields'"),
        (
            {"convert": {"keep": "fields", "parameters": 9}},
            "keep and parameters exclude each other",
        ),
        ({"symmetrize": {"group": "c8", "already": "c0"}}, "Unknown group 'c0'"),
        ({"builder": "lenet", "convert": {}}, "convert is for builders of keras.applications"),
    ],
)
def test_wrong_tables_are_refused(changes, message):
    with pytest.raises(ValidationError, match=message):
        ModelTable(**{**MOBILE, **changes})


def test_an_unknown_network_is_refused():
    table = ModelTable(name="mobile", builder="keras.applications.MobileNetV9")
    with pytest.raises(ValueError, match=r"no such network\. Choose one of .*MobileNetV2"):
        build_network(table, DATASET, 0)


def test_images_that_are_too_small_are_named_with_the_network():
    table = ModelTable(**{**MOBILE, "convert": {"group": "p4"}})
    digits = SimpleNamespace(image_shape=(28, 28, 1), classes=("one", "two"))
    with pytest.raises(
        ValueError, match="MobileNet of mobile cannot be built for images of 28 x 28"
    ):
        build_network(table, digits, 0)
