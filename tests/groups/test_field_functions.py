"""Fields as functions on a group, and what they become under a subgroup."""

import itertools

import numpy as np
import pytest

from keras_gcnn import groups
from keras_gcnn.groups.field_functions import sample_points, sampling_matrix
from keras_gcnn.groups.field_restriction import group_basis, restrict_fields
from keras_gcnn.groups.fields import Fields
from keras_gcnn.groups.point_group import element_of, point_group
from tests.helpers import point_groups as formula
from tests.helpers import reference

pytestmark = pytest.mark.backend_free
EVERY = pytest.mark.parametrize("group", formula.GROUPS, ids=formula.name_of)
FINITE = [group for group in formula.GROUPS if group[0] is not None]


def kinds(group):
    name, top = formula.name_of(group), 3 if group[0] is None else None
    yield Fields.regular(1, top, name)
    yield Fields.circle(1, top, name)
    if group[1]:
        yield Fields({0: 1, "0-": 1}, name)
    if group[0] in (6, 8, 12, 16):
        yield Fields.quotient(1, "c2", group=name)


@EVERY
def test_samples_are_the_values_of_a_function(group, rng):
    """`(L_g f)(h) = f(g^-1 h)` on the samples, and the inverse is the transpose."""
    turns = group[0] or 12
    for fields in kinds(group):
        (block,) = fields.blocks
        matrix, points = sampling_matrix(block, turns), sample_points(block, turns)
        inverse = matrix.T * (block.size / len(matrix))
        np.testing.assert_allclose(inverse @ matrix, np.eye(block.size), atol=1e-13)
        field = rng.normal(size=block.size)
        values = matrix @ field
        # On the whole group, since what is left out repeats.
        every = formula.elements((turns, group[1]))
        whole = sampling_matrix(block, turns)
        for element in every:
            moved = whole @ formula.matrix(group, irreps_of(fields), element) @ field
            order = [
                nearest(points, formula.product(inverse_of(element), point), block, turns)
                for point in points
            ]
            np.testing.assert_allclose(moved, values[order], atol=1e-12)


def irreps_of(fields):
    return [(irrep.frequency, irrep.odd) for irrep in fields.blocks[0].irreps]


def inverse_of(element):
    """`(m^a r_t)^-1 = r_-t m^a = m^a r_(-(-1)^a t)`."""
    return element[0], element[1] if element[0] else -element[1]


def nearest(points, element, block, turns):
    """The number of the sample at which a function has the value of an element.

    On one sheet `f(m r_t) = f(r_-t)`; and functions repeat after the samples' own range.
    """
    mirrored, angle = element
    sheets = len({sheet for sheet, _ in points})
    if mirrored and sheets == 1:
        mirrored, angle = False, -angle
    steps = len(points) // sheets
    number = round(angle * turns / (2 * np.pi)) % steps
    return number + steps * int(mirrored)


@pytest.mark.parametrize("name", reference.WITH_FIELDS)
def test_maps_on_pixel_groups_are_regular_fields(name):
    """`Q rho(g) Q^T` permutes the orientations as the group does."""
    group = groups.get(name)
    matrix = group_basis(group)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(group.order), atol=1e-14)
    fields = Fields.regular(1, group=name)
    fibre = np.arange(float(group.order))
    for g, matrix_of_g in enumerate(group.matrices):
        mirrored, angle = element_of(matrix_of_g)
        moved = matrix @ fields.representation(angle, mirrored) @ matrix.T @ fibre
        np.testing.assert_allclose(moved, group.act_on_fibre(fibre, g), atol=1e-12)


PAIRS = [
    (group, subgroup)
    for group, subgroup in itertools.product(formula.GROUPS, repeat=2)
    if point_group(formula.name_of(group)).contains(point_group(formula.name_of(subgroup)))
]


@pytest.mark.parametrize(("group", "subgroup"), PAIRS, ids=lambda group: formula.name_of(group))
def test_restriction(group, subgroup, rng):
    """An orthogonal matrix, after which the elements of the subgroup act as on the new fields."""
    name, top = formula.name_of(group), 3 if group[0] is None else None
    for fields in (Fields.regular(2, top, name), Fields.circle(1, top, name) + Fields.trivial(2)):
        smaller, matrix = restrict_fields(fields, formula.name_of(subgroup))
        assert smaller == fields.restrict(formula.name_of(subgroup))
        np.testing.assert_allclose(matrix @ matrix.T, np.eye(fields.channels), atol=1e-13)
        for mirrored, angle in formula.some(subgroup, 4, rng):
            np.testing.assert_allclose(
                matrix.T @ fields.representation(angle, mirrored) @ matrix,
                smaller.representation(angle, mirrored),
                atol=1e-12,
            )


@pytest.mark.parametrize(
    ("fields", "subgroup", "expected"),
    [
        (Fields.regular(2, group="d8"), "c8", Fields.regular(4, group="c8")),
        (Fields.regular(1, group="d8"), "d4", Fields.regular(2, group="d4")),
        (Fields.regular(1, group="c16"), "c4", Fields.regular(4, group="c4")),
        (Fields.regular(1, 3, "o2"), "so2", Fields.regular(2, 3)),
        (Fields.regular(1, 3, "d16"), "c16", Fields.regular(2, 3, "c16")),
        (
            Fields.regular(1, 4),
            "c8",
            Fields.of({"group": "c8", "blocks": [[1, [0, 1, 2, 3, 4, 4]]]}),
        ),
        (Fields.circle(1, 2), "d4", Fields.of({"group": "d4", "blocks": [[1, [0, 1, 2, "2-"]]]})),
        (
            Fields({0: 1, "0-": 1}, "o2"),
            "so2",
            Fields.of({"group": "so2", "blocks": [[1, [0, 0]]]}),
        ),
    ],
    ids=str,
)
def test_what_fields_become(fields, subgroup, expected):
    assert fields.restrict(subgroup) == expected


def test_the_mirrored_sheet_of_p4m_is_read_as_restriction_reads_it():
    """The same order as that of `Restriction` from P4M to P4."""
    _, matrix = restrict_fields(Fields.regular(1, group="d4"), "c4")
    p4m, p4 = groups.get("p4m"), groups.get("p4")
    by_values = np.kron(np.eye(2), group_basis(p4)) @ matrix.T @ group_basis(p4m).T
    order = p4m.restriction(p4)
    np.testing.assert_allclose(by_values, np.eye(8)[order], atol=1e-13)


def test_no_restriction():
    says = r"d8 is no subgroup of c8, the group of Fields.*The subgroups are c1, c2, c4, c8\."
    with pytest.raises(ValueError, match=says):
        Fields.regular(1, group="c8").restrict("d8")
    with pytest.raises(ValueError, match=r"The subgroups are c1, c2, c3, \.\.\., so2\."):
        Fields.regular(1, 2).restrict("d3")
    with pytest.raises(ValueError, match="subgroup=8 is unknown"):
        Fields.regular(1, group="c8").restrict(8)
