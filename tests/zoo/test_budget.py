"""Widths fitted to a budget of parameters."""

import re
from itertools import pairwise

import pytest

from keras_gcnn import zoo
from keras_gcnn.zoo.budget import fit_widths

pytestmark = pytest.mark.backend_free


def count(widths):
    first, second = widths
    return 10 * first + 9 * first * second + 11 * second + 7


@pytest.mark.parametrize("budget", [2000, 5000, 20_000])
def test_the_budget_is_used_and_proportions_are_kept(budget):
    found = fit_widths(count, (1, 2), budget)
    # By trying every pair that stays near the ratio.
    near = {
        (a, b): count((a, b))
        for a in range(1, 60)
        for b in range(1, 120)
        if abs(b - 2 * a) <= 6 and count((a, b)) <= budget
    }
    assert count(found) >= min(0.99 * budget, max(near.values()))
    first, second = found
    assert abs(second - 2 * first) <= 6


@pytest.mark.parametrize("proportions", [(1, 1), (0.25, 2), (300, 100)])
def test_with_a_budget_widths_are_proportions(proportions):
    network = zoo.lenet("p4", parameters=50_000, widths=proportions)
    assert 0.98 * 50_000 <= network.count_params() <= 50_000
    first, second = network.widths
    share = proportions[0] / sum(proportions)
    assert abs(first - share * (first + second)) <= 3
    own = zoo.lenet("p4", parameters=50_000)
    assert zoo.lenet("p4", parameters=50_000, widths=own.widths).widths == own.widths


def test_widths_keep_the_ratio():
    first, second = fit_widths(count, (1, 2), 200_000)
    assert abs(second - 2 * first) <= 6


@pytest.mark.parametrize(
    ("budget", "before"), [(5, "reached is "), (20, "reached is "), (100, "reached are ")]
)
def test_a_budget_out_of_reach_names_counts_that_can_be_reached(budget, before):
    with pytest.raises(ValueError, match=before) as caught:
        fit_widths(count, (1, 2), budget)
    sentence = str(caught.value).split(before)[1]
    named = [int(text.replace(",", "")) for text in re.findall(r"[\d,]*\d", sentence)]
    assert named
    for reachable in named:
        assert count(fit_widths(count, (1, 2), reachable)) == reachable


def test_single_widths_meet_counts_between_multiples_of_the_ratio():
    """Between two multiples of a ratio of small numbers lies much that can be reached."""
    network = zoo.lenet("p4m", parameters=65_009)
    assert network.count_params() >= 64_551  # of widths (7, 35)


def test_the_nearest_count_is_the_nearest():
    with pytest.raises(ValueError, match="nearest counts") as caught:
        fit_widths(lambda widths: 1000 * widths[0] * widths[0], (1,), 30_000)
    assert "25,000 and 36,000" in str(caught.value)


def test_many_widths_are_found_quickly():
    counted = []

    def spy(widths):
        counted.append(widths)
        return sum(a * b for a, b in pairwise(widths))

    fit_widths(spy, (1,) * 6, 200_000)
    assert len(counted) < 5_000
