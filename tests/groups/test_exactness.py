"""The rule for exact windows, against experiments with random kernels."""

import itertools
import re

import numpy as np
import pytest

from keras_gcnn import groups
from tests.helpers.reference import ELEMENTS, correlate, move

pytestmark = pytest.mark.backend_free
PADDINGS = ["valid", "same", "circular", "reflect"]
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


AXES = [("pm", 0), ("p2", 0), ("p2", 1)]
SLIDES = list(itertools.product([1, 2, 3], PADDINGS, [1, 2]))


@pytest.mark.parametrize(("stride", "padding", "dilation"), SLIDES)
def test_none_if_and_only_if_exact_along_an_axis(stride, padding, dilation):
    wrong, answers = [], set()
    group, axis = AXES[SLIDES.index((stride, padding, dilation)) % len(AXES)]
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


@pytest.mark.every_combination
@pytest.mark.parametrize("group", ELEMENTS)
@pytest.mark.parametrize("case", PLANE_CASES, ids=str)
def test_none_if_and_only_if_exact_on_the_plane(group, case):
    problem = groups.window_problem(groups.get(group), *case)
    assert (problem is None) == commutes(group, *case), problem


def test_the_plane_cases_tell_the_groups_apart():
    answers = [tuple(commutes(group, *case) for group in ELEMENTS) for case in PLANE_CASES]
    assert len(set(answers)) >= 4


def random_cases(number):
    """Small windows of every type on small images; many visit one position or none."""
    rng = np.random.default_rng(0)
    while number:
        sizes, window = rng.integers(1, 8, 2), rng.integers(1, 5, 2)
        sizes[1] = rng.choice(sizes)
        window[1] = rng.choice(window)
        steps = [rng.integers(1, 5, 2), np.ones(2, int)]
        strides, dilation = steps if rng.random() < 0.5 else steps[::-1]
        padding = rng.choice(PADDINGS)
        reach = (window - 1) * dilation
        fits = {
            "valid": reach < min(sizes),
            "same": np.array(True),
            "circular": (reach + 1) // 2 <= min(sizes),
            "reflect": (reach + 1) // 2 < min(sizes),
        }
        if fits[padding].all():  # which it does after a quarter turn too
            number -= 1
            pairs = (tuple(one.tolist()) for one in (sizes, window, strides, dilation))
            sizes, window, strides, dilation = pairs
            yield rng.choice(list(ELEMENTS)), (sizes, window, strides, str(padding), dilation)


def test_silent_if_and_only_if_exact_on_small_images():
    answers, wrong = set(), []
    for group, case in random_cases(600):
        problem, truth = groups.window_problem(groups.get(group), *case), commutes(group, *case)
        answers.add((group, truth))
        if (problem is None) != truth:
            wrong.append((group, case, truth, problem))
    assert not wrong
    assert answers == {*itertools.product(ELEMENTS, (True, False))} - {("z2", False)}


@pytest.mark.parametrize(
    "case",
    [
        ((7, 7), (1, 1), (1, 1), "same", (2, 1)),  # a kernel of one place has no gaps
        ((3, 3), (3, 3), (2, 3), "valid"),  # one visit, whatever the stride
        ((1, 1), (1, 1), (1, 2), "same"),
    ],
    ids=str,
)
def test_a_window_that_visits_one_place_is_exact(case):
    for group in ELEMENTS:
        assert groups.window_problem(groups.get(group), *case) is None


def test_pools_of_different_sizes_that_cover_the_same_places():
    p4, case = groups.get("p4"), ((2, 2), (2, 3), (2, 3), "same")
    assert groups.window_problem(p4, *case, pooling=True) is None
    assert groups.window_problem(p4, *case)  # the weights of a kernel tell rows from columns
    assert groups.window_problem(p4, (5, 5), *case[1:], pooling=True)


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_what_depends_on_an_unknown_size_is_no_problem_yet(padding):
    p4 = groups.get("p4")
    for sizes in ((None, None), (None, 7), (7, None)):
        assert groups.window_problem(p4, sizes, (3, 3), (2, 2), padding) is None
        assert groups.window_problem(p4, sizes, (3, 3), (1, 2), padding)
    assert groups.window_problem(p4, (None, 8), (3, 3), (2, 2), padding)
    problem = groups.window_problem(p4, (None, None), (2, 2), (1, 1), padding)
    assert (problem is None) == (padding == "valid")


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize(("window", "stride"), [(7, 2), (3, 4), (2, 3)])
def test_the_nearest_sizes_are_exact_and_none_is_nearer(window, stride, padding):
    case = ((window,) * 2, (stride,) * 2, padding, (1, 1))
    fits = [n for n in range(window, 20) if commutes("pm", (n, window), *case)]
    for size in range(window, 20 - stride):
        above, below = [n for n in fits if n > size], [n for n in fits if n < size]
        names = " or ".join(str(n) for n in [*above[:1], *below[-1:]])
        found = groups.nearest_exact_sizes(groups.get("p4m"), (size, size), *case)
        assert found == (None if size in fits else f"{names} rows and columns")


@pytest.mark.parametrize(
    ("group", "sizes", "phrase"),
    [
        ("p4m", (96, 97), "97 or 95 rows"),
        ("p4m", (97, 98), "99 or 97 columns"),
        ("p2", (96, 64), "97 or 95 rows and 65 or 63 columns"),
        ("pm", (96, 64), "97 or 95 rows"),  # columns are never reversed
        ("p4", (97, 97), None),
        ("p4", (None, None), None),
    ],
)
def test_only_what_does_not_fit_is_named(group, sizes, phrase):
    case = ((7, 7), (2, 2), "valid")
    assert groups.nearest_exact_sizes(groups.get(group), sizes, *case) == phrase


def test_no_smaller_size_than_the_window_is_named():
    sizes = groups.nearest_exact_sizes(groups.get("p2"), (8, 7), (7, 7), (4, 4), "valid")
    assert sizes == "11 or 7 rows"


@pytest.mark.parametrize(
    ("case", "says"),
    [
        (((28, 28), (3, 3), (2, 2), "same"), "pads 0 before and 1 after the rows .*28 rows"),
        (((7, 28), (3, 3), (2, 2), "same"), "pads 0 before and 1 after the columns .*28 columns"),
        (((28, 28), (4, 4), (1, 1), "circular"), 'circular" pads 1 before and 2 after the rows'),
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


@pytest.mark.parametrize("padding", ["circular", "reflect"])
def test_what_fills_the_border_makes_no_difference_to_the_rule(padding):
    """Except on small images, where windows may read a place twice."""
    p4m = groups.get("p4m")
    for size, window, stride in itertools.product(range(10, 20), range(1, 8), range(1, 5)):
        case = (p4m, (size, size), (window, window), (stride, stride))
        zeros, filled = (groups.window_problem(*case, rule) for rule in ("same", padding))
        assert (zeros is None) == (filled is None), case


@pytest.mark.parametrize("stride", [1, 2, 3, 4])
def test_exact_window_is_the_smallest_that_leaves_nothing(stride):
    for size in range(stride, 20):
        fitting = [window for window in range(stride, size + 1) if (size - window) % stride == 0]
        assert groups.exact_window(size, stride) == fitting[0]


def test_arguments_of_any_size_are_judged_at_once():
    """A file may state them: neither sizes nor places are counted one by one."""
    p4 = groups.get("p4")
    case = (p4, (28, 28), (3, 3), (10**9, 10**9), "valid")
    assert "leaves 25 of 28 rows" in groups.window_problem(*case)
    assert groups.nearest_exact_sizes(*case) is None
    for window, strides in ((10**9, 1), (10**9 + 1, 10**6)):
        case = (p4, (28, 28), (window, window), (strides, strides), "same")
        groups.window_problem(*case, pooling=True)
