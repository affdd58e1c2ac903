import re

import pytest

from keras_gcnn.zoo.budget import fit_widths


def count(widths):
    first, second = widths
    return 10 * first + 9 * first * second + 11 * second + 7


def test_the_largest_network_within_the_budget_is_found():
    ratio, budget = (1, 2), 5000
    found = fit_widths(count, ratio, budget)
    # By trying every pair that stays near the ratio.
    near = [
        (a, b)
        for a in range(1, 60)
        for b in range(1, 120)
        if abs(b - 2 * a) <= 4 and count((a, b)) <= budget
    ]
    assert count(found) == max(map(count, near))


def test_widths_keep_the_ratio():
    first, second = fit_widths(count, (1, 2), 200_000)
    assert abs(second - 2 * first) <= 6


@pytest.mark.parametrize("budget", [5, 20, 100])
def test_a_budget_out_of_reach_names_counts_that_can_be_reached(budget):
    with pytest.raises(ValueError, match="nearest counts") as caught:
        fit_widths(count, (1, 2), budget)
    sentence = str(caught.value).split("reached are ")[1]
    named = [int(text.replace(",", "")) for text in re.findall(r"[\d,]*\d", sentence)]
    assert named
    for reachable in named:
        assert count(fit_widths(count, (1, 2), reachable)) == reachable
