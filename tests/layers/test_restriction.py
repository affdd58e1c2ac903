"""Restriction to a subgroup, between convolutions on either group."""

import numpy as np
import pytest

from keras_gcnn.layers import GConv2D, LiftingConv2D, Restriction
from tests.helpers import reference
from tests.helpers.layers import DATA_FORMATS, equivariance_error, random_initializer, run
from tests.helpers.reference import ELEMENTS

# Proper subgroups with more than the identity.
PAIRS = [
    (group, subgroup)
    for group, elements in ELEMENTS.items()
    for subgroup, members in ELEMENTS.items()
    if set(members) < set(elements) and len(members) > 1
]


def network(group, subgroup, restrict, data_format="channels_last"):
    """Lifts to the group, restricts, convolves on the subgroup: channels-last in and out."""
    common = {"data_format": data_format, "dtype": "float64"}
    lift = LiftingConv2D(2, 3, group, kernel_initializer=random_initializer(1), **common)
    restriction = Restriction(group, subgroup, **common)
    convolution = GConv2D(2, 3, subgroup, kernel_initializer=random_initializer(2), **common)

    def function(images):
        maps = run(lift, images)
        return run(convolution, run(restriction, maps) if restrict else maps)

    return function


def error_of(function, subgroup, rng):
    return equivariance_error(
        function,
        rng.normal(size=(1, 8, 8, 2)),
        reference.order(subgroup),
        lambda images, g: reference.move_images(images, subgroup, g),
        lambda maps, g: reference.move_maps(maps, subgroup, g),
    )


@pytest.mark.parametrize(("group", "subgroup"), PAIRS)
def test_convolutions_on_the_subgroup_stay_equivariant(group, subgroup, rng):
    assert error_of(network(group, subgroup, restrict=True), subgroup, rng) < 1e-10


def test_channels_first(rng):
    assert error_of(network("p4m", "p4", True, "channels_first"), "p4", rng) < 1e-10


def test_without_the_restriction_a_quarter_turn_breaks_it(rng):
    assert error_of(network("p4m", "p4", restrict=False), "p4", rng) > 1e-3


@pytest.mark.parametrize("data_format", DATA_FORMATS)
@pytest.mark.parametrize(
    ("subgroup", "order"),
    [
        ("p4", [0, 1, 2, 3, 4, 7, 6, 5]),
        ("pm", [0, 4, 1, 5, 2, 6, 3, 7]),
        ("p2", [0, 2, 1, 3, 4, 6, 5, 7]),
        ("z2", [0, 1, 2, 3, 4, 5, 6, 7]),
    ],
)
def test_channels_of_every_field_are_reordered(subgroup, order, data_format, rng):
    maps = rng.normal(size=(2, 3, 4, 3, 8))
    layer = Restriction("p4m", subgroup, data_format=data_format, dtype="float64")
    actual = run(layer, maps.reshape(2, 3, 4, 24))
    np.testing.assert_array_equal(actual, maps[..., order].reshape(2, 3, 4, 24))


def test_vectors(rng):
    values = rng.normal(size=(2, 3, 8))
    actual = run(Restriction("p4m", "p4", dtype="float64"), values.reshape(2, 24))
    expected = values[..., [0, 1, 2, 3, 4, 7, 6, 5]].reshape(2, 24)
    np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize("group", ELEMENTS)
def test_towards_the_plane_nothing_moves(group, rng):
    maps = rng.normal(size=(2, 3, 3, 2 * reference.order(group)))
    np.testing.assert_array_equal(run(Restriction(group, dtype="float64"), maps), maps)


def test_no_subgroup_is_refused_with_the_list_of_subgroups():
    with pytest.raises(ValueError, match=r"pm is no subgroup of p4.*p4, p2, z2"):
        Restriction("p4", "pm")
