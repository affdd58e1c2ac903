"""Reading fibres of a group as fibres of a subgroup."""

import numpy as np
import pytest

from keras_gcnn import groups
from tests.helpers import reference
from tests.helpers.reference import ELEMENTS

pytestmark = pytest.mark.backend_free
PAIRS = [(g, h) for g in ELEMENTS for h in ELEMENTS if set(ELEMENTS[h]) <= set(ELEMENTS[g])]
NO_PAIRS = [(g, h) for g in ELEMENTS for h in ELEMENTS if (g, h) not in PAIRS]


@pytest.mark.parametrize(
    ("subgroup", "order"),
    [
        ("p4", [0, 1, 2, 3, 4, 7, 6, 5]),  # a mirror image turns the other way
        ("pm", [0, 4, 1, 5, 2, 6, 3, 7]),
        ("p2", [0, 2, 1, 3, 4, 6, 5, 7]),
        ("z2", [0, 1, 2, 3, 4, 5, 6, 7]),
        ("p4m", [0, 1, 2, 3, 4, 5, 6, 7]),
    ],
)
def test_known_orders_from_p4m(subgroup, order):
    assert groups.get("p4m").restriction(groups.get(subgroup)).tolist() == order


@pytest.mark.parametrize("name", ELEMENTS)
def test_towards_the_plane_it_is_the_identity(name):
    order = groups.get(name).restriction(groups.get("z2"))
    np.testing.assert_array_equal(order, np.arange(reference.order(name)))


@pytest.mark.parametrize(("name", "sub"), PAIRS)
def test_restricted_fibres_are_fields_of_the_subgroup(name, sub, rng):
    order = groups.get(name).restriction(groups.get(sub))
    assert sorted(order) == list(range(reference.order(name)))
    fibre = rng.normal(size=reference.order(name))
    for h, element in enumerate(ELEMENTS[sub]):
        moved = reference.move_fibres(fibre, name, ELEMENTS[name].index(element))
        np.testing.assert_array_equal(moved[order], reference.move_fibres(fibre[order], sub, h))


def test_reading_p4m_in_its_own_order_is_no_field_of_p4(rng):
    fibre = rng.normal(size=8)
    moved = reference.move_fibres(fibre, "p4m", 1)
    assert not np.allclose(moved, reference.move_fibres(fibre, "p4", 1))


@pytest.mark.parametrize(("name", "sub"), PAIRS)
def test_embed_keeps_the_elements(name, sub):
    group, subgroup = groups.get(name), groups.get(sub)
    members = group.embed(subgroup)
    assert [ELEMENTS[name][g] for g in members] == ELEMENTS[sub]


@pytest.mark.parametrize(("name", "sub"), NO_PAIRS)
def test_no_subgroup_is_refused(name, sub):
    group, other = groups.get(name), groups.get(sub)
    assert not group.contains(other)
    for method in (group.embed, group.restriction):
        with pytest.raises(ValueError, match=f"{sub} is no subgroup of {name}"):
            method(other)


@pytest.mark.parametrize("name", ELEMENTS)
def test_subgroups_are_all_of_them_largest_first(name):
    found = groups.subgroups(name)
    assert {group.name for group in found} == {h for g, h in PAIRS if g == name}
    orders = [group.order for group in found]
    assert orders == sorted(orders, reverse=True)
    assert found[0] == groups.get(name)
