"""The rule for exact windows, against experiments with random kernels."""

import itertools
import re

import numpy as np
import pytest

from keras_gcnn import groups
from tests.helpers.reference import ELEMENTS, correlate, move

SIZES, WINDOWS = range(5, 13), range(1, 6)


def commutes(group, sizes, window, strides, padding, dilation, seed=0):
    """Whether a random correlation commutes with every element of the group, by trying."""
    rng = np.random.default_rng(seed)
    image, kernel = rng.normal(size=(*sizes, 1)), rng.normal(size=(*window, 1, 1))
    rule = {"strides": strides, "padding": padding, "dilation": dilation}
    output = correlate(image[None], kernel, **rule)[0]
    for element in ELEMENTS[group]:
        moved_kernel = move(kernel, element)
        if moved_kernel.shape != kernel.shape:  # the window itself would have to change
            return False
        moved = correlate(move(image, element)[None], moved_kernel, **rule)[0]
        expected = move(output, element)
        if moved.shape != expected.shape or not np.allclose(moved, expected, atol=1e-9):
            return False
    return True


@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize(("group", "axis"), [("pm", 0), ("p2", 0), ("p2", 1)])
def test_none_if_and_only_if_exact_along_an_axis(group, axis, stride, padding, dilation):
    wrong, answers = [], set()
    for size, window in itertools.product(SIZES, WINDOWS):
        if padding == "valid" and (window - 1) * dilation >= size:
            continue  # the window does not fit
        case = [(5, 5), (1, 1), (1, 1), padding, (1, 1)]
        for place, value in ((0, size), (1, window), (2, stride), (4, dilation)):
            pair = list(case[place])
            pair[axis] = value
            case[place] = tuple(pair)
        problem = groups.window_problem(groups.get(group), *case)
        truth = commutes(group, *case)
        answers.add(truth)
        if (problem is None) != truth:
            wrong.append((case, truth, problem))
    assert not wrong
    always = stride == 1 and (padding == "valid" or dilation == 2)
    assert answers == ({True} if always else {True, False})


PLANE_CASES = [
    ((6, 6), (3, 3), (1, 1), "same", (1, 1)),
    ((6, 6), (2, 2), (1, 1), "same", (1, 1)),
    ((7, 7), (3, 3), (2, 2), "valid", (1, 1)),
    ((8, 8), (3, 3), (2, 2), "valid", (1, 1)),
    ((7, 7), (3, 3), (2, 2), "same", (1, 1)),
    ((8, 8), (3, 3), (2, 2), "same", (1, 1)),
    ((7, 9), (3, 3), (2, 2), "valid", (1, 1)),
    ((7, 8), (3, 3), (2, 2), "valid", (1, 1)),
    ((8, 7), (3, 3), (2, 2), "valid", (1, 1)),
    ((7, 7), (3, 3), (1, 2), "valid", (1, 1)),
    ((7, 7), (3, 3), (2, 1), "same", (1, 1)),
    ((7, 7), (3, 3), (1, 1), "valid", (1, 2)),
    ((7, 7), (3, 3), (1, 1), "same", (2, 1)),
    ((7, 7), (3, 3), (1, 1), "same", (2, 2)),
    ((7, 7), (1, 3), (1, 1), "same", (1, 1)),
    ((8, 7), (2, 3), (2, 2), "valid", (1, 1)),
    ((7, 8), (2, 3), (1, 1), "same", (1, 1)),
    ((7, 8), (3, 2), (1, 1), "same", (1, 1)),
]


@pytest.mark.parametrize("group", ELEMENTS)
@pytest.mark.parametrize("case", PLANE_CASES, ids=str)
def test_none_if_and_only_if_exact_on_the_plane(group, case):
    problem = groups.window_problem(groups.get(group), *case)
    assert (problem is None) == commutes(group, *case), problem


def test_the_plane_cases_tell_the_groups_apart():
    answers = [tuple(commutes(group, *case) for group in ELEMENTS) for case in PLANE_CASES]
    assert len(set(answers)) >= 4


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_unknown_sizes_matter_only_with_a_stride(padding):
    p4, square = groups.get("p4"), ((3, 3), (1, 1))
    assert groups.window_problem(p4, (None, None), *square, padding) is None
    for sizes, axis in (((None, 7), "rows"), ((7, None), "columns")):
        problem = groups.window_problem(p4, sizes, (3, 3), (2, 2), padding)
        assert f"number of {axis}, which is unknown" in problem
    assert groups.window_problem(groups.get("z2"), (None, None), (3, 3), (2, 2), padding) is None


@pytest.mark.parametrize(
    ("case", "says"),
    [
        (((28, 28), (3, 3), (2, 2), "same"), "pads 0 before and 1 after the rows .*28 rows"),
        (((7, 28), (3, 3), (2, 2), "same"), "pads 0 before and 1 after the columns .*28 columns"),
        (((28, 28), (4, 4), (1, 1), "same"), "pads 1 before and 2 after the rows"),
        (((28, 28), (3, 3), (2, 2), "valid"), "leaves 1 of 28 rows unvisited"),
        (((28, 28), (3, 3), (1, 2), "valid"), r"strides=\(1, 2\) treats rows and columns"),
        (((28, 28), (3, 3), (1, 1), "valid", (1, 2)), r"dilation_rate=\(1, 2\) treats"),
        (((8, 8), (1, 1), (2, 2), "same"), "leaves 1 of 8 rows unvisited"),  # it pads nothing
    ],
)
def test_problem_is_named_with_its_numbers(case, says):
    problem = groups.window_problem(groups.get("p4"), *case)
    assert problem is not None
    assert re.search(says, problem), problem


@pytest.mark.parametrize("stride", [1, 2, 3, 4])
def test_exact_window_is_the_smallest_that_leaves_nothing(stride):
    for size in range(stride, 20):
        fitting = [window for window in range(stride, size + 1) if (size - window) % stride == 0]
        assert groups.exact_window(size, stride) == fitting[0]
