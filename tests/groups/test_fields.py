"""Fields: which channels they have, and how these turn."""

import json
import pickle

import numpy as np
import pytest

from keras_gcnn.groups.blocks import Block
from keras_gcnn.groups.fields import Fields, common_group
from keras_gcnn.groups.point_group import Irrep, point_group
from tests.helpers import point_groups as formula
from tests.helpers import steerable

pytestmark = pytest.mark.backend_free
SEVERAL = [
    {0: 8, 1: 4},
    {0: 2, 1: 2, 2: 1},
    {0: 3, 1: 2, 3: 1},
    {1: 2},
    {2: 1, 0: 1},
    {0: 1, 5: 3},
    {0: 4},
]
EVERY = pytest.mark.parametrize("multiplicities", SEVERAL, ids=str)


@EVERY
def test_channels_are_those_of_the_layout(multiplicities):
    fields = Fields(multiplicities)
    layout = steerable.layout(multiplicities)
    assert fields.multiplicities == multiplicities
    assert fields.frequencies == tuple(sorted(multiplicities))
    assert fields.channels == steerable.channels(multiplicities)
    assert fields.count == max(multiplicities.values())
    for (field, frequency), part in layout.items():
        assert set(fields.channel_fields[part]) == {field}
        assert set(fields.channel_frequencies[part]) == {frequency}
    expected = [(len(c), frequencies) for c, frequencies in steerable.blocks(multiplicities)]
    found = [(b.field_count, tuple(i.frequency for i in b.irreps)) for b in fields.blocks]
    assert found == expected
    assert sum(one.channels for one in fields.blocks) == fields.channels


def test_an_example_by_hand():
    fields = Fields({0: 3, 1: 2, 3: 1})
    kinds = [(0, 1, 3), (0, 1), (0,)]
    assert fields.blocks == tuple(Block(1, tuple(map(Irrep, kind))) for kind in kinds)
    assert [one.size for one in fields.blocks] == [5, 3, 1]
    assert fields.channel_frequencies.tolist() == [0, 1, 1, 3, 3, 0, 1, 1, 0]
    assert fields.channel_fields.tolist() == [0, 0, 0, 0, 0, 1, 1, 1, 2]


def test_shorthands():
    assert Fields.trivial(3) == Fields({0: 3})
    assert Fields.regular(4, max_frequency=2) == Fields({0: 4, 1: 4, 2: 4})
    assert Fields.regular(16, max_frequency=5).channels == 16 * 11
    assert Fields({0: 2, 1: 0}) == Fields({0: 2})
    assert Fields({np.int64(1): np.uint8(2)}).as_json() == {"1": 2}


@EVERY
def test_representation(multiplicities, rng):
    """Orthogonal, a homomorphism, and block by block the rotation by k times the angle."""
    fields = Fields(multiplicities)
    for first, second in rng.uniform(-7, 7, (3, 2)):
        one, two = fields.representation(first), fields.representation(second)
        np.testing.assert_allclose(one @ one.T, np.eye(fields.channels), atol=1e-14)
        np.testing.assert_allclose(one @ two, fields.representation(first + second), atol=1e-13)
        fibres = rng.normal(size=(2, fields.channels))
        expected = steerable.turn_fibres(fibres, multiplicities, first)
        np.testing.assert_allclose(fibres @ one.T, expected, atol=1e-14)
    np.testing.assert_array_equal(fields.representation(0), np.eye(fields.channels))


@EVERY
def test_written_and_read_again(multiplicities):
    fields = Fields(multiplicities)
    again = [
        eval(repr(fields), {"Fields": Fields}),
        Fields.of(json.loads(json.dumps(fields.as_json()))),
        Fields.of(multiplicities),
        Fields.of(fields),
        pickle.loads(pickle.dumps(fields)),
    ]
    assert all(one == fields and hash(one) == hash(fields) for one in again)


@pytest.mark.parametrize(
    ("first", "second", "both"),
    [
        (Fields.regular(2, 3), Fields.regular(5, 3), Fields.regular(7, 3)),
        (Fields.regular(2, 3), Fields.trivial(4), Fields({0: 6, 1: 2, 2: 2, 3: 2})),
        (Fields({1: 2}), Fields({1: 3}), Fields({1: 5})),
        (Fields({0: 2, 1: 2}), Fields({0: 3, 1: 1}), Fields({0: 5, 1: 3})),
    ],
    ids=str,
)
def test_sum(first, second, both):
    """It turns as the two do side by side."""
    assert first + second == both
    matrix, size = both.representation(0.7), first.channels
    np.testing.assert_array_equal(matrix[:size, :size], first.representation(0.7))
    np.testing.assert_array_equal(matrix[size:, size:], second.representation(0.7))
    assert not matrix[:size, size:].any()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (Fields.trivial(4), Fields.regular(2, 3)),
        (Fields({0: 3, 1: 1}), Fields({0: 2, 1: 2})),
        (Fields({1: 2}), Fields({2: 2})),
        (Fields.trivial(2), Fields.regular(2, group="d8")),
        (Fields.circle(2, 3), Fields.trivial(1)),
    ],
    ids=str,
)
def test_sum_in_any_order(first, second):
    both = first + second
    assert both.channels == first.channels + second.channels
    assert Fields.of(json.loads(json.dumps(both.as_json()))) == both
    assert eval(repr(both), {"Fields": Fields}) == both
    matrix, size = both.representation(np.pi / 4), first.channels
    np.testing.assert_array_equal(matrix[:size, :size], first.representation(np.pi / 4))
    np.testing.assert_array_equal(matrix[size:, size:], second.representation(np.pi / 4))


def test_ordinary_channels_take_the_group_of_others():
    for fields in (Fields.regular(1, group="d8"), Fields.trivial(2, "c1")):
        for first, second in ((Fields.trivial(3), fields), (fields, Fields.trivial(3))):
            assert common_group(first, second) == fields.group
            assert (first + second).group == fields.group


def test_no_sum():
    with pytest.raises(ValueError, match=r"are fields of d8, not of so2.*SteerableRestriction"):
        Fields.regular(2, 1) + Fields.regular(2, group="d8")
    with pytest.raises(TypeError):
        Fields.trivial(2) + 3


GROUPS = pytest.mark.parametrize("group", formula.GROUPS, ids=formula.name_of)


def every_kind(group):
    """Fields of a group with the irreps of each of them."""
    name, top = formula.name_of(group), 3 if group[0] is None else None
    field = formula.regular(group, top)
    yield Fields.regular(2, top, name), [field, field]
    once = [irrep for irrep in dict.fromkeys(field) if not irrep[1]]
    yield Fields.circle(1, top, name), [once]
    named = {Irrep(*irrep).name: 2 for irrep in once} | {0: 3}
    yield Fields(named, name), [once, once, [(0, False)]]


@GROUPS
def test_fields_of_every_group(group, rng):
    for fields, irreps in every_kind(group):
        flat = [irrep for field in irreps for irrep in field]
        sizes = [formula.part(group, irrep).shape[1] for irrep in flat]
        of_field = [number for number, field in enumerate(irreps) for _ in field]
        assert fields.channels == sum(sizes)
        assert fields.count == len(irreps)
        assert fields.channel_fields.tolist() == np.repeat(of_field, sizes).tolist()
        assert fields.channel_copies.tolist() == np.repeat(range(len(flat)), sizes).tolist()
        trivial = [irrep == (0, False) for irrep in flat]
        assert fields.scalar_channels.tolist() == np.repeat(trivial, sizes).tolist()
        assert fields.scalars == sum(trivial)
        assert fields.irreps == {Irrep(*i): flat.count(i) for i in sorted(set(flat))}
        for mirrored, angle in formula.some(group, 3, rng):
            expected = formula.matrix(group, flat, (mirrored, angle))
            np.testing.assert_allclose(fields.representation(angle, mirrored), expected, atol=1e-14)
        again = [
            eval(repr(fields), {"Fields": Fields}),
            Fields.of(json.loads(json.dumps(fields.as_json()))),
            pickle.loads(pickle.dumps(fields)),
        ]
        assert all(one == fields and hash(one) == hash(fields) for one in again)


@pytest.mark.parametrize(
    ("by", "group", "irreps"),
    [
        ("c1", "c6", [0, 1, 2, 3]),
        ("c2", "c8", [0, 2, 4]),
        ("c4", "c8", [0, 4]),
        ("c3", "c6", [0, 3]),
        ("d1", "d8", [0, 1, 2, 3, 4]),
        ("d2", "d8", [0, 2, 4]),
        ("c8", "d8", [0, "0-"]),
        ("c2", "d8", [0, "0-", 2, 2, 4, "4-"]),
        ("c2", "d3", None),
        ("d1", "c8", None),
        ("so2", "o2", None),
    ],
)
def test_quotients(by, group, irreps):
    """As many channels as cosets, if there are finitely many."""
    if irreps is None:
        with pytest.raises(ValueError, match="has to be a subgroup of"):
            Fields.quotient(2, by, 2, group=group)
        return
    fields = Fields.quotient(3, by, group=group)
    assert [irrep.name for irrep in fields.blocks[0].irreps] == irreps
    assert fields.channels == 3 * point_group(group).order // point_group(by).order


@pytest.mark.parametrize("angle", [0.3, float("nan"), "a"])
def test_angles_that_the_group_lacks(angle):
    with pytest.raises(ValueError, match=rf"angle={angle!r} (is no multiple of 2 pi / 4|has to)"):
        Fields.regular(1, group="c4").representation(angle)


def test_ordinary_channels_belong_to_every_group():
    assert Fields.trivial(3).under("d8") == Fields.trivial(3, group="d8")
    assert Fields.trivial(3) != Fields.trivial(3, group="d8")
    with pytest.raises(ValueError, match="know no mirrors"):
        Fields.regular(1, 1).representation(0.0, mirrored=True)


@pytest.mark.parametrize(
    "value",
    [
        {"group": "d8", "blocks": [[2]]},
        {"group": "d8", "blocks": [[2, ["one"]]]},
        {"group": "d8", "blocks": [[-1, [0]]]},
        {"group": "d8", "blocks": []},
        {"group": "d8"},
        {"group": "e8", "blocks": [[2, [0]]]},
        {"group": "d8", "blocks": [[2, "0"]]},
        {"group": "d8", "blocks": [[2, []]]},
    ],
    ids=str,
)
def test_wrong_files(value):
    with pytest.raises(ValueError, match=r"are no fields of|have no channel|is unknown"):
        Fields.of(value)


def test_the_same_frequency_twice():
    with pytest.raises(ValueError, match="irrep 0 is there twice"):
        Fields.of({0: 1, "0": 2})


def test_equality():
    different = {Fields(multiplicities) for multiplicities in SEVERAL}
    assert len(different) == len(SEVERAL)
    assert Fields({0: 1, 1: 2}) == Fields({1: 2, 0: 1})
    assert Fields({0: 1}) != {0: 1}


@pytest.mark.parametrize(
    ("multiplicities", "says"),
    [
        ({}, r"have no channel\. Give at least one irrep"),
        ({0: 0, 1: 0}, "have no channel"),
        ({-1: 2}, r"-1 is no irrep of so2\. Choose among 0, 1, 2, 3, \.\.\."),
        ({101: 2}, "101 is no irrep"),
        ({0.5: 2}, r"0\.5 is no irrep"),
        ({True: 2}, "True is no irrep"),
        ({"one": 2}, "'one' is no irrep"),
        ({0: -1}, "-1 has to be the number of fields with irrep 0, from 0"),
        ({0: 1.5}, r"1\.5 has to be the number"),
        ({0: True}, "True has to be the number"),
        ({0: None}, "None has to be the number"),
    ],
    ids=str,
)
def test_wrong_multiplicities(multiplicities, says):
    for make in (Fields, Fields.of):
        with pytest.raises(ValueError, match=says):
            make(multiplicities)


@pytest.mark.parametrize("value", [8, [8, 4], "p4", None], ids=str)
def test_no_dict(value):
    for make in (Fields, Fields.of):
        with pytest.raises(TypeError, match=r"takes a dict .* \{0: 8, 1: 4\}.* Fields\.trivial"):
            make(value)


@pytest.mark.parametrize("highest", [-1, 2.0, None, True])
def test_wrong_highest_frequency(highest):
    with pytest.raises(ValueError, match=rf"max_frequency={highest!r} has to be an integer from 0"):
        Fields.regular(4, max_frequency=highest)


def test_what_it_gives_does_not_change_it():
    fields = Fields({0: 2, 1: 1})
    fields.multiplicities[5] = 7
    fields.as_json()["5"] = 7
    fields.channel_frequencies[:] = 7
    assert fields == Fields({0: 2, 1: 1})
    with pytest.raises(AttributeError):
        fields.multiplicities = {0: 7}
