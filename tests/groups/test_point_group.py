"""SO(2), O(2), C_N and D_N: their elements, irreps, and what moves pixels to pixels."""

import itertools
import math

import numpy as np
import pytest

from keras_gcnn import groups
from keras_gcnn.groups import planar
from keras_gcnn.groups.point_group import Irrep, element_of, point_group
from tests.helpers import point_groups as formula
from tests.helpers import reference

pytestmark = pytest.mark.backend_free
EVERY = pytest.mark.parametrize("group", formula.GROUPS, ids=formula.name_of)


@EVERY
def test_irreps(group, rng):
    ours = point_group(formula.name_of(group))
    assert ours.name == formula.name_of(group)
    assert [(i.frequency, i.odd) for i in ours.irreps(4 if group[0] is None else None)] == (
        formula.irreps(group, 4 if group[0] is None else group[0])
    )
    for irrep in formula.irreps(group, 8):
        own = Irrep(*irrep)
        assert ours.irrep(own.name) == own
        for first, second in zip(
            formula.some(group, 3, rng), formula.some(group, 3, rng), strict=True
        ):
            one, two = (ours.representation(own, t, a) for a, t in (first, second))
            np.testing.assert_allclose(one, formula.rho(group, irrep, first), atol=1e-13)
            both = formula.rho(group, irrep, formula.product(first, second))
            np.testing.assert_allclose(one @ two, both, atol=1e-12)
            np.testing.assert_allclose(one @ one.T, np.eye(len(one)), atol=1e-13)


@EVERY
def test_elements_and_subgroups(group):
    ours = point_group(formula.name_of(group))
    number = math.inf if group[0] is None else len(formula.elements(group))
    assert ours.order == number
    for other in formula.GROUPS:
        if None not in (group[0], other[0]):
            members = {(a, round(t, 9)) for a, t in formula.elements(group)}
            inside = {(a, round(t, 9)) for a, t in formula.elements(other)} <= members
            assert ours.contains(point_group(formula.name_of(other))) == inside
    # Sum of squared dimensions over the endomorphisms is the order.
    if group[0] is not None:
        sizes = [(ours.dimension(i), 1 if group[1] else ours.dimension(i)) for i in ours.irreps()]
        assert sum(d * d / e for d, e in sizes) == ours.order


@EVERY
def test_elements_that_move_pixels(group):
    pixels = point_group(formula.name_of(group)).pixel_group
    elements = [element_of(matrix) for matrix in pixels.matrices]
    expected = formula.on_pixels(group)
    turned = [(a, t % (2 * np.pi)) for a, t in elements]
    np.testing.assert_allclose(sorted(turned), sorted(expected), atol=1e-12)
    image = np.arange(9.0).reshape(1, 3, 3, 1)
    for g, element in enumerate(elements):
        np.testing.assert_array_equal(
            pixels.act_on_plane(image, g, (1, 2)), formula.move_plane(image, element)
        )


@pytest.mark.parametrize("name", reference.WITH_FIELDS)
def test_names_of_pixel_groups(name):
    assert point_group(name).pixel_group == groups.get(name)
    assert point_group(groups.get(name)) == point_group(name.upper())


@pytest.mark.parametrize(
    "name", ["c0", "d", "c201", "e2", "so3", "C-4", "c\u0664", None, 4], ids=str
)
def test_unknown_groups(name):
    with pytest.raises(ValueError, match=r"is unknown\. Choose 'so2' .* 'd8'"):
        point_group(name)


def test_other_groups_of_the_pixel_grid_have_no_fields(monkeypatch):
    monkeypatch.setattr(planar, "_GROUPS", dict(planar._GROUPS))
    diagonal = groups.register(groups.Group("Diagonal", {"e": np.eye(2), "t": np.eye(2)[::-1]}))
    for group in ("Flip", "Diagonal", diagonal):
        with pytest.raises(ValueError, match=r"no Fields\. Choose 'so2'.*such as GConv2D"):
            point_group(group)


@pytest.mark.parametrize(
    ("group", "key"),
    [
        *itertools.product(["so2", "c8", "d3"], [-1, 101, "one", 0.5, True, None, "0--", "1-"]),
        *[("so2", "0-"), ("c8", "4-"), ("c8", 5), ("d3", "3"), ("o2", "2-")],
    ],
)
def test_no_irreps(group, key):
    assert point_group(group).irrep(key) is None


def test_names_of_irreps():
    d8 = point_group("d8")
    assert [d8.irrep(key) for key in (0, "0+", "0-", np.int64(3), "4-")] == [
        Irrep(0), Irrep(0), Irrep(0, True), Irrep(3), Irrep(4, True)
    ]  # fmt: skip
    with pytest.raises(ValueError, match="from 0 to 4, the highest frequency of d8"):
        d8.irreps(5)


@pytest.mark.parametrize(
    ("first", "second", "both"),
    [("c8", "d4", "d8"), ("c5", "d4", "d20"), ("so2", "d1", "o2"), ("c199", "c4", "so2")],
)
def test_the_smallest_group_that_contains_two(first, second, both):
    joined = point_group(first).joined(point_group(second))
    assert joined.name == both
    assert joined.contains(point_group(first))
    assert joined.contains(point_group(second))
