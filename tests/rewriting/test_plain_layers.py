"""`to_plain` translates every layer in every form to stock layers, with the same outputs."""

import numpy as np
import pytest

from keras_gcnn import layers
from tests.helpers.contract import CASES, constructor_arguments, functional, randomized
from tests.helpers.layers import DATA_FORMATS
from tests.rewriting.plain_checks import check

pytestmark = pytest.mark.backend_free
VARIANTS = [(case, variant) for case in CASES for variant in ({}, *case.variants)]


@pytest.mark.parametrize(
    ("case", "variant"),
    VARIANTS,
    ids=[f"{case.layer_class.__name__}-{'-'.join(variant)[:40]}" for case, variant in VARIANTS],
)
@pytest.mark.parametrize("data_format", DATA_FORMATS)
def test_every_layer_in_every_form(case, variant, data_format):
    if "equivariance" in constructor_arguments(case.layer_class):
        variant = {**variant, "equivariance": "ignore"}
    layer = case.make(data_format, **variant)
    inputs = case.inputs(data_format)
    model = randomized(functional(layer, inputs))
    plain = check(model, inputs)
    # The layer is there by its name, unless it does nothing at inference.
    if not isinstance(layer, (layers.GDropout, layers.SteerableDropout)):
        assert layer.name in [one.name for one in plain.layers]


@pytest.mark.parametrize("sizes", [(9, 12), (10, 7)])
@pytest.mark.parametrize(("strides", "sigma"), [(1, 1.5), (2, None), (3, 0.2), (3, 2.0)])
def test_blurred_pooling_at_every_size(sizes, strides, sigma):
    layer = layers.SteerableAveragePooling2D(strides=strides, sigma=sigma)
    x = np.random.default_rng(0).normal(size=(2, *sizes, 3)).astype("float32")
    check(functional(layer, x), x)
