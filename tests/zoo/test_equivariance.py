"""Exactness: features turn with the image and logits stay, for every element that is left."""

import keras
import numpy as np
import pytest

from keras_gcnn import analysis, groups, layers
from keras_gcnn.analysis.precision import dtype_policy
from tests.helpers.covering import parametrize_covering
from tests.helpers.levels import COMPILING, thoroughly
from tests.zoo.networks import (
    BUILDERS,
    WITHOUT_DROPOUT,
    a_network,
    build,
    compiled,
    images,
)

SIZES = (28, 29, 32, 33)
IMAGES = 16


def network_with_features(builder, group, size, **arguments):
    network = build(builder, group, input_shape=(size, size, 1), **arguments)
    last = network.get_layer("head").input
    return keras.Model(network.input, [last, network.output])


def call_on_turned(model, group, size, dtype):
    """Features and logits of all turned images, the turns along the first axis.

    In one call, always on as many images: JAX compiles for every shape.
    """
    x = images((size, size, 1), n=IMAGES // group.order).astype(dtype)
    turned = np.concatenate([group.act_on_plane(x, g, (1, 2)) for g in range(group.order)])
    outputs = (keras.ops.convert_to_numpy(one) for one in compiled(model)(turned))
    return [one.reshape(group.order, len(x), *one.shape[1:]) for one in outputs]


def check(model, left, size, tolerance, dtype):
    """Features are regular and logits trivial under every element of `left`.

    What is expected is made by moving arrays.
    """
    left = groups.get(left)
    features, logits = call_on_turned(model, left, size, dtype)
    assert features.dtype == logits.dtype == dtype
    told_apart = np.ptp(logits[0], axis=0).max()
    assert told_apart > 1e-3 * np.abs(logits).max()
    for g in range(left.order):
        split = left.act_on_plane(features[0], g, (1, 2))
        split = split.reshape(*split.shape[:-1], -1, left.order)
        moved = left.act_on_fibre(split, g).reshape(features[0].shape)
        assert np.abs(features[g] - moved).max() <= tolerance * np.abs(moved).max()
        assert np.abs(logits[g] - logits[0]).max() <= tolerance * np.abs(logits).max()


@parametrize_covering(
    builder=list(BUILDERS),
    size=SIZES,
    group=["p4m", "p4", "pmm"],
    convolution=["full", "g", "gc"],
    precision=[("float64", 1e-10), ("float32", 1e-5)],
)
def test_every_network_is_exact(builder, size, group, convolution, precision):
    dtype, tolerance = precision
    with dtype_policy(dtype):
        model = network_with_features(builder, group, size, convolution=convolution)
    check(model, group, size, tolerance, dtype)


@pytest.mark.thorough("jax", "tensorflow")
@parametrize_covering(builder=list(BUILDERS), left=["p4", "flip", "z2"])
def test_a_restricted_network_is_exact_under_what_is_left(builder, left):
    with dtype_policy("float64"):
        model = network_with_features(builder, "p4m", 28, restrict_after={"1": left})
    check(model, left, 28, 1e-10, "float64")
    _, logits = call_on_turned(model, groups.get("p4m"), 28, "float64")
    assert np.abs(logits - logits[0]).max() > 1e-3 * np.abs(logits).max()


@a_network
def test_equivariance_stops_step_by_step(builder):
    with dtype_policy("float64"):
        steps = {"1": "p4", "2": "p2"}
        network = build(builder, "p4m", restrict_after=steps, convolution="gc")
    found = [layer for layer in network.layers if isinstance(layer, layers.Restriction)]
    assert [(one.group.name, one.subgroup.name) for one in found] == [("p4m", "p4"), ("p4", "p2")]
    x = images((28, 28, 1), n=2).astype("float64")  # on JAX unoptimized programs take long
    analysis.assert_equivariant(network, "p2", inputs=x, tolerance=1e-10)
    assert max(analysis.equivariance_error(network, "p4", inputs=x).values()) > 1e-3


@a_network
def test_training_mode_is_exact_for_images_turned_one_by_one(builder):
    """Batch statistics must not know how the images of the batch happen to lie."""
    with dtype_policy("float64"):
        network = build(builder, "p4m", **WITHOUT_DROPOUT.get(builder, {}))
    x = images((28, 28, 1), n=2).astype("float64")
    errors = analysis.equivariance_error(network, "p4m", inputs=x, training=True)
    assert max(errors.values()) < 1e-10
    assert "mixed" in errors


@pytest.mark.parametrize("builder", ["allcnn", *thoroughly("resnet", on=COMPILING)])
def test_strides_break_it_and_the_builder_says_so(builder):
    with pytest.warns(layers.EquivarianceWarning, match=r'downsampling="exact"') as caught:
        network = build(builder, "p4", downsampling="stride", input_shape=(32, 32, 1))
    assert len(caught) == 1
    assert caught[0].filename.endswith("networks.py")  # where the builder was called
    errors = analysis.equivariance_error(network, "p4", inputs=images((32, 32, 1)))
    assert max(errors.values()) > 1e-3
    # Odd sizes that fit the stride are exact, and then there is nothing to say.
    build(builder, "p4", downsampling="stride", input_shape=(33, 33, 1))


@pytest.mark.thorough("jax", "tensorflow")
@parametrize_covering(builder=list(BUILDERS), head=["orientations", "flatten"])
def test_the_other_heads_are_known_to_break_invariance(builder, head):
    network = build(builder, "p4", head=head)
    x = images((28, 28, 1), n=IMAGES)
    errors = analysis.equivariance_error(network, "p4", inputs=x, output_type="trivial")
    assert max(errors.values()) > 1e-3


@a_network
def test_the_audit_finds_nothing(builder):
    assert not analysis.audit(build(builder, "p4m", convolution="gc")).problems
