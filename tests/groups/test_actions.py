"""Actions on planes, fibres and feature maps."""

import itertools

import numpy as np
import pytest

from keras_gcnn import groups
from tests.helpers import reference

pytestmark = pytest.mark.backend_free
NAMES = tuple(reference.ELEMENTS)


@pytest.mark.parametrize("g", range(8))
def test_act_on_plane_is_rot90_then_flipud(g, rng):
    array = rng.normal(size=(4, 7))
    expected = np.rot90(array, g % 4)
    expected = np.flipud(expected) if g >= 4 else expected
    np.testing.assert_array_equal(groups.get("p4m").act_on_plane(array, g), expected)


@pytest.mark.parametrize("name", NAMES)
def test_every_group_acts_as_its_elements_do_in_p4m(name, rng):
    array, group = rng.normal(size=(5, 4)), groups.get(name)
    for g, element in enumerate(reference.ELEMENTS[name]):
        np.testing.assert_array_equal(group.act_on_plane(array, g), reference.move(array, element))


@pytest.mark.parametrize("axes", [(0, 1), (1, 2), (-2, -1), (2, 0), (3, 1)])
def test_act_on_plane_takes_any_two_axes(axes, rng):
    array = rng.normal(size=(2, 3, 4, 5))
    for g in range(8):
        np.testing.assert_array_equal(
            groups.get("p4m").act_on_plane(array, g, axes), reference.move(array, g, axes)
        )


@pytest.mark.parametrize("name", NAMES)
def test_act_on_fibre_is_left_translation(name, rng):
    group = groups.get(name)
    values = rng.normal(size=(2, 3 * group.order, 4))
    for g in range(group.order):
        expected = reference.move_fibres(values.swapaxes(1, 2), name, g).swapaxes(1, 2)
        for axis in (1, -2):
            np.testing.assert_array_equal(group.act_on_fibre(values, g, axis=axis), expected)


def test_act_on_fibre_refuses_channels_that_do_not_divide():
    with pytest.raises(ValueError, match=r"6 channels.*multiple of the order 4 of p4"):
        groups.get("p4").act_on_fibre(np.zeros((2, 6)), 1)


@pytest.mark.parametrize("name", NAMES)
def test_actions_are_homomorphisms(name, rng):
    """`L_g L_h = L_gh` on planes and on fibres."""
    group = groups.get(name)
    plane, fibres = rng.normal(size=(4, 5)), rng.normal(size=(2, 2 * group.order))
    for action, array in ((group.act_on_plane, plane), (group.act_on_fibre, fibres)):
        for g, h in itertools.product(range(group.order), repeat=2):
            np.testing.assert_array_equal(
                action(action(array, h), g), action(array, group.product[g, h])
            )


@pytest.mark.parametrize("name", NAMES)
def test_regular_action_on_feature_maps(name, rng):
    """`(L_g f)(x, h) = f(g^-1 x, g^-1 h)`, pixel by pixel."""
    group, size = groups.get(name), 4
    maps = rng.normal(size=(size, size, group.order))
    centre = (size - 1) / 2
    for g in range(group.order):
        moved = group.act_on_fibre(group.act_on_plane(maps, g, axes=(0, 1)), g)
        for row, column, h in np.ndindex(maps.shape):
            source = group.matrices[group.inverse[g]] @ (row - centre, column - centre) + centre
            before = group.product[group.inverse[g], h]
            assert moved[row, column, h] == maps[int(source[0]), int(source[1]), before]
