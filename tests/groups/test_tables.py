"""Elements, products and inverses, against the table that the whole library follows."""

import itertools

import numpy as np
import pytest

from keras_gcnn import groups
from tests.helpers import reference

pytestmark = pytest.mark.backend_free
NAMES = tuple(reference.ELEMENTS)


def test_names_are_all_groups_of_the_square_grid_known_here():
    assert sorted(groups.names()) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_left_division_is_the_published_table(name):
    np.testing.assert_array_equal(groups.get(name).left_division, reference.left_division(name))


def test_left_division_of_p4_is_the_upper_left_block():
    np.testing.assert_array_equal(
        groups.get("p4").left_division, groups.get("p4m").left_division[:4, :4]
    )


def test_elements_and_inverses_of_p4m():
    group = groups.get("p4m")
    assert group.elements == ("e", "r", "r2", "r3", "m", "mr", "mr2", "mr3")
    assert group.inverse.tolist() == [0, 3, 2, 1, 4, 5, 6, 7]


@pytest.mark.parametrize("name", NAMES)
def test_group_axioms(name):
    group = groups.get(name)
    product, everything = group.product, np.arange(group.order)
    assert group.order == reference.order(name)
    np.testing.assert_array_equal(product[0], everything)
    np.testing.assert_array_equal(product[:, 0], everything)
    np.testing.assert_array_equal(product[everything, group.inverse], 0)
    np.testing.assert_array_equal(product[group.inverse, everything], 0)
    for row, column in zip(product, product.T, strict=True):  # closed, and nothing twice
        assert sorted(row) == sorted(column) == everything.tolist()
    for a, b, c in itertools.product(everything, repeat=3):
        assert product[product[a, b], c] == product[a, product[b, c]]


@pytest.mark.parametrize("name", NAMES)
def test_matrices_multiply_as_the_table_says(name):
    group = groups.get(name)
    for g, h in itertools.product(range(group.order), repeat=2):
        assert group.index_of(group.matrices[g] @ group.matrices[h]) == group.product[g, h]


def test_index_of_a_matrix_outside_the_group():
    with pytest.raises(ValueError, match="no element of p2"):
        groups.get("p2").index_of([[0, -1], [1, 0]])


@pytest.mark.parametrize("name", NAMES)
def test_axes_that_a_group_reverses_and_swaps(name):
    group = groups.get(name)
    reverses = tuple(axis in reference.REVERSED_AXES[name] for axis in (0, 1))
    assert group.reverses_axis == reverses
    assert group.swaps_axes == (name in ("p4", "p4m"))


def test_get():
    assert groups.get("P4M") is groups.get("p4m")
    assert groups.get(groups.get("pm")) is groups.get("pm")


@pytest.mark.parametrize("unknown", ["p6", "", None, 4, ("p4",)])
def test_unknown_group_lists_the_known_ones(unknown):
    with pytest.raises(ValueError, match=r"Unknown group .*Choose one of z2, .*p4m"):
        groups.get(unknown)


IDENTITY = [[1, 0], [0, 1]]
QUARTER_TURN = [[0, -1], [1, 0]]
HALF_TURN = [[-1, 0], [0, -1]]


@pytest.mark.parametrize(
    "elements",
    [
        pytest.param({"e": IDENTITY, "r": QUARTER_TURN}, id="not closed"),
        pytest.param({"r2": HALF_TURN, "e": IDENTITY}, id="identity not first"),
        pytest.param({"e": IDENTITY, "p": [[1, 0], [0, 0]]}, id="closed, no inverse"),
        pytest.param({"e": IDENTITY, "f": IDENTITY}, id="an element twice"),
        pytest.param({"e": IDENTITY, "s": [[1, 1], [0, -1]]}, id="no symmetry of the grid"),
        pytest.param({"e": IDENTITY, "c": [[1, 0], [0, -1.9]]}, id="no integers"),
        pytest.param({"e": IDENTITY, "c": [[1, 0], [0]]}, id="no matrix"),
        pytest.param({}, id="no element"),
    ],
)
def test_sets_that_are_no_group_are_refused(elements):
    with pytest.raises(ValueError, match="Group 'x'"):
        groups.Group("x", elements)


def test_a_group_of_the_user():
    group = groups.Group("columns", {"e": IDENTITY, "c": [[1, 0], [0, -1]]})
    array = np.arange(6).reshape(2, 3)
    np.testing.assert_array_equal(group.act_on_plane(array, 1), np.fliplr(array))
    assert group.reverses_axis == (False, True)
    assert groups.get("p4m").contains(group)


def test_equality_and_hash_go_together():
    again = groups.Group("p2", {"e": IDENTITY, "r2": HALF_TURN})
    assert again == groups.get("p2")
    assert hash(again) == hash(groups.get("p2"))
    assert groups.get("p2") != groups.get("pm")
    assert groups.get("p2") != "p2"
