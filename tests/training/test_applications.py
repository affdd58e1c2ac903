"""Recipes of Keras's own networks, made equivariant."""

from types import SimpleNamespace

import pytest
from pydantic import ValidationError

from keras_gcnn.analysis import assert_equivariant
from keras_gcnn.training.recipes.tables import ModelTable
from keras_gcnn.training.runs.networks import build_network

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


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"convert": {"group": "p5"}}, "Unknown group 'p5'"),
        ({"convert": {"keep": "width"}}, "'channels', 'parameters' or 'fields'"),
        (
            {"convert": {"keep": "fields", "parameters": 9}},
            "keep and parameters exclude each other",
        ),
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
