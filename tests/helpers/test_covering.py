"""A covering set holds every pair of values, every value at its beginning, and is small."""

import itertools

import pytest

from tests.helpers.covering import covering

pytestmark = pytest.mark.backend_free


@pytest.mark.parametrize(
    ("sizes", "at_most"), [((3,), 3), ((4, 3), 12), ((7, 2, 2, 2, 2, 2, 2), 18), ((8, 7, 4, 2), 60)]
)
def test_every_pair_occurs(sizes, at_most):
    values = {f"name{i}": [f"{i}:{j}" for j in range(size)] for i, size in enumerate(sizes)}
    cases = covering(**values)
    assert cases == covering(**values)
    assert all(list(case) == list(values) for case in cases)
    for names in itertools.combinations(values, min(2, len(sizes))):
        pairs = itertools.product(*(values[name] for name in names))
        assert {tuple(case[name] for name in names) for case in cases} == set(pairs)
    assert len(cases) <= at_most
    for name in values:
        assert {case[name] for case in cases[: max(sizes)]} == set(values[name])
