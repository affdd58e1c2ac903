"""Convolutions commute with every element where the rule predicts it, and warn elsewhere.

The rule is `reference.is_exact`, from the mathematics and not from the library, so a warning that
is missing or false fails here as well as an error in the numbers.
"""

import collections
import functools

import keras
import pytest

from keras_gcnn.layers import EquivarianceWarning, GConv2D, GMaxPooling2D, LiftingConv2D
from tests.helpers import reference
from tests.helpers.convolutions import check, check_together, error_of, in_parts, make, matrix
from tests.helpers.layers import DATA_FORMATS, random_initializer, run

LAYERS = {"layer_class": [LiftingConv2D, GConv2D], "data_format": DATA_FORMATS}
CASES = matrix(reference.is_exact, range(1, 8), [8, 9], group=["p4", "p4m"], **LAYERS)
WITHOUT_QUARTER_TURNS = matrix(
    reference.is_exact, [(3, 3), (2, 3), (3, 2)], [8, 9], group=["p2", "flip", "pmm"], **LAYERS
)


@pytest.mark.parametrize("cases", [*in_parts(CASES), *in_parts(WITHOUT_QUARTER_TURNS)])
def test_exact_or_reported(cases, rng):
    check_together(cases, rng)


@pytest.mark.parametrize("group", ["p4", "p4m"])
@pytest.mark.parametrize("window", [{"strides": (1, 2)}, {"dilation_rate": (1, 2)}], ids=str)
def test_rows_and_columns_treated_differently_are_reported(group, window, rng):
    check(GConv2D, group, 3, 9, False, rng, **window)


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("kernel", [2, 3])
def test_dilation_is_exact(kernel, padding, rng):
    """A window of `(k - 1) * 2 + 1` is odd, so that it is centred even if the kernel is even."""
    check(GConv2D, "p4m", kernel, 8, True, rng, padding=padding, dilation_rate=2)


def test_the_matrix_holds_exact_and_broken_cases_of_every_type():
    answers = collections.defaultdict(set)
    for _, _, kernel, _, exact, window in CASES:
        answers[window["strides"], window["padding"], kernel % 2].add(exact)
    assert answers == {
        (1, "valid", 0): {True},
        (1, "valid", 1): {True},
        (1, "same", 0): {False},
        (1, "same", 1): {True},
        **{(2, padding, odd): {True, False} for padding in ("valid", "same") for odd in (0, 1)},
    }


def test_ignore_is_silent(recwarn):
    make(GConv2D, "p4", 3, "ignore", strides=2).build((None, 8, 8, 8))
    assert not [w for w in recwarn if issubclass(w.category, EquivarianceWarning)]


def test_an_unknown_size_is_no_problem_yet():
    """What a size breaks is reported when it is met: see test_other_sizes.py."""
    make(GConv2D, "p4", 3, "strict", padding="same").build((None, None, None, 8))
    make(GConv2D, "p4", 3, "strict", strides=2).build((None, None, None, 8))


@pytest.mark.parametrize("size", [8, 9])
@pytest.mark.parametrize("group", ["p4", "p4m"])
def test_the_fix_that_the_warning_names_works(group, size, rng):
    convolution = make(GConv2D, group, 3, "strict", padding="same")
    pooling = GMaxPooling2D(strides=2, equivariance="strict", dtype="float64")
    error = error_of(
        lambda inputs: run(pooling, run(convolution, inputs)), GConv2D, group, size, rng
    )
    assert error < 1e-10


def test_the_fix_for_an_even_kernel_names_the_kernel_too():
    """With stride 1 alone, `"same"` would still pad an even kernel on one side more."""
    with pytest.warns(EquivarianceWarning, match=r"To fix: .*(odd kernel_size|valid)"):
        make(GConv2D, "p4", 4, strides=2, padding="same").build((None, 9, 9, 8))


def test_the_experiment_sees_a_broken_layer(rng):
    """A stock convolution of the same shape is far from equivariant."""
    stock = keras.layers.Conv2D(
        8, 3, dtype="float64", kernel_initializer=random_initializer(1), padding="same"
    )
    error = error_of(functools.partial(run, stock), GConv2D, "p4", 8, rng)
    assert error > 0.1
