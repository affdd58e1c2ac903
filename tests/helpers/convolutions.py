"""Convolutions with random weights, and the check that each is exact or warns that it is not."""

import functools
import itertools
import typing
import warnings

import numpy as np
import pytest

from keras_gcnn.layers import EquivarianceWarning, LiftingConv2D
from tests.helpers import reference
from tests.helpers.contract import constructor_arguments
from tests.helpers.covering import covering
from tests.helpers.layers import (
    equivariance_error,
    error_over_elements,
    random_initializer,
    run_together,
    to_format,
)
from tests.helpers.levels import COMPILING, thoroughly


def make(layer_class, group, size, equivariance="warn", **window):
    arguments = constructor_arguments(layer_class)
    names = sorted(name for name in arguments if "initializer" in name)
    return layer_class(
        *((2,) if "filters" in arguments else ()),
        size,
        group,
        dtype="float64",
        equivariance=equivariance,
        **{name: random_initializer(seed) for seed, name in enumerate(names)},
        **window,
    )


def reference_window(window):
    """Keras's arguments as the reference takes them."""
    pairs = {
        "strides" if key == "strides" else "dilation": np.broadcast_to(value, 2)
        for key, value in window.items()
        if key != "padding"
    }
    return {"padding": window.get("padding", "valid"), **pairs}


def inputs_and_move(layer_class, group, size, rng):
    """Square inputs of two fields, and how an element moves them."""
    lifting = layer_class is LiftingConv2D
    inputs = rng.normal(size=(1, size, size, 2 if lifting else 2 * reference.order(group)))
    return inputs, functools.partial(
        reference.move_images if lifting else reference.move_maps, group=group
    )


def error_of(function, layer_class, group, size, rng):
    inputs, move_in = inputs_and_move(layer_class, group, size, rng)
    return equivariance_error(
        function,
        inputs,
        reference.order(group),
        lambda array, g: move_in(array, g=g),
        lambda array, g: reference.move_maps(array, group, g),
    )


def matrix(rule, kernels, sizes, **choices):
    """Returns cases for `check_together`: all kernels with all windows, the rest covering.

    Whether a layer is exact depends on kernel, stride, size and padding at once; every pair of
    these four as one with a value of the rest occurs, and every pair of values of the rest. The
    first eight hold every value of each: there are no longer lists than that of the windows.

    Args:
        rule: function of size, kernel, stride and padding along an axis; whether it is exact.
        choices: lists of values for `layer_class`, `group`, and arguments of the layer.
    """
    windows = list(itertools.product([1, 2], sizes, ["valid", "same"]))
    cases = []
    for case in covering(kernel=kernels, window=windows, **choices):
        stride, size, padding = case.pop("window")
        kernel, layer_class, group = (case.pop(name) for name in ("kernel", "layer_class", "group"))
        axes = reference.REVERSED_AXES[group]
        lengths = np.broadcast_to(kernel, 2)
        exact = all(rule(size, lengths[axis], stride, padding) for axis in axes)
        window = {"strides": stride, "padding": padding, **case}
        cases.append((layer_class, group, kernel, size, exact, window))
    return cases


def in_parts(cases, size=8):
    """Parameters, lists of so many cases: the first holds every value, thorough ones every pair."""
    first, *rest = (cases[start : start + size] for start in range(0, len(cases), size))
    return [first, *thoroughly(*rest, on=COMPILING)]


def check(*args, **window):
    """One layer is exact and silent, or broken and reported; see `check_together`."""
    *case, rng = args
    check_together([(*case, window)], rng)


def check_together(cases, rng):
    """Every layer is exact and silent, or broken and reported.

    Args:
        cases: tuples of a class, a group, kernel size, image size, whether it is exact, and the
            other arguments of the layer.
    """
    experiments = []
    for layer_class, group, kernel, size, exact, window in cases:
        inputs, move_in = inputs_and_move(layer_class, group, size, rng)
        experiment = Experiment(
            functools.partial(make, layer_class, group, kernel, **window),
            exact,
            inputs,
            reference.order(group),
            lambda array, g, move_in=move_in: move_in(array, g=g),
            lambda array, g, group=group: reference.move_maps(array, group, g),
        )
        experiments.append(experiment)
    check_experiments(experiments)


class Experiment(typing.NamedTuple):
    """A convolution, whether it is exact, channels-last inputs, and how elements move them.

    `make` takes the argument `equivariance`.
    """

    make: typing.Callable
    exact: bool
    inputs: np.ndarray
    order: int
    move_in: typing.Callable
    move_out: typing.Callable


def check_experiments(experiments):
    layers, moved, wrong = [], [], []
    for one in experiments:
        layers.append(_built(one))
        moved.append(np.concatenate([one.move_in(one.inputs, g) for g in range(one.order)]))
    for one, outputs in zip(experiments, run_together(layers, moved), strict=True):
        error = error_over_elements(outputs, one.order, one.move_out)
        if not (error < 1e-10 if one.exact else error > 1e-3):
            wrong.append((error, one.exact, one.make))
    assert not wrong


def _built(experiment):
    """The layer, which warns when it is built if it is not exact; a strict one refuses."""
    layer, strict = (experiment.make(equivariance=how) for how in ("warn", "strict"))
    shape = to_format(experiment.inputs, layer.data_format).shape
    if experiment.exact:
        with warnings.catch_warnings():
            warnings.simplefilter("error", EquivarianceWarning)
            layer.build(shape)
            strict.build(shape)
        return layer
    says = rf"{type(layer).__name__} .* is not equivariant: .+ To fix: (use|leave) "
    with pytest.raises(ValueError, match=says):
        strict.build(shape)
    with pytest.warns(EquivarianceWarning, match=says):
        layer.build(shape)
    return layer
